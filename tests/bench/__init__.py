"""Benchmark of the server against others on the same MicroPython VM: python -m tests.bench. Not a test."""
