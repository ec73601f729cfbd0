// Cases for ports/esp32, one a run: `cases NAME`. Threads wait for each other, never for a time; the test has a deadline.
#include <unistd.h>

#include "cases.h"
#include "maw.h"

static void until(const volatile int *flag) {
    while (!*flag) {
        usleep(100);
    }
}

// Wait without the GIL.
static void until_released(const volatile int *flag) {
    MP_THREAD_GIL_EXIT();
    until(flag);
    MP_THREAD_GIL_ENTER();
}

static volatile int go, got, stop, jumps;

static void jump_until_stop(void *arg) {
    (void)arg;
    go = 1;
    while (!stop) {
        jumps = jumps + 1;
        fake_jump();
    }
}

// Wait for the GIL once.
static void take(void *arg) {
    (void)arg;
    got = 1;
}

// --- core.c, threadcore.c

extern const mp_obj_module_t maw_module_threadcore;

static const fake_function_t *function(const char *name) {
    const mp_obj_dict_t *globals = maw_module_threadcore.globals;
    for (size_t i = 0; i < globals->used; i++) {
        if (strcmp(globals->table[i].key, name) == 0) {
            return globals->table[i].value;
        }
    }
    return NULL;
}

// Whether threadcore.set(core) does not raise.
static bool set_core(int core) {
    jmp_buf nlr;
    MP_STATE_THREAD(nlr) = &nlr;
    if (setjmp(nlr) != 0) {
        return false;
    }
    return function("set")->one(MP_OBJ_NEW_SMALL_INT(core)) == mp_const_none;
}

static void note_core(void *arg) {
    *(volatile int *)arg = xPortGetCoreID();
}

static void case_core(void) {
    volatile int where = -1;
    CHECK((intptr_t)(mp_obj_t)function("CORES") == portNUM_PROCESSORS);
    CHECK(function("current")->zero() == MP_OBJ_NEW_SMALL_INT(portNUM_PROCESSORS - 1));
    for (int core = 0; core < portNUM_PROCESSORS; core++) {
        CHECK(set_core(core));
        CHECK(function("get")->zero() == MP_OBJ_NEW_SMALL_INT(core));
        TaskHandle_t task = fake_start_thread(note_core, (void *)&where);
        CHECK(task->core == core);
    }
    CHECK(!set_core(portNUM_PROCESSORS));
    CHECK(!set_core(-1));
    CHECK(function("get")->zero() == MP_OBJ_NEW_SMALL_INT(portNUM_PROCESSORS - 1));
    fake_mp_init();
    CHECK(function("get")->zero() == MP_OBJ_NEW_SMALL_INT(0));
}

static void case_other_tasks_keep_their_core(void) {
    volatile int where = -1;
    fake_start_task("wifi", note_core, (void *)&where, 7);
    while (where != 7) {
        usleep(100);
    }
}

// --- gil.c: fair

#if !CONFIG_FREERTOS_UNICORE
#define ROUNDS (500)

static TaskHandle_t volatile waiter;
static volatile int jumps_before;

static void note_jumps(void) {
    if (xTaskGetCurrentTaskHandle() == waiter) {
        jumps_before = jumps; // it is counted as a waiter already
    }
}

static void wait_often(void *arg) {
    (void)arg;
    waiter = xTaskGetCurrentTaskHandle();
    fake_before_lock = note_jumps;
    for (int i = 0; i < ROUNDS; i++) {
        MP_THREAD_GIL_EXIT();
        usleep(20);
        MP_THREAD_GIL_ENTER();
        // The jumps that were left until the next pass of the GIL, and those of one more that was under way.
        CHECK(jumps - jumps_before <= 2 * 32);
    }
    fake_before_lock = NULL;
    stop = 1;
}

static void case_waiter_gets_the_gil_each_time(void) {
    fake_start_thread(wait_often, NULL);
    jump_until_stop(NULL);
    CHECK(jumps > 0);
}
#endif

static void sleep_for_ever(void) {
    got = 1;
    while (1) {
        pause();
    }
}

static void case_hand_over_has_a_bound(void) {
    // A waiter that does not come, as a task of low priority on a busy core.
    fake_cycles_per_look = 1000;
    fake_before_lock = sleep_for_ever;
    fake_start_thread(take, NULL);
    until(&got);
    fake_before_lock = NULL;
    for (int i = 0; i < 3; i++) {
        MP_THREAD_GIL_EXIT();
        MP_THREAD_GIL_ENTER();
    }
}

