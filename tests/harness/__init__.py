"""The test harness itself: targets over TCP, reset lines, options, what CI runs."""
