"""The one exception type that the desktop board shows to its user."""


class BoardError(Exception):
    """Something the user can mend; str() is one line that names the file or option and the remedy."""
