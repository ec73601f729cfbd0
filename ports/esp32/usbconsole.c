// The console on a chip's own USB port (ESP32-S3) from the first line of _boot.py on.
//
// main.c:155 (v1.28.0) starts TinyUSB when boot.py has ended. By then the boot script has said the access point's password
// and what is wrong, to nobody; and with an app.py or boot.py that never returns the port would not appear at all, so that
// neither Ctrl-C nor mpremote could end it. A second call does no harm (shared/tinyusb/mp_usbd_runtime.c:437): after each
// soft reset it is made upstream, too. What is printed before a host listens stays in the buffer, the latest of it
// (mp_usbd.h:71).
#include "maw.h"
#include "shared/runtime/pyexec.h"
#if MICROPY_HW_ENABLE_USBDEV
#include "shared/tinyusb/mp_usbd.h"
#endif

MAW_WRAP(pyexec_frozen_module);

// Called by main.c:151 for _boot.py alone; the PHY has been started by main.c:113, the GIL is held.
int __wrap_pyexec_frozen_module(const char *name, bool allow_keyboard_interrupt) {
    #if MICROPY_HW_ENABLE_USBDEV
    mp_usbd_init();
    #endif
    return __real_pyexec_frozen_module(name, allow_keyboard_interrupt);
}
