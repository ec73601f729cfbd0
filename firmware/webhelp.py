"""The docs as pages of the web installer: docs/*.md rendered to help/*.html, with the pictures that they show."""

import html
import re
import string

from markdown_it import MarkdownIt

from firmware import paths
from firmware.errors import FirmwareError

DOCS = paths.ROOT / "docs"
TEMPLATE = paths.ROOT / "firmware" / "web-installer" / "help.html"
_PICTURES = (".png", ".svg", ".jpg")


def render(version, docs=DOCS):
    """{path on the page: bytes}: help/NAME.html for each NAME.md, and the pictures beside them. FirmwareError."""
    sources = sorted(docs.glob("*.md"))
    if not sources:
        raise FirmwareError(f"{paths.show(docs)} has no .md file; the page's help is made of them")
    template = string.Template(TEMPLATE.read_text("utf-8"))
    files = {f"help/{path.name}": path.read_bytes() for path in sorted(docs.iterdir()) if path.suffix in _PICTURES}
    for source in sources:
        title, body = _page(source.read_text("utf-8"), docs)
        text = template.substitute(title=html.escape(title), body=body, version=html.escape(version))
        files[f"help/{source.stem}.html"] = text.encode()
    return files


def _page(text, docs):
    """(title, HTML) of one Markdown text."""
    markdown = MarkdownIt("commonmark").enable("table")
    # Comments are for the tests, which run the examples.
    tokens = [token for token in markdown.parse(text) if not token.content.startswith("<!--")]
    title = ""
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            words = tokens[number + 1].content
            title = title or re.sub(r"[`*]", "", words)
            token.attrSet("id", anchor(words))
        elif token.type == "table_open":
            token.attrSet("tabindex", "0")  # it scrolls sideways on a phone
        elif token.type == "fence":
            token.attrSet("tabindex", "0")
        elif token.type == "inline":
            _turn_links(token.children, docs)
    return title, markdown.renderer.render(tokens, markdown.options, {})


def anchor(heading):
    """The id of a heading as the hosts of repositories make it: `## Flash a chip` is #flash-a-chip."""
    words = re.sub(r"[^\w\- ]", "", heading.lower())
    return words.strip().replace(" ", "-")


def _turn_links(tokens, docs):
    """Links among the docs lead to their pages; what lies elsewhere in the repository is named, not linked."""
    opened = []
    for token in tokens:
        if token.type == "link_open":
            target, hash_, anchor = token.attrGet("href").partition("#")
            inside = not target or "://" in target or ("/" not in target and (docs / target).is_file())
            if inside and "://" not in target:
                token.attrSet("href", re.sub(r"\.md$", ".html", target) + hash_ + anchor)
            elif not inside:
                token.tag = "span"
                del token.attrs["href"]
            opened.append(token.tag)
        elif token.type == "link_close":
            token.tag = opened.pop()
