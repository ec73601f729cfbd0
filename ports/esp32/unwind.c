// Before a soft reset every thread is asked to end, and waited for.
//
// main.c:205 (v1.28.0) calls mp_thread_deinit(), which deletes the threads wherever they are, also in the middle of a
// call into the network stack: on core 0 that hung one soft reset in five. No hook comes before it: those round the
// execution of code (shared/runtime/pyexec.c:69, 226) do not see Ctrl-D at the prompt (pyexec.c:599-604, 674-679).
//
// So SystemExit is raised in each thread, at its next jump backwards, or when its wait is over: `finally` blocks run,
// and the thread ends silently (modthread.c:188). Once more at half time for one that has swallowed it. What is left
// when the time is up is deleted as before: a thread in lock.acquire() or in a look-up of a name cannot be reached.
#include <string.h>

#include "maw.h"

#define UNWIND_MS (2000)
#define STEP_MS (10)
#define MAX_THREADS (16) // more are not asked, only deleted

// The port's own list is static (mpthreadport.c:61-63). Touched with the GIL only.
static TaskHandle_t threads[MAX_THREADS];

MP_REGISTER_ROOT_POINTER(mp_obj_t maw_system_exit);

MAW_WRAP(mp_thread_finish);
MAW_WRAP(mp_thread_deinit);

void maw_unwind_start(void) {
    memset(threads, 0, sizeof(threads));
    MP_STATE_VM(maw_system_exit) = MP_OBJ_NULL;
}

// Put `with` in the place of `what`.
static void exchange(TaskHandle_t what, TaskHandle_t with) {
    for (size_t i = 0; i < MAX_THREADS; i++) {
        if (threads[i] == what) {
            threads[i] = with;
            return;
        }
    }
}

void maw_unwind_add(TaskHandle_t task) {
    exchange(NULL, task);
}

// The last of a thread's Python (modthread.c:202), still with the GIL: until here its state, on its stack, is valid.
void __wrap_mp_thread_finish(void) {
    exchange(xTaskGetCurrentTaskHandle(), NULL);
    __real_mp_thread_finish();
}

static bool any(void) {
    for (size_t i = 0; i < MAX_THREADS; i++) {
        if (threads[i] != NULL) {
            return true;
        }
    }
    return false;
}

static void ask_all(void) {
    // SystemExit("soft_reset"): modules/device/loop.py tells it from a program's sys.exit() by that. Making it never
    // raises: without memory it is the emergency exception, or has no argument (py/objexcept.c). It is one for all, and a
    // root of the collector, which does not look at the stack of a thread that is about to start (mpthreadport.c:89).
    MP_STATE_VM(maw_system_exit) = mp_obj_new_exception_arg1(&mp_type_SystemExit, MP_OBJ_NEW_QSTR(MP_QSTR_soft_reset));
    for (size_t i = 0; i < MAX_THREADS; i++) {
        if (threads[i] == NULL) {
            continue;
        }
        mp_state_thread_t *state = pvTaskGetThreadLocalStoragePointer(threads[i], 1); // its place: mpthreadport.c:98
        if (state == NULL) {
            continue; // it has not begun
        }
        mp_uint_t atomic_state = MICROPY_BEGIN_ATOMIC_SECTION(); // as mp_handle_pending takes it, scheduler.c:230
        state->mp_pending_exception = MP_STATE_VM(maw_system_exit);
        MICROPY_END_ATOMIC_SECTION(atomic_state);
    }
}

// On the main task, with the GIL.
void __wrap_mp_thread_deinit(void) {
    for (uint32_t ms = 0; ms < UNWIND_MS && any(); ms += STEP_MS) {
        if (ms == 0 || ms == UNWIND_MS / 2) {
            ask_all(); // not more often, or it would break into the `finally` blocks
        }
        MP_THREAD_GIL_EXIT();
        vTaskDelay(pdMS_TO_TICKS(STEP_MS));
        MP_THREAD_GIL_ENTER();
    }
    memset(threads, 0, sizeof(threads));
    __real_mp_thread_deinit();
}
