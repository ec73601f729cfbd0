// One reader at a time of the terminal that WebREPL is.
//
// os.dupterm's stream is read by the prompt (mphalport.c:142, v1.28.0) and by whichever thread sees that bytes have come
// (modos.c:137). Both let go of the GIL on the way: two threads would share out the bytes of one frame or file.
#include "maw.h"
#include "extmod/misc.h"

static TaskHandle_t volatile reader;

MAW_WRAP(mp_os_dupterm_rx_chr);

void maw_dupterm_start(void) {
    reader = NULL;
}

int __wrap_mp_os_dupterm_rx_chr(void) {
    // Called with the GIL, which makes the check and the mark one step.
    if (reader != NULL) {
        return -1; // no character now
    }
    reader = xTaskGetCurrentTaskHandle();
    int c = __real_mp_os_dupterm_rx_chr();
    reader = NULL;
    return c;
}
