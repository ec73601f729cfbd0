// The Python module threadcore: which core threads start on. README.md has its help.
#include "maw.h"

// set(core): threads started from now on run on this core. ValueError if the chip does not have it.
static mp_obj_t threadcore_set(mp_obj_t core_in) {
    mp_int_t core = mp_obj_get_int(core_in);
    if (core < 0 || core >= MAW_CORES) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("no core %d: this chip has %d"), (int)core, (int)MAW_CORES);
    }
    maw_core = core;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(threadcore_set_obj, threadcore_set);

// get(): the core that threads start on.
static mp_obj_t threadcore_get(void) {
    return MP_OBJ_NEW_SMALL_INT(maw_core);
}
static MP_DEFINE_CONST_FUN_OBJ_0(threadcore_get_obj, threadcore_get);

// current(): the core that the caller runs on. All threads are pinned, so it stays so.
static mp_obj_t threadcore_current(void) {
    return MP_OBJ_NEW_SMALL_INT(xPortGetCoreID());
}
static MP_DEFINE_CONST_FUN_OBJ_0(threadcore_current_obj, threadcore_current);

static const mp_rom_map_elem_t threadcore_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_threadcore) },
    { MP_ROM_QSTR(MP_QSTR_CORES), MP_ROM_INT(MAW_CORES) },
    { MP_ROM_QSTR(MP_QSTR_set), MP_ROM_PTR(&threadcore_set_obj) },
    { MP_ROM_QSTR(MP_QSTR_get), MP_ROM_PTR(&threadcore_get_obj) },
    { MP_ROM_QSTR(MP_QSTR_current), MP_ROM_PTR(&threadcore_current_obj) },
};
static MP_DEFINE_CONST_DICT(threadcore_globals, threadcore_globals_table);

const mp_obj_module_t maw_module_threadcore = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&threadcore_globals,
};

MP_REGISTER_MODULE(MP_QSTR_threadcore, maw_module_threadcore);
