"""Why this start came about, in words."""

import machine

_CAUSES = {
    "power on": "PWRON_RESET",
    "reset": "HARD_RESET",
    "watchdog": "WDT_RESET",
    "deep sleep": "DEEPSLEEP_RESET",
    "soft reset": "SOFT_RESET",
}


def words():
    """'power on', 'watchdog' and so on."""
    cause = machine.reset_cause()
    for text, name in _CAUSES.items():
        if getattr(machine, name, None) == cause:
            return text
    # Of a chip with USB the computer, too, which opens the port (ESP_RST_USB): modmachine.c:256 gives 0 for all that.
    return "by USB or unknown"


def lost():
    """Whether nothing that lay in memory can be trusted: the power was off, or too low."""
    return machine.reset_cause() == machine.PWRON_RESET