#if CONFIG_IDF_TARGET_ARCH_XTENSA
static void case_registers_are_on_the_stack_before_another_thread_runs(void) {
    for (int i = 1; i < 4; i++) {
        MP_THREAD_GIL_EXIT();
        CHECK(fake_spills_at_unlock == i);
        MP_THREAD_GIL_ENTER();
    }
}
#endif

// --- gil.c: kept

static bool gil_free(void) {
    return !MP_STATE_VM(gil_mutex).taken;
}

static void case_gil_is_kept_under_the_scheduler_lock(void) {
    mp_sched_lock();
    mp_sched_lock();
    MP_THREAD_GIL_EXIT();
    CHECK(!gil_free() && maw_gil_held());
    MP_THREAD_GIL_ENTER(); // would wait for ever if it were taken twice
    mp_sched_unlock();
    MP_THREAD_GIL_EXIT();
    CHECK(!gil_free());
    MP_THREAD_GIL_ENTER();
    mp_sched_unlock();
    CHECK(MP_STATE_VM(sched_state) == MP_SCHED_IDLE);
    MP_THREAD_GIL_EXIT();
    CHECK(gil_free() && !maw_gil_held());
    MP_THREAD_GIL_ENTER();
    CHECK(!gil_free() && maw_gil_held());
}

static void case_gil_is_not_kept_for_ever(void) {
    fake_ticks = UINT32_MAX - 20; // the clock wraps
    mp_sched_lock();
    fake_ticks += 49;
    MP_THREAD_GIL_EXIT();
    CHECK(!gil_free());
    MP_THREAD_GIL_ENTER();
    fake_ticks += 1;
    fake_start_thread(take, NULL);
    until_released(&got);
    mp_sched_unlock();
    mp_sched_lock();
    MP_THREAD_GIL_EXIT();
    CHECK(!gil_free()); // the time begins with each lock
    MP_THREAD_GIL_ENTER();
    mp_sched_unlock();
}

static void case_gil_is_kept_for_ever_during_a_collection(void) {
    MP_STATE_THREAD(gc_lock_depth) = 1;
    mp_sched_lock();
    fake_ticks += 100000;
    MP_THREAD_GIL_EXIT();
    CHECK(!gil_free());
    MP_THREAD_GIL_ENTER();
    mp_sched_unlock();
    MP_STATE_THREAD(gc_lock_depth) = 0;
    MP_THREAD_GIL_EXIT();
    CHECK(gil_free());
    MP_THREAD_GIL_ENTER();
}

static volatile int locked;

static void lock_second(void *arg) {
    (void)arg;
    mp_sched_lock();
    locked = 1;
    until_released(&go);
    mp_sched_unlock();
    got = 1;
}

static void case_second_thread_that_locks_the_scheduler(void) {
    mp_sched_lock();
    fake_ticks += 50;
    fake_start_thread(lock_second, NULL);
    until_released(&locked);
    mp_sched_unlock();
    // The first has left the section, so it lets go of the GIL, though the second is still in its own.
    MP_THREAD_GIL_EXIT();
    CHECK(!maw_gil_held());
    go = 1;
    until(&got);
    MP_THREAD_GIL_ENTER();
    CHECK(MP_STATE_VM(sched_state) == MP_SCHED_IDLE);
}

static void case_interrupt_that_locks_the_scheduler(void) {
    fake_isr = true;
    mp_sched_lock();
    fake_isr = false;
    MP_THREAD_GIL_EXIT();
    CHECK(gil_free());
    MP_THREAD_GIL_ENTER();
    fake_isr = true;
    mp_sched_unlock();
    fake_isr = false;
    mp_sched_lock();
    fake_isr = true;
    mp_sched_lock();
    mp_sched_unlock();
    fake_isr = false;
    MP_THREAD_GIL_EXIT();
    CHECK(!gil_free());
    MP_THREAD_GIL_ENTER();
    mp_sched_unlock();
}

// --- gil.c: given back

