// The GIL: fair between cores, kept while the scheduler is locked, given back to a callback that waits for it.
//
// Fair. mp_thread_mutex_unlock (mpthreadport.c:202, v1.28.0) gives the semaphore and yields, on its own core. A thread
// that computes takes it again at once, before a waiter on the other core has woken up. So whoever lets go while others
// wait stands by until one of them has it.
//
// Kept. mp_sched_lock() means that no other thread may come in: os_dupterm.c:113 reads WebREPL's socket under it,
// gc.c:643 runs finalisers in the middle of a collection. But the socket lets go of the GIL, and vm.c:1385 does not pass
// it on while the scheduler is locked: `while True: pass` in WebREPL would stop the server, and its own Ctrl-C. So the
// thread that locked the scheduler keeps the GIL, for KEEP_MS: a write to a client that does not read may take for ever.
// During a collection it keeps it without limit: another thread's new objects would be swept away.
//
// Given back. mp_sched_run_pending() (scheduler.c:87) locks the scheduler without mp_sched_lock(). Its callbacks may wait
// for other threads, so they do not keep the GIL; maw_gil_bounce() lets them have it again.
#include "maw.h"
#include "esp_cpu.h"
#include "esp_rom_sys.h"
#if CONFIG_IDF_TARGET_ARCH_XTENSA
#include "xtensa/hal.h"
#endif

#define HAND_OVER_US (200)
#define KEEP_MS (50)
#define BOUNCE_DIVISOR (32) // MICROPY_PY_THREAD_GIL_VM_DIVISOR of mpconfigport.h:87

#define IS_GIL(mutex) ((mutex) == &MP_STATE_VM(gil_mutex))

static volatile int32_t waiters;
static volatile uint32_t taken; // how often the GIL was taken: changes when a waiter has it
static TaskHandle_t volatile holder; // the task that has the GIL
static TaskHandle_t volatile owner; // the task that locked the scheduler by mp_sched_lock()
static volatile uint32_t depth; // how often it did
static volatile TickType_t since; // when it did first
static TaskHandle_t volatile absent; // the task that locked the scheduler and has let go of the GIL

MAW_WRAP(mp_thread_mutex_lock);
MAW_WRAP(mp_thread_mutex_unlock);
MAW_WRAP(mp_sched_lock);
MAW_WRAP(mp_sched_unlock);

void maw_gil_start(void) {
    // mpthreadport.c:211 has deleted the tasks of the last run, also those that waited.
    waiters = 0;
    depth = 0;
    holder = owner = absent = NULL;
}

bool maw_gil_held(void) {
    return holder == xTaskGetCurrentTaskHandle();
}

int __wrap_mp_thread_mutex_lock(mp_thread_mutex_t *mutex, int wait) {
    if (!IS_GIL(mutex)) {
        return __real_mp_thread_mutex_lock(mutex, wait);
    }
    if (maw_gil_held()) {
        return 1; // it was kept
    }
    __atomic_fetch_add(&waiters, 1, __ATOMIC_SEQ_CST);
    int got = __real_mp_thread_mutex_lock(mutex, wait);
    __atomic_fetch_sub(&waiters, 1, __ATOMIC_SEQ_CST);
    if (got == 1) {
        holder = xTaskGetCurrentTaskHandle();
        taken = taken + 1;
    }
    return got;
}

// With the GIL: whether the caller, who wants to let go of it, has to keep it.
static bool keeps(void) {
    return owner == xTaskGetCurrentTaskHandle()
           && (MP_STATE_THREAD(gc_lock_depth) > 0 || xTaskGetTickCount() - since < pdMS_TO_TICKS(KEEP_MS));
}

void __wrap_mp_thread_mutex_unlock(mp_thread_mutex_t *mutex) {
    if (!IS_GIL(mutex)) {
        __real_mp_thread_mutex_unlock(mutex);
        return;
    }
    if (keeps()) {
        return;
    }
    if (MP_STATE_VM(sched_state) >= 0) {
        absent = NULL;
    } else if (absent == NULL) {
        // The first to let go of the GIL since the scheduler was locked is the one who locked it.
        absent = xTaskGetCurrentTaskHandle();
    }
    uint32_t before = taken;
    bool hand_over = waiters > 0;
    holder = NULL;
    #if CONFIG_IDF_TARGET_ARCH_XTENSA
    // The collector looks for objects on the stacks of the other threads (mpthreadport.c:92). A thread that goes on
    // running on the other core has its callers' registers in the CPU unless they are written to its stack before.
    xthal_window_spill();
    #endif
    __real_mp_thread_mutex_unlock(mutex);
    #if CONFIG_FREERTOS_UNICORE
    // On one core the yield in there was the hand-over.
    (void)before;
    (void)hand_over;
    #else
    if (hand_over) {
        uint32_t start = esp_cpu_get_cycle_count();
        uint32_t limit = HAND_OVER_US * esp_rom_get_cpu_ticks_per_us();
        while (taken == before && esp_cpu_get_cycle_count() - start < limit) {
        }
    }
    #endif
}

void __wrap_mp_sched_lock(void) {
    __real_mp_sched_lock();
    // mpirq.c:84 locks it in an interrupt: then the current task is any, and knows nothing of it.
    if (xPortInIsrContext()) {
        return;
    }
    TaskHandle_t me = xTaskGetCurrentTaskHandle();
    if (owner == NULL) {
        owner = me;
        depth = 0;
        since = xTaskGetTickCount();
    }
    if (owner == me) {
        depth = depth + 1;
    }
}

void __wrap_mp_sched_unlock(void) {
    if (!xPortInIsrContext() && owner == xTaskGetCurrentTaskHandle()) {
        depth = depth - 1;
        if (depth == 0) {
            owner = NULL;
        }
    }
    __real_mp_sched_unlock();
}

void maw_gil_bounce(void) {
    static uint8_t jumps;
    TaskHandle_t waits = absent;
    if (waiters > 0 && waits != NULL && waits != xTaskGetCurrentTaskHandle() && ++jumps % BOUNCE_DIVISOR == 0) {
        MP_THREAD_GIL_EXIT();
        MP_THREAD_GIL_ENTER();
    }
}
