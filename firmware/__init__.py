"""Host tools that turn a checkout into what lies in a board's flash: compiled modules, filesystem, images."""
