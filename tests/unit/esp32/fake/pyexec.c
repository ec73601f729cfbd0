// shared/runtime/pyexec.c of the imitation: a _boot.py that says whether its console is there.
#include <string.h>

#include "fake.h"

int pyexec_frozen_module(const char *name, bool allow_keyboard_interrupt) {
    return strcmp(name, "_boot.py") == 0 && !allow_keyboard_interrupt && fake_usb_runs;
}
