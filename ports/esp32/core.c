// The core on which Python's threads start: core 0, or the one that threadcore.set() names.
//
// mpthreadport.c:157 (v1.28.0) pins every thread to MP_TASK_COREID, core 1, where the REPL runs too; mphalport.h:52
// leaves no way to define it otherwise, and one number would not do: main's own task is pinned by it (main.c:281).
#include <string.h>

#include "maw.h"

int8_t maw_core;

MAW_WRAP(xTaskCreatePinnedToCore);

BaseType_t __wrap_xTaskCreatePinnedToCore(TaskFunction_t function, const char *const name, const uint32_t stack,
    void *const arg, UBaseType_t priority, TaskHandle_t *const task, const BaseType_t core) {
    // ESP-IDF's own tasks come through here as well. The name is given by mpthreadport.c:177, to no other task.
    if (name == NULL || strcmp(name, "mp_thread") != 0) {
        return __real_xTaskCreatePinnedToCore(function, name, stack, arg, priority, task, core);
    }
    BaseType_t made = __real_xTaskCreatePinnedToCore(function, name, stack, arg, priority, task, maw_core);
    if (made == pdPASS) {
        // The creator has the GIL, so the thread, though it may run already, has not begun with Python.
        maw_unwind_add(*task);
    }
    return made;
}
