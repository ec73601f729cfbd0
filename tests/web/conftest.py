"""Fixtures of the web tests: one browser for all of them, a tab with a fresh profile for each."""

import pytest

from .browser import BrowserMissing, Visit, chromium


@pytest.fixture(scope="package")
def browser():
    """Chromium. Its driver keeps an event loop on this thread: it must not outlive these tests."""
    try:
        with chromium() as running:
            yield running
    except BrowserMissing as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def visit(browser, board):
    """Open a tab on the board: `visit(color_scheme="dark")` with playwright's options of a browser context."""
    visits = []

    def start(**context):
        visits.append(Visit(browser, "http://{}:{}".format(*board.http), board.factor, **context))
        return visits[-1]

    yield start
    for visit in visits:
        visit.close()
