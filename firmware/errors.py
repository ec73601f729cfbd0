"""The one exception type that the firmware tools show to their user."""


class FirmwareError(Exception):
    """Something the user can mend; str() is one line that names the file, the field and the remedy."""
