// What ports/esp32 uses of MicroPython, FreeRTOS and ESP-IDF, on pthreads, so that it can be run on a computer.
// Names and roles are those of MicroPython v1.28.0 and ESP-IDF v5.5.1; each header that the port includes is this one.
#ifndef FAKE_H
#define FAKE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hooks.h"

// MicroPython

#define MICROPY_MAKE_VERSION(major, minor, micro) (((major) << 16) | ((minor) << 8) | (micro))
#ifndef MICROPY_VERSION
#define MICROPY_VERSION MICROPY_MAKE_VERSION(1, 28, 0)
#endif
#define MP_NORETURN __attribute__((noreturn))
#define MP_ERROR_TEXT(text) (text)
#define MP_REGISTER_ROOT_POINTER(declaration)
#define MP_REGISTER_MODULE(name, module)

typedef const void *mp_obj_t;
typedef intptr_t mp_int_t;
typedef uintptr_t mp_uint_t;
typedef const char *qstr;
#define MP_OBJ_NULL ((mp_obj_t)0)
#define MP_OBJ_NEW_SMALL_INT(value) ((mp_obj_t)(intptr_t)(value))
#define MP_OBJ_NEW_QSTR(name) ((mp_obj_t)(name))
#define mp_const_none ((mp_obj_t)"None")
#define MP_QSTR_soft_reset "soft_reset"
#define MP_QSTR___name__ "__name__"
#define MP_QSTR_threadcore "threadcore"
#define MP_QSTR_CORES "CORES"
#define MP_QSTR_set "set"
#define MP_QSTR_get "get"
#define MP_QSTR_current "current"
#define MP_QSTR_retained "retained"
#define MP_QSTR_improvserial "improvserial"
#define MP_QSTR_SIZE "SIZE"
#define MP_QSTR_read "read"
#define MP_QSTR_write "write"
#define MP_QSTR_take "take"

typedef struct {
    const char *name;
} mp_obj_type_t;
extern const mp_obj_type_t mp_type_SystemExit, mp_type_ValueError, mp_type_module;
mp_obj_t mp_obj_new_exception_arg1(const mp_obj_type_t *type, mp_obj_t arg);
mp_int_t mp_obj_get_int(mp_obj_t value);
MP_NORETURN void mp_raise_msg_varg(const mp_obj_type_t *type, const char *format, ...);
MP_NORETURN void mp_raise_ValueError(const char *text);

// A bytes-like object is the address of one of these.
typedef struct {
    void *buf;
    size_t len;
} mp_buffer_info_t;
#define MP_BUFFER_READ (1)
#define MP_BUFFER_WRITE (2)
void mp_get_buffer_raise(mp_obj_t object, mp_buffer_info_t *info, unsigned int flags);
mp_obj_t mp_obj_new_bytes(const uint8_t *data, size_t length);

typedef struct {
    mp_obj_t (*zero)(void);
    mp_obj_t (*one)(mp_obj_t);
    mp_obj_t (*two)(mp_obj_t, mp_obj_t);
} fake_function_t;
#define MP_DEFINE_CONST_FUN_OBJ_0(name, function) const fake_function_t name = { .zero = function }
#define MP_DEFINE_CONST_FUN_OBJ_1(name, function) const fake_function_t name = { .one = function }
#define MP_DEFINE_CONST_FUN_OBJ_2(name, function) const fake_function_t name = { .two = function }
typedef struct {
    const char *key;
    mp_obj_t value;
} mp_rom_map_elem_t;
typedef struct {
    size_t used;
    const mp_rom_map_elem_t *table;
} mp_obj_dict_t;
#define MP_ROM_QSTR(name) (name)
#define MP_ROM_INT(value) MP_OBJ_NEW_SMALL_INT(value)
#define MP_ROM_PTR(pointer) ((mp_obj_t)(pointer))
#define MP_DEFINE_CONST_DICT(name, elements) \
    const mp_obj_dict_t name = { .used = sizeof(elements) / sizeof(*(elements)), .table = elements }
typedef struct {
    const mp_obj_type_t *type;
} mp_obj_base_t;
typedef struct {
    mp_obj_base_t base;
    mp_obj_dict_t *globals;
} mp_obj_module_t;

typedef struct {
    volatile bool taken;
} mp_thread_mutex_t;
void mp_thread_mutex_init(mp_thread_mutex_t *mutex);
int mp_thread_mutex_lock(mp_thread_mutex_t *mutex, int wait);
void mp_thread_mutex_unlock(mp_thread_mutex_t *mutex);
void mp_thread_start(void);
void mp_thread_finish(void);
void mp_thread_deinit(void);
#define MP_THREAD_GIL_ENTER() mp_thread_mutex_lock(&MP_STATE_VM(gil_mutex), 1)
#define MP_THREAD_GIL_EXIT() mp_thread_mutex_unlock(&MP_STATE_VM(gil_mutex))

typedef struct {
    uint16_t gc_lock_depth;
    volatile mp_obj_t mp_pending_exception;
    jmp_buf *nlr; // where an exception goes
} mp_state_thread_t;
struct fake_vm {
    volatile int16_t sched_state;
    mp_thread_mutex_t gil_mutex;
    mp_obj_t maw_system_exit;
};
extern struct fake_vm fake_vm;
#define MP_STATE_VM(name) (fake_vm.name)
mp_state_thread_t *mp_thread_get_state(void);
#define MP_STATE_THREAD(name) (mp_thread_get_state()->name)
#define MP_SCHED_IDLE (1)
#define MP_SCHED_LOCKED (-1)
void mp_sched_lock(void);
void mp_sched_unlock(void);
int mp_os_dupterm_rx_chr(void);
uintptr_t mp_os_dupterm_poll(uintptr_t flags);
#define MICROPY_BEGIN_ATOMIC_SECTION() (0)
#define MICROPY_END_ATOMIC_SECTION(state) ((void)(state))

