// The functions that ports/esp32 wraps, as MicroPython has them. Who calls them is in another file, micropython.c: the
// linker's --wrap works between files only.
#include <pthread.h>

#include "maw.h"

volatile int fake_deleted;
void (*volatile fake_before_lock)(void);
int (*fake_read)(void);
volatile int fake_spills, fake_spills_at_unlock;

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

void mp_thread_mutex_init(mp_thread_mutex_t *mutex) {
    mutex->taken = false;
}

int mp_thread_mutex_lock(mp_thread_mutex_t *mutex, int wait) {
    if (fake_before_lock != NULL && mutex == &MP_STATE_VM(gil_mutex)) {
        fake_before_lock();
    }
    pthread_mutex_lock(&guard);
    while (mutex->taken && wait) {
        pthread_cond_wait(&changed, &guard);
    }
    int got = !mutex->taken;
    mutex->taken = true;
    pthread_mutex_unlock(&guard);
    return got;
}

void mp_thread_mutex_unlock(mp_thread_mutex_t *mutex) {
    pthread_mutex_lock(&guard);
    mutex->taken = false;
    fake_spills_at_unlock = fake_spills;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&guard);
}

void mp_thread_start(void) {
    __atomic_fetch_add(&fake_threads, 1, __ATOMIC_SEQ_CST);
}

void mp_thread_finish(void) {
    __atomic_fetch_sub(&fake_threads, 1, __ATOMIC_SEQ_CST);
}

void mp_thread_deinit(void) {
    fake_deleted = fake_threads;
}

void mp_sched_lock(void) {
    fake_vm.sched_state = fake_vm.sched_state < 0 ? fake_vm.sched_state - 1 : MP_SCHED_LOCKED;
}

void mp_sched_unlock(void) {
    fake_vm.sched_state = fake_vm.sched_state == MP_SCHED_LOCKED ? MP_SCHED_IDLE : fake_vm.sched_state + 1;
}

int mp_os_dupterm_rx_chr(void) {
    return fake_read ? fake_read() : -1;
}

uintptr_t mp_os_dupterm_poll(uintptr_t flags) {
    return fake_read ? flags & MP_STREAM_POLL_RD : 0;
}

bool fake_held_when_raised;

void esp_exceptions_helper(esp_err_t error) {
    fake_held_when_raised = maw_gil_held();
    longjmp(*MP_STATE_THREAD(nlr), error);
}

#if CONFIG_ETH_USE_OPENETH
esp_eth_mac_t fake_openeth;

esp_eth_mac_t *esp_eth_mac_new_openeth(const eth_mac_config_t *config) {
    return config ? &fake_openeth : NULL;
}
#endif
