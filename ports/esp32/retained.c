// The Python module retained: 1024 bytes of the firmware's own that every reset but power-off keeps.
//
// machine.RTC().memory() is the user's. This is a variable of its own in the same kind of memory (machine_rtc.c:68,
// v1.28.0), which the linker places: slow RTC memory on the ESP32 and the ESP32-S3, the RTC memory on the ESP32-C3. The
// start-up code leaves it alone, and deep sleep keeps it powered (ESP-IDF v5.5.1, sleep_modes.c:2487). After power-off,
// or when an update has moved it, it holds anything: who uses it has to be able to tell.
#include <string.h>

#include "maw.h"
#include "esp_attr.h"

#define SIZE (1024)

static RTC_NOINIT_ATTR uint8_t memory[SIZE];

// Where `offset` is, if `length` bytes from there on are inside.
static uint8_t *place(mp_obj_t offset_in, mp_int_t length) {
    mp_int_t offset = mp_obj_get_int(offset_in);
    if (offset < 0 || length < 0 || length > SIZE || offset > SIZE - length) {
        mp_raise_ValueError(MP_ERROR_TEXT("outside the retained memory"));
    }
    return memory + offset;
}

// read(offset, length): the bytes. ValueError when they are not all inside.
static mp_obj_t retained_read(mp_obj_t offset_in, mp_obj_t length_in) {
    mp_int_t length = mp_obj_get_int(length_in);
    const uint8_t *from = place(offset_in, length);
    return mp_obj_new_bytes(from, length);
}
static MP_DEFINE_CONST_FUN_OBJ_2(retained_read_obj, retained_read);

// write(offset, data): put bytes there. ValueError when they do not fit.
static mp_obj_t retained_write(mp_obj_t offset_in, mp_obj_t data_in) {
    mp_buffer_info_t data;
    mp_get_buffer_raise(data_in, &data, MP_BUFFER_READ);
    memcpy(place(offset_in, data.len), data.buf, data.len);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(retained_write_obj, retained_write);

static const mp_rom_map_elem_t retained_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_retained) },
    { MP_ROM_QSTR(MP_QSTR_SIZE), MP_ROM_INT(SIZE) },
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&retained_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&retained_write_obj) },
};
static MP_DEFINE_CONST_DICT(retained_globals, retained_globals_table);

const mp_obj_module_t maw_module_retained = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&retained_globals,
};

MP_REGISTER_MODULE(MP_QSTR_retained, maw_module_retained);