static void case_callback_gets_the_gil_back(void) {
    fake_start_thread(jump_until_stop, NULL);
    // mp_sched_run_pending() locks the scheduler within its file.
    MP_STATE_VM(sched_state) = MP_SCHED_LOCKED;
    for (int i = 0; i < 50; i++) {
        until_released(&go); // as a print does, beside a thread that computes
        go = 0;
        int before = jumps;
        MP_THREAD_GIL_EXIT();
        while (jumps == before) {
            usleep(10);
        }
        go = 1;
        MP_THREAD_GIL_ENTER();
    }
    MP_STATE_VM(sched_state) = MP_SCHED_IDLE;
    stop = 1;
}

static void note_go(void) {
    go = 1; // it is counted as a waiter already
}

static void case_nobody_bounces_without_a_callback_that_waits(void) {
    fake_before_lock = note_go;
    fake_start_thread(take, NULL);
    until(&go);
    fake_before_lock = NULL;
    MP_STATE_VM(sched_state) = MP_SCHED_LOCKED; // the caller runs the callback and has not let go of the GIL
    for (int i = 0; i < 1000; i++) {
        fake_jump();
        CHECK(!got);
    }
    MP_STATE_VM(sched_state) = MP_SCHED_IDLE;
    until_released(&got);
}

// --- unwind.c

static volatile int unwound, swallowed;

static void run_until_exit(void *arg) {
    (void)arg;
    jmp_buf nlr;
    MP_STATE_THREAD(nlr) = &nlr;
    if (setjmp(nlr) == 0) {
        while (1) {
            fake_jump();
        }
    }
    // A `finally` block, which takes some jumps.
    jmp_buf again;
    MP_STATE_THREAD(nlr) = &again;
    if (setjmp(again) == 0) {
        for (int i = 0; i < 1000; i++) {
            fake_jump();
        }
        unwound = unwound + 1;
    }
}

static void swallow_once(void *arg) {
    jmp_buf nlr;
    MP_STATE_THREAD(nlr) = &nlr;
    if (setjmp(nlr) == 0) {
        while (1) {
            fake_jump();
        }
    }
    swallowed = swallowed + 1;
    run_until_exit(arg);
}

static void block_for_ever(void *arg) {
    (void)arg;
    locked = 1;
    MP_THREAD_GIL_EXIT();
    sleep_for_ever();
}

static void wait_for_threads(int count) {
    MP_THREAD_GIL_EXIT();
    while (fake_threads < count) {
        usleep(100);
    }
    MP_THREAD_GIL_ENTER();
}

static void case_threads_unwind(void) {
    for (int i = 0; i < 3; i++) {
        fake_start_thread(run_until_exit, NULL);
    }
    wait_for_threads(3);
    mp_thread_deinit();
    CHECK(unwound == 3);
    CHECK(fake_deleted == 0);
    CHECK(maw_gil_held());
}

static void case_thread_that_swallows_the_exception_is_asked_again(void) {
    fake_start_thread(swallow_once, NULL);
    wait_for_threads(1);
    mp_thread_deinit();
    CHECK(swallowed == 1 && unwound == 1);
    CHECK(fake_deleted == 0);
    CHECK(fake_ticks >= 1000 && fake_ticks < 2000);
}

static void case_thread_that_does_not_end_is_deleted(void) {
    fake_start_thread(block_for_ever, NULL);
    fake_start_thread(run_until_exit, NULL);
    wait_for_threads(2);
    mp_thread_deinit();
    CHECK(unwound == 1);
    CHECK(fake_deleted == 1);
    CHECK(fake_ticks == 2000);
    // The next run knows nothing of it.
    fake_mp_init();
    fake_ticks = 0;
    mp_thread_deinit();
    CHECK(fake_ticks == 0);
}

static void case_more_threads_than_places(void) {
    for (int i = 0; i < 20; i++) {
        fake_start_thread(run_until_exit, NULL);
    }
    wait_for_threads(20);
    mp_thread_deinit();
    CHECK(unwound == 16);
    CHECK(fake_deleted == 4);
}

static void case_thread_that_ends_frees_its_place(void) {
    for (int i = 0; i < 40; i++) {
        got = 0;
        fake_start_thread(take, NULL);
        until_released(&got);
    }
    MP_THREAD_GIL_EXIT();
    while (fake_threads > 0) {
        usleep(100);
    }
    MP_THREAD_GIL_ENTER();
    fake_start_thread(run_until_exit, NULL);
    wait_for_threads(1);
    mp_thread_deinit();
    CHECK(unwound == 1 && fake_deleted == 0);
}

