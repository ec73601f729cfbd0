// What this port hooks into MicroPython's core by macros. boards/common/mpconfigboard_common.h includes it, and so does
// every translation unit of MicroPython: macros and prototypes only.
#ifndef MAW_HOOKS_H
#define MAW_HOOKS_H

// In mp_init(), after the GIL is made and before it is taken (py/runtime.c:190-195, v1.28.0): at power-up and at every
// soft reset, when no other Python thread is left. Here the port forgets what the last run has left behind.
void maw_start(void);
#define MICROPY_PORT_INIT_FUNC maw_start()

// At every jump backwards of the VM. py/vm.c:1385 (v1.28.0) lets other threads run only while the scheduler is idle, so a
// scheduled callback that lets go of the GIL (a long print, time.sleep, a socket) would never get it back from a thread
// that computes: gil.c gives it back. The price is a load and a comparison.
void maw_gil_bounce(void);
#define MICROPY_VM_HOOK_LOOP \
    if (MP_STATE_VM(sched_state) < 0) { \
        maw_gil_bounce(); \
    }

#endif
