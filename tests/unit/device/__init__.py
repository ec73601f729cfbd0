"""Tests of the boot script and the services, run on the MicroPython VM."""
