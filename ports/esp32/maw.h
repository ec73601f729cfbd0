// What the files of this port share: the MicroPython version that they fit, the linker's names, and each other.
#ifndef MAW_H
#define MAW_H

#include "py/runtime.h"
#include "py/mphal.h"
#include "py/mpthread.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#if MICROPY_VERSION != MICROPY_MAKE_VERSION(1, 28, 0)
#error "ports/esp32 wraps functions of MicroPython v1.28.0, and this is another version: see 'A new MicroPython' in its README.md"
#endif
#ifndef MAW_HOOKS_H
#error "the board's mpconfigboard.h has to include boards/common/mpconfigboard_common.h, which hooks this port into MicroPython"
#endif

// With the linker's --wrap=f (micropython.cmake) every call of f from another translation unit goes to __wrap_f, which
// reaches the original as __real_f. Calls within the file that defines f are not affected.
#define MAW_WRAP(f) extern __typeof__(f) __real_##f, __wrap_##f

// The cores that a thread can be started on.
#define MAW_CORES portNUM_PROCESSORS

// core.c: the core on which Python's threads start from now on.
extern int8_t maw_core;

// gil.c: whether the caller has the GIL.
bool maw_gil_held(void);
void maw_gil_start(void);

// dupterm.c
void maw_dupterm_start(void);

// improvserial.c
void maw_improv_start(void);

// unwind.c: `task` is a new Python thread. Called with the GIL.
void maw_unwind_add(TaskHandle_t task);
void maw_unwind_start(void);

#endif
