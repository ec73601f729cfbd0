"""Tests of single modules: host tools on CPython, device modules on the MicroPython VM."""
