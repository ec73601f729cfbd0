"""Tests of the desktop board itself: its host side, and its stand-ins on the VM."""
