"""The fixtures of the server tests."""

from tests.unit.server.conftest import start, webroot  # noqa: F401