// The console. A chip with two cores has a UART and USB by TinyUSB, one with one core a UART and USB-Serial-JTAG.

typedef struct {
    uint8_t *buf;
    uint16_t size, iget, iput;
} ringbuf_t;
extern ringbuf_t stdin_ringbuf;
int ringbuf_get(ringbuf_t *ring);
int ringbuf_peek(ringbuf_t *ring);
size_t ringbuf_avail(ringbuf_t *ring);
extern int mp_interrupt_char;
#define MICROPY_HW_ENABLE_UART_REPL (1)
#define MICROPY_HW_USB_CDC (!CONFIG_FREERTOS_UNICORE)
#define MICROPY_HW_ENABLE_USBDEV MICROPY_HW_USB_CDC
#define MICROPY_HW_ESP_USB_SERIAL_JTAG (CONFIG_FREERTOS_UNICORE)
int uart_stdout_tx_strn(const char *text, size_t length);
void usb_serial_jtag_poll_rx(void);
void usb_serial_jtag_tx_strn(const char *text, size_t length);
uintptr_t mp_usbd_cdc_poll_interfaces(uintptr_t flags);
mp_uint_t mp_usbd_cdc_tx_strn(const char *text, mp_uint_t length);
void mp_usbd_init(void);
int pyexec_frozen_module(const char *name, bool allow_keyboard_interrupt);
int mp_hal_stdin_rx_chr(void);
uintptr_t mp_hal_stdio_poll(uintptr_t flags);
mp_uint_t mp_hal_ticks_ms(void);
#define MP_STREAM_POLL_RD (1)
#define MP_STREAM_POLL_WR (4)
#define MICROPY_EVENT_POLL_HOOK fake_wait();

// FreeRTOS

#ifndef CONFIG_FREERTOS_UNICORE
#define CONFIG_FREERTOS_UNICORE 0
#endif
#define portNUM_PROCESSORS (CONFIG_FREERTOS_UNICORE ? 1 : 2)
typedef int BaseType_t;
typedef unsigned int UBaseType_t;
typedef uint32_t TickType_t;
typedef void (*TaskFunction_t)(void *);
typedef struct fake_task *TaskHandle_t;
struct fake_task {
    TaskFunction_t function;
    void *arg;
    void *storage[2];
    int core;
    volatile bool deleted;
};
#define pdPASS (1)
#define pdMS_TO_TICKS(ms) (ms)
BaseType_t xTaskCreatePinnedToCore(TaskFunction_t function, const char *const name, const uint32_t stack, void *const arg,
    UBaseType_t priority, TaskHandle_t *const task, const BaseType_t core);
TaskHandle_t xTaskGetCurrentTaskHandle(void);
TickType_t xTaskGetTickCount(void);
void *pvTaskGetThreadLocalStoragePointer(TaskHandle_t task, BaseType_t index);
void vTaskDelay(TickType_t ticks);
BaseType_t xPortInIsrContext(void);
BaseType_t xPortGetCoreID(void);

// ESP-IDF

#define RTC_NOINIT_ATTR
typedef int esp_err_t;
MP_NORETURN void esp_exceptions_helper(esp_err_t error);
uint32_t esp_cpu_get_cycle_count(void);
uint32_t esp_rom_get_cpu_ticks_per_us(void);
void xthal_window_spill(void);

typedef struct {
    int unused;
} eth_mac_config_t, eth_esp32_emac_config_t, esp_eth_mac_t;
esp_eth_mac_t *esp_eth_mac_new_esp32(const eth_esp32_emac_config_t *chip, const eth_mac_config_t *config);
esp_eth_mac_t *esp_eth_mac_new_openeth(const eth_mac_config_t *config);

// For the tests

extern volatile TickType_t fake_ticks;
extern volatile uint32_t fake_cycles_per_look; // by which the cycle counter goes on when it is read
extern __thread bool fake_isr; // the caller is an interrupt
extern volatile int fake_deleted; // threads that mp_thread_deinit() had to delete
extern void (*volatile fake_before_lock)(void); // called by whoever is about to wait for the GIL
extern volatile int fake_spills; // of registers to the stack
extern volatile int fake_spills_at_unlock; // how many it were when the GIL was given back last
extern int (*fake_read)(void); // the terminal's stream
extern volatile int fake_threads; // that run Python
extern bool fake_held_when_raised; // the GIL, by esp_exceptions_helper()'s caller
extern esp_eth_mac_t fake_openeth;
extern int fake_interrupts; // that were typed
extern char fake_uart[512], fake_usb[512]; // what the console's two lines have sent
extern bool fake_usb_runs; // TinyUSB does
// What main.c does with _boot.py; whether its console on USB was there.
bool fake_boot(void);
// A millisecond of waiting without the GIL. Raises ValueError in who waits when the clock is at fake_until.
void fake_wait(void);
extern TickType_t fake_until;
// Bytes come in at the console, by interrupt. What the ring has no room for comes when it is asked for.
void fake_type(const void *data, size_t length);

// Start a Python thread that calls `python(arg)` with the GIL, as modthread.c does. NULL if there is no memory.
TaskHandle_t fake_start_thread(void (*python)(void *), void *arg);
void fake_start_task(const char *name, TaskFunction_t function, void *arg, int core);
// What vm.c does at each jump backwards.
void fake_jump(void);
MP_NORETURN void fake_raise(mp_obj_t exception);
// mp_init() and the power-up before it, on the main task.
void fake_power_up(void);
void fake_mp_init(void);

#endif
