"""Tests of the HTTP server and its optional modules, run on the MicroPython VM."""
