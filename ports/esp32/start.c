// Where a run begins, at power-up and at every soft reset: the state of this port as after power-up.
#include "maw.h"

void maw_start(void) {
    maw_core = 0;
    maw_gil_start();
    maw_dupterm_start();
    maw_improv_start();
    maw_unwind_start();
}
