// An exception of the network modules is raised with the GIL.
//
// network_wlan.c:351-353 (v1.28.0) calls esp_exceptions() between MP_THREAD_GIL_EXIT and _ENTER: when WLAN.connect() fails,
// it leaves without the GIL, and from then on two threads run Python at the same time.
#include "maw.h"
#include "esp_err.h"

// Not MAW_WRAP(): its __typeof__ would lose the attribute.
MP_NORETURN void __real_esp_exceptions_helper(esp_err_t error);
MP_NORETURN void __wrap_esp_exceptions_helper(esp_err_t error);

MP_NORETURN void __wrap_esp_exceptions_helper(esp_err_t error) {
    if (!maw_gil_held()) {
        MP_THREAD_GIL_ENTER();
    }
    __real_esp_exceptions_helper(error);
}
