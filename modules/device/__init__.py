"""The board's services as the user of the REPL, of boot.py, main.py and app.py meets them.

server     the running MicropAsyncWeb: routes can be added at any time
config     the settings in force, a dict with every key of boot.json
log        the log: log.info("text %d", n), log.show()
status()   what /api/status answers, as a dict
call(coro) runs a coroutine on the server's loop and returns its result
start(), stop()  the services; _boot starts them
factory_reset()  the settings as they were when the board was new
"""

from . import log  # noqa: F401 - device.log is part of what users get

server = None
config = {}


def start():
    """Load boot.json, start network, server, WebREPL and app.py, print a summary. Does nothing if running."""
    from . import boot

    boot.start()


def stop():
    """Stop the server and its thread: connections are closed, the network stays as it is."""
    from . import loop

    loop.stop()


def status():
    """The board's live values as a dict, see device/vitals.py."""
    from .vitals import snapshot

    return snapshot()


def call(coro):
    """Run the coroutine on the server's loop, wait for it, return its result or raise its exception.

    Ctrl-C cancels it. RuntimeError when called on the loop itself (use await there) or when no server runs.
    """
    from . import loop

    return loop.call(coro)


def factory_reset(files=False):
    """Remove all settings, with files=True the files too, and restart. See device/factory.py."""
    from . import factory

    factory.reset(files)
