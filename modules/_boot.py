"""What MicroPython runs first on the chip: the filesystem, then the services. Whatever fails, the REPL comes.

Stands for the _boot.py and inisetup.py of MicroPython's ESP32 port. When it ends, the port runs
boot.py and main.py from the filesystem.
"""

import gc
import sys

try:
    from device import storage

    storage.mount()
except Exception as error:
    print("filesystem:")
    sys.print_exception(error)
gc.collect()

try:
    import device

    device.start()
except Exception as error:
    print("device.start:")
    sys.print_exception(error)
    try:
        from device import slots

        # An update that cannot even start its services is not worth waiting for.
        slots.give_up()
    except Exception as error:
        sys.print_exception(error)
gc.collect()
