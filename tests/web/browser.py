"""Chromium as tests and screenshots use it: found on this computer, never downloaded, kept offline."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Response, expect, sync_playwright

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
MISSING = (
    "Chromium is not installed; the web tests need it: "
    "apt-get install chromium on Debian and Ubuntu, brew install --cask chromium on macOS"
)
# What a browser would ask its vendor for at every start, and what needs a graphics card.
_SWITCHES = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class BrowserMissing(Exception):
    """There is no Chromium; the text says how to get it."""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser for the length of a `with` block. BrowserMissing if none is installed."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        raise BrowserMissing(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_SWITCHES))
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A tab with a fresh profile, and what went on in it: console errors, exceptions, requests, answers.

    `context` takes the options of playwright's Browser.new_context: viewport, color_scheme and so on.
    `factor` multiplies every time-out.
    """

    TIMEOUT_MS = 15_000  # the page itself waits up to 7 s before it says that the board is gone

    def __init__(self, browser: Browser, url: str, factor: float = 1.0, **context):
        self.url = url
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.answers: dict[str, Response] = {}  # by path, the last one
        self._context = browser.new_context(**context)
        self._context.set_default_timeout(self.TIMEOUT_MS * factor)
        expect.set_options(timeout=self.TIMEOUT_MS * factor)
        self.page: Page = self._context.new_page()
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page.on("response", self._on_response)

    def _on_console(self, message) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.type}: {message.text}")

    def _on_response(self, response) -> None:
        self.answers[urlsplit(response.url).path] = response

    def open(self, path: str = "/") -> Response:
        """Go to a path of the board; the Response."""
        return self.page.goto(self.url + path)

    def value(self, name: str):
        """The locator of a live value of the default page."""
        return self.page.locator(f'[data-value="{name}"]')

    def live(self) -> None:
        """Wait until the page shows what the board has answered."""
        self.page.locator('#link[data-state="live"]').wait_for()

    def uptime(self) -> int:
        """The seconds that the page shows."""
        hours, minutes, seconds = self.value("uptime").inner_text().split(" ")[-1].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + int(seconds)

    def close(self) -> None:
        self._context.close()