static void case_thread_that_has_not_begun(void) {
    // Its task is there, its state is not.
    static struct fake_task task;
    maw_unwind_add(&task);
    mp_thread_deinit();
    CHECK(fake_ticks == 2000);
}

// --- wlan.c, dupterm.c, openeth.c

extern MP_NORETURN void __wrap_esp_exceptions_helper(esp_err_t error);

static void fail(bool with_gil) {
    jmp_buf nlr;
    MP_STATE_THREAD(nlr) = &nlr;
    if (setjmp(nlr) == 0) {
        if (!with_gil) {
            MP_THREAD_GIL_EXIT();
        }
        __wrap_esp_exceptions_helper(5);
    }
}

static void case_network_exception_is_raised_with_the_gil(void) {
    fail(false);
    CHECK(fake_held_when_raised && maw_gil_held() && !gil_free());
    fake_held_when_raised = false;
    fail(true);
    CHECK(fake_held_when_raised && maw_gil_held());
    MP_THREAD_GIL_EXIT();
    CHECK(gil_free());
    MP_THREAD_GIL_ENTER();
}

static int second_read;

static int read_nested(void) {
    fake_read = NULL;
    second_read = mp_os_dupterm_rx_chr();
    fake_read = read_nested;
    return 'x';
}

static void case_one_reader_of_the_terminal(void) {
    fake_read = read_nested;
    CHECK(mp_os_dupterm_rx_chr() == 'x');
    CHECK(second_read == -1);
    CHECK(mp_os_dupterm_rx_chr() == 'x');
}

static int read_and_be_deleted(void) {
    locked = 1;
    MP_THREAD_GIL_EXIT();
    sleep_for_ever();
    return 0;
}

static void read_terminal(void *arg) {
    (void)arg;
    mp_os_dupterm_rx_chr();
}

static void case_reader_that_was_deleted_is_forgotten(void) {
    fake_read = read_and_be_deleted;
    fake_start_thread(read_terminal, NULL);
    until_released(&locked);
    CHECK(mp_os_dupterm_rx_chr() == -1);
    mp_thread_deinit();
    fake_mp_init();
    fake_read = read_nested;
    CHECK(mp_os_dupterm_rx_chr() == 'x');
}

#if CONFIG_ETH_USE_OPENETH
static void case_lan_gets_the_emulator_s_mac(void) {
    eth_mac_config_t config = { 0 };
    CHECK(esp_eth_mac_new_esp32(NULL, &config) == &fake_openeth);
}
#endif

static const case_t cases[] = {
    CASE(core),
    CASE(other_tasks_keep_their_core),
    #if !CONFIG_FREERTOS_UNICORE
    CASE(waiter_gets_the_gil_each_time), // on one core FreeRTOS sees to it, which is not here
    #endif
    CASE(hand_over_has_a_bound),
    CASE(gil_is_kept_under_the_scheduler_lock),
    CASE(gil_is_not_kept_for_ever),
    CASE(gil_is_kept_for_ever_during_a_collection),
    CASE(second_thread_that_locks_the_scheduler),
    CASE(interrupt_that_locks_the_scheduler),
    CASE(callback_gets_the_gil_back),
    CASE(nobody_bounces_without_a_callback_that_waits),
    CASE(threads_unwind),
    CASE(thread_that_swallows_the_exception_is_asked_again),
    CASE(thread_that_does_not_end_is_deleted),
    CASE(more_threads_than_places),
    CASE(thread_that_ends_frees_its_place),
    CASE(thread_that_has_not_begun),
    CASE(network_exception_is_raised_with_the_gil),
    CASE(one_reader_of_the_terminal),
    CASE(reader_that_was_deleted_is_forgotten),
    #if CONFIG_ETH_USE_OPENETH
    CASE(lan_gets_the_emulator_s_mac),
    #endif
    #if CONFIG_IDF_TARGET_ARCH_XTENSA
    CASE(registers_are_on_the_stack_before_another_thread_runs),
    #endif
};

int main(int argc, char **argv) {
    return run_case(cases, sizeof(cases) / sizeof(*cases), argc, argv);
}
