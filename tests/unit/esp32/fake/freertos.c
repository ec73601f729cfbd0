// FreeRTOS on pthreads: tasks, their storage, a clock that the tests set, semaphores in the shape of the port's mutex.
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake.h"

volatile TickType_t fake_ticks;
volatile uint32_t fake_cycles_per_look;
__thread bool fake_isr;

static __thread struct fake_task *me;
static __thread uint32_t cycles;

static void *run(void *task) {
    me = task;
    me->function(me->arg);
    return NULL;
}

TaskHandle_t xTaskGetCurrentTaskHandle(void) {
    if (me == NULL) {
        me = calloc(1, sizeof(*me)); // the program's first thread
        me->core = portNUM_PROCESSORS - 1;
    }
    return me;
}

BaseType_t xTaskCreatePinnedToCore(TaskFunction_t function, const char *const name, const uint32_t stack, void *const arg,
    UBaseType_t priority, TaskHandle_t *const task, const BaseType_t core) {
    (void)name;
    (void)priority;
    if (stack == 0) {
        return 0;
    }
    struct fake_task *made = calloc(1, sizeof(*made));
    made->function = function;
    made->arg = arg;
    made->core = core;
    *task = made;
    pthread_t thread;
    return pthread_create(&thread, NULL, run, made) == 0 && pthread_detach(thread) == 0 ? pdPASS : 0;
}

TickType_t xTaskGetTickCount(void) {
    return fake_ticks;
}

void *pvTaskGetThreadLocalStoragePointer(TaskHandle_t task, BaseType_t index) {
    return (task ? task : xTaskGetCurrentTaskHandle())->storage[index];
}

void vTaskDelay(TickType_t ticks) {
    fake_ticks = fake_ticks + ticks;
    usleep(1000);
}

BaseType_t xPortInIsrContext(void) {
    return fake_isr;
}

BaseType_t xPortGetCoreID(void) {
    return xTaskGetCurrentTaskHandle()->core;
}

uint32_t esp_cpu_get_cycle_count(void) {
    usleep(10); // so that the one who is waited for gets on, on a computer with one core too
    return cycles += fake_cycles_per_look;
}

void xthal_window_spill(void) {
    fake_spills = fake_spills + 1;
}

uint32_t esp_rom_get_cpu_ticks_per_us(void) {
    return 240;
}
