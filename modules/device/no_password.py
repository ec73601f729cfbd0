"""The page of a board without an administrator's password: how to set one. Loaded when a browser needs to know."""

from . import portal
from .pages import page

_PAGE = """<div class="card warn"><h2>There is no administrator's password yet</h2>%s</div>
<a href="/">Start page</a>"""
_OPEN = '<p>Set one on the <a href="/setup">setup page</a>.</p>'
_CLOSED = """<p>Ways to set one; take the first that you can go:</p><ol>
<li>Switch off the Wi-Fi router, or take the board out of its reach. Within a minute the board opens its own Wi-Fi,
whose setup page asks for a password.</li>
<li>At the prompt, by USB or WebREPL:<pre>from device import bootjson
raw = bootjson.current()
raw["admin"] = {"password": "battery staple"}
bootjson.save(raw)
import machine; machine.reset()</pre>
Or put <code>admin.password</code> into a <code>boot.json</code>, <code>mpremote cp boot.json :/</code>, restart.</li>
<li>Begin anew: right after power-on hold the button BOOT down for 10 seconds. The board forgets its settings
and opens its own Wi-Fi.</li></ol>"""


def answer():
    """The page, 403."""
    return page("Administration", _PAGE % (_OPEN if portal.opened else _CLOSED), status=403)
