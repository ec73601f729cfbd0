"""The host side of the desktop board: everything around the VM that on a real board is hardware.

`supervisor` is the board itself (power, reset, crashes), `vm` one life of the MicroPython process and
`launcher` what runs in it. `bus` carries the device's calls to its hardware: `flash` and the `bootloader`
that starts from it, `peripherals`, `network` (ports and names), `radio` (Wi-Fi), `webrepl`. `console`,
`serialport` and `terminal` are the serial line. `control` is the socket by which tests drive all this,
`client` its other end, `run` puts it together.
"""
