"""What an ESP32 has in silicon and C, for the desktop board: turn, bus, interrupts, console, REPL, start-up."""
