"""Tests of the host tools in firmware/."""
