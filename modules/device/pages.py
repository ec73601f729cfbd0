"""The shell of the built-in pages. They lie in the firmware: they need no webroot, no filesystem, no JavaScript.

    from .pages import escape, page

    return page("Wi-Fi", "<p>Connected to ", escape(ssid), "</p>", lines(), refresh=5)

What the style sheet knows beside plain HTML: class card (a box), warn (one that asks for attention), good, bad, odd
(almost bad), note and big (texts), danger and plain (buttons), dl with <div><dt>…</dt><dd>…</dd></div> for values, and
table for lines of a log: time, level and text, which is below the others on a phone. The colours are those of
firmware/webroot/style.css.
"""

import sys
from binascii import b2a_base64
from hashlib import sha256

from micropython import const

_PIECE = const(768)
_HEAD = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<style>"""
_STYLE = b"""\
:root{color-scheme:light dark;--page:#f3f5f4;--card:#fff;--line:#dfe4e2;--edge:#7b8986;--text:#17211f;--soft:#5a6865;
--accent:#0f766e;--on:#fff;--good:#15803d;--bad:#b91c1c;--odd:#92400e;--warn:#fef6e0;--warn-line:#e8c25a}
@media(prefers-color-scheme:dark){:root{--page:#0f1514;--card:#182120;--line:#2a3634;--edge:#71837f;--text:#e7eeec;
--soft:#9db0ac;--accent:#2dd4bf;--on:#0f1514;--good:#4ade80;--bad:#f87171;--odd:#fbbf24;--warn:#2d2613;--warn-line:#7a6320}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
header{background:var(--card);border-bottom:1px solid var(--line)}
header div,main{max-width:46rem;margin:auto;padding:.75rem 1rem}
header p{margin:0}
.note{margin:.25rem 0}
header p,.note{font-size:.875rem;color:var(--soft)}
h1{margin:0;font-size:1.25rem;line-height:1.25}
h2{margin:0 0 .5rem;font-size:1.0625rem}
p,ul{margin:.5rem 0}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.card{min-width:0;margin:0 0 1rem;padding:1rem 1.125rem;background:var(--card);border:1px solid var(--line);
border-radius:.875rem}
main>.card:first-child{margin-top:.25rem}
.warn{background:var(--warn);border-color:var(--warn-line)}
.good{color:var(--good)}
.big{font-size:1.25rem;font-weight:600}
label{display:block;margin-top:.75rem;font-weight:600}
label .note{display:block;margin-left:1.75rem;font-weight:400}
input,button,textarea{font:inherit;color:inherit;border-radius:.5rem}
input,textarea{width:100%;min-height:2.75rem;padding:.5rem .625rem;border:1px solid var(--edge);
background:var(--page)}
input[type=radio],input[type=checkbox]{width:1.25rem;height:1.25rem;min-height:0;margin:0 .5rem 0 0;
vertical-align:-.2rem;accent-color:var(--accent)}
button{min-height:2.75rem;margin:.75rem .5rem 0 0;padding:.5rem 1.25rem;border:0;background:var(--accent);
color:var(--on);font-weight:600;cursor:pointer}
button.danger{background:var(--bad)}
button.plain{background:none;color:var(--accent);box-shadow:inset 0 0 0 1px var(--edge)}
button:disabled{opacity:.5;cursor:default}
dl{margin:0;font-size:.9375rem}
dl div{display:flex;justify-content:space-between;gap:1rem;padding:.3125rem 0;border-top:1px solid var(--line)}
dl div:first-child{border:0}
dt{flex:none;color:var(--soft)}
dd{min-width:0;margin:0;text-align:right}
table{width:100%;border-collapse:collapse;font-size:.9375rem}
tr{display:flex;flex-wrap:wrap;gap:0 .75rem;padding:.3125rem 0;border-top:1px solid var(--line)}
td{padding:0;flex:0 0 10rem;color:var(--soft)}
td+td{flex-basis:4.5rem}
td+td+td{flex:1 1 20rem;color:var(--text)}
.bad{color:var(--bad)}
.odd{color:var(--odd)}
code,pre,textarea{font:.875em ui-monospace,monospace;background:var(--page)}
pre{padding:.75rem;overflow-x:auto;border:1px solid var(--line);border-radius:.5rem}
progress{width:100%}
"""
_POLICY = (
    "default-src 'none'; style-src 'sha256-%s'; script-src %s; connect-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def page(title, *parts, refresh=0, status=200, script=b""):
    """The answer of a handler: a whole HTML page, streamed.

    title: plain text, also the page's heading. parts: HTML as str or bytes, or iterables of those, whose items are
    asked for as they are sent. script: bytes of JavaScript that run after the page was read; the page must be of use
    without. refresh: seconds after which a browser loads the page anew, 0: never; with a script only one that does not
    run it.
    """
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Content-Security-Policy": _POLICY % (_hash(_STYLE), "'sha256-%s'" % _hash(script) if script else "'none'"),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }
    return _stream(escape(title), parts, refresh, script), status, headers


def escape(text):
    """Any value as text that HTML takes for text, in attributes too (with either quotation mark)."""
    text = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&#39;")


def _hash(data):
    """As Content-Security-Policy names what may stand in a page (CSP3 section 8.4)."""
    return b2a_base64(sha256(data).digest()).decode().strip()


def _stream(title, parts, refresh, script):
    yield _HEAD
    yield from _pieces(_STYLE)
    yield "</style>\n<title>%s</title>\n" % title
    if refresh:
        meta = '<meta http-equiv="refresh" content="%d">\n' % refresh
        yield "<noscript>%s</noscript>" % meta if script else meta
    boot = sys.modules.get("device.boot")
    name = escape(boot.hostname) if boot else "microAsyncWeb"
    yield "</head>\n<body>\n<header><div><p>%s</p><h1>%s</h1></div></header>\n<main>\n" % (name, title)
    for part in parts:
        if isinstance(part, (str, bytes)):
            yield from _pieces(part)
        else:
            yield from part
    yield "\n</main>\n"
    if script:
        yield b"<script>"
        yield from _pieces(script)
        yield b"</script>\n"
    yield "</body>\n</html>\n"


def _pieces(data):
    """What is long in pieces: the server copies what it sends, and a heap in use has no large free block."""
    for at in range(0, len(data), _PIECE):
        yield data[at : at + _PIECE]
