// MicroPython's core as far as the port meets it: mp_init(), a thread's life, the VM's jump, exceptions.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

const mp_obj_type_t mp_type_SystemExit = { "SystemExit" }, mp_type_ValueError = { "ValueError" };
const mp_obj_type_t mp_type_module = { "module" };
struct fake_vm fake_vm;
volatile int fake_threads;

static mp_state_thread_t main_state;

mp_state_thread_t *mp_thread_get_state(void) {
    return pvTaskGetThreadLocalStoragePointer(NULL, 1);
}

mp_obj_t mp_obj_new_exception_arg1(const mp_obj_type_t *type, mp_obj_t arg) {
    (void)arg;
    return type;
}

mp_int_t mp_obj_get_int(mp_obj_t value) {
    return (intptr_t)value;
}

void fake_raise(mp_obj_t exception) {
    longjmp(*MP_STATE_THREAD(nlr), exception == &mp_type_SystemExit ? 1 : 2);
}

void mp_raise_msg_varg(const mp_obj_type_t *type, const char *format, ...) {
    (void)format;
    fake_raise(type);
}

void mp_raise_ValueError(const char *text) {
    (void)text;
    fake_raise(&mp_type_ValueError);
}

void mp_get_buffer_raise(mp_obj_t object, mp_buffer_info_t *info, unsigned int flags) {
    (void)flags;
    *info = *(const mp_buffer_info_t *)object;
}

mp_obj_t mp_obj_new_bytes(const uint8_t *data, size_t length) {
    mp_buffer_info_t *made = malloc(sizeof(*made) + length);
    made->buf = made + 1;
    made->len = length;
    memcpy(made->buf, data, length);
    return made;
}

struct start {
    void (*python)(void *);
    void *arg;
};

static void thread_entry(void *arg) {
    struct start start = *(struct start *)arg;
    free(arg);
    mp_state_thread_t state = { 0 };
    jmp_buf nlr;
    xTaskGetCurrentTaskHandle()->storage[1] = &state;
    MP_THREAD_GIL_ENTER();
    mp_thread_start();
    state.nlr = &nlr;
    if (setjmp(nlr) == 0) {
        start.python(start.arg);
    }
    mp_thread_finish();
    MP_THREAD_GIL_EXIT();
}

TaskHandle_t fake_start_thread(void (*python)(void *), void *arg) {
    struct start *start = malloc(sizeof(*start));
    start->python = python;
    start->arg = arg;
    TaskHandle_t task;
    return xTaskCreatePinnedToCore(thread_entry, "mp_thread", 4096, start, 1, &task, 1) == pdPASS ? task : NULL;
}

void fake_start_task(const char *name, TaskFunction_t function, void *arg, int core) {
    TaskHandle_t task;
    xTaskCreatePinnedToCore(function, name, 1, arg, 1, &task, core);
}

void fake_jump(void) {
    static __thread unsigned int gil_divisor;
    MICROPY_VM_HOOK_LOOP
    mp_obj_t pending = MP_STATE_THREAD(mp_pending_exception);
    if (pending != MP_OBJ_NULL) {
        MP_STATE_THREAD(mp_pending_exception) = MP_OBJ_NULL;
        fake_raise(pending);
    }
    if (++gil_divisor % 32 == 0 && MP_STATE_VM(sched_state) == MP_SCHED_IDLE) {
        MP_THREAD_GIL_EXIT();
        MP_THREAD_GIL_ENTER();
    }
}

void fake_mp_init(void) {
    fake_vm.sched_state = MP_SCHED_IDLE;
    mp_thread_mutex_init(&fake_vm.gil_mutex);
    MICROPY_PORT_INIT_FUNC;
    MP_THREAD_GIL_ENTER();
}

void fake_power_up(void) {
    xTaskGetCurrentTaskHandle()->storage[1] = &main_state;
    fake_mp_init();
}
