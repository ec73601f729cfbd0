"""Makes the pictures of the board's page for README.md.

usage: python -m tests.web.screenshot [FOLDER] -- writes page.png and page-phone.png, by default to docs/
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.boards import ROOT, DesktopBoard, build_flash

from .browser import BrowserMissing, Visit, chromium

# The first seconds look like a board that does not run.
_SETTLED = "document.querySelector('[data-value=uptime]').textContent >= '0:00:10'"

# file name → options of the browser context, and whether the whole page is shown or one screen of it
PICTURES = {
    "page.png": ({"viewport": {"width": 1000, "height": 700}, "color_scheme": "light"}, True),
    "page-phone.png": (
        {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "is_mobile": True},
        False,
    ),
}


def take(folder: Path) -> None:
    """Start a desktop board with the default pages and write the pictures into `folder`. BrowserMissing."""
    with chromium() as browser, tempfile.TemporaryDirectory() as scratch:
        board = DesktopBoard(Path(scratch), build_flash(Path(scratch) / "image.bin"))
        try:
            board.wait_http()
            for name, (options, whole) in PICTURES.items():
                tab = Visit(browser, "http://{}:{}".format(*board.http), reduced_motion="reduce", **options)
                tab.open()
                tab.live()
                tab.page.wait_for_function(_SETTLED)
                _write_small(tab.page.screenshot(full_page=whole), folder / name)
                tab.close()
                print(folder / name)
        finally:
            board.close()


def _write_small(png: bytes, path: Path) -> None:
    # A palette is a third of the size, and the page has few colours.
    picture = Image.open(io.BytesIO(png)).quantize(256, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)


def main() -> int:
    """Returns the exit status."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs"
    if not folder.is_dir():
        print(f"error: {folder} is no folder; create it or name another", file=sys.stderr)
        return 1
    try:
        take(folder)
    except BrowserMissing as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
