"""/admin: what the administrator can do with a browser, and POST /api/restart. Loaded by the first request for it.

The forms work without JavaScript; only the upload of a firmware needs it, because /api/update takes no forms.
"""

import gc

from micropAsyncWeb import Response

import device

from . import admin, log, restart
from .pages import escape, page

_WORD = "RESET"  # what has to be typed in before the settings are erased
_PAUSE_MS = 1500  # between the answer to a form and the restart: for the page that tells of it

_NOT_SET = """<div class="card warn"><h2>There is no password yet</h2>
<p>Set <code>admin.password</code> in <code>boot.json</code> and restart the board:</p>
<pre>mpremote cp boot.json :/
mpremote reset</pre></div>
<a href="/">Start page</a>"""

_RESTARTING = """<div class="card"><h2>The board restarts</h2>
<p role="status" id="wait">This takes some seconds. Then go <a href="/admin">back</a>.</p></div>"""

_FORGOTTEN = """<div class="card"><h2>Everything is forgotten</h2>
<p role="status">Join the board's access point, as on its first day, then open http://192.168.4.1/.</p></div>"""

_CONFIRM = """<form class="card warn" method="post"><h2>The settings are on trial</h2>
<p>Unless you keep them, the board goes back to the ones before in <b>%d</b> seconds.</p>
<button name="do" value="confirm">Keep these settings</button></form>
"""
_NOT_KEPT = '<p class="card warn" role="alert">The settings were not kept, the <a href="/logs">log</a> says why.</p>'

_REPAIR = '<p class="card warn">The filesystem is %s. <a href="/repair">Save and repair it</a></p>'

_UPDATE = """<form class="card" id="update"><h2>Firmware</h2>
<dl><div><dt>Running</dt><dd>%s, %s</dd></div><div><dt>In the other slot</dt><dd>%s</dd></div></dl>
<noscript><code>curl -u admin -T IMAGE-app.bin http://%s/api/update</code></noscript>
<div id="upload" hidden><label for="image">New firmware, a file that ends with -app.bin</label>
<input type="file" id="image" accept=".bin"><progress id="bar" hidden></progress>
<p role="status" id="state"></p><button id="send">Update</button></div></form>
"""

_REST = """<form class="card" method="post"><h2>Restart</h2>
<button name="do" value="restart">Restart</button></form>
<form class="card" method="post"><h2>Factory reset</h2>
<p>The settings are erased: networks, host name, passwords. Only the password of the access point stays.</p>
<p><label><input type="checkbox" name="files" value="1">Erase all files, too: pages, programs, data</label></p>
<label for="word">Type %s to confirm</label><input id="word" name="word" autocomplete="off">
%s<button name="do" value="reset" class="danger">Factory reset</button></form>
<p><a href="/">Start page</a> · <a href="/logs">Log</a> · <a href="/setup">Wi-Fi setup</a> ·
<a href="/api/status">Status as JSON</a></p>"""

_NO_WORD = '<p class="bad" role="alert">Nothing was erased: the word was not typed in.</p>'

# Waits for the board after a restart: then its uptime begins anew. Sends a firmware.
_SCRIPT = b"""
const get = id => document.getElementById(id), form = get("update"), state = get("state");
const back = before => setTimeout(async () => {
try {
const { uptime } = await (await fetch("/health", { cache: "no-store", signal: AbortSignal.timeout(4000) })).json();
uptime < before ? location.replace("/admin") : back(uptime);
} catch { back(1e9); }
}, 1000);
if (get("wait")) back(0);
if (form) form.onsubmit = async event => {
event.preventDefault();
const body = get("image").files[0], busy = on => { get("bar").hidden = !on; get("send").disabled = on; };
if (!body) return state.textContent = "Choose a file first.";
busy(true);
state.textContent = "";
try {
const answer = await fetch("/api/update", { method: "PUT", body });
state.textContent = answer.ok ? "The board restarts to try it out." : await answer.text();
if (answer.ok) return back(1e9);
} catch { state.textContent = "The connection broke off, nothing has changed: try again."; }
busy(false);
};
if (form) get("upload").hidden = false;
"""


async def answer(request):
    """GET: the page. POST: what its forms ask for, field do=confirm, restart or reset."""
    if not device.config["admin"]["password"]:
        return page("Administration", _NOT_SET, status=403)
    refused = await admin.check(request)
    if refused:
        return refused
    if request.method == "POST":
        # See Other: to load the page anew repeats nothing.
        return Response.redirect(request, "/admin?" + _act(request, await request.form()), 303)
    gc.collect()
    came_by = request.url.partition("?")[2]
    if restart.task and not restart.task.done():
        if came_by == "reset":
            # Nothing will answer at this address, so there is nothing to wait for.
            return page("Factory reset", _FORGOTTEN)
        return page("Restart", _RESTARTING, refresh=15, script=_SCRIPT)
    return page("Administration", _body(came_by), script=_SCRIPT)


async def answer_restart(request):
    """POST /api/restart: 202, then the board starts anew."""
    refused = await admin.check(request)
    if refused:
        return refused
    log.info("restart over HTTP")
    restart.soon(request)
    return {"restarting": True}, 202


def _act(request, form):
    """Do what a form asks for; what has become of it, in a word for the page that follows."""
    wanted = form.get("do")
    if wanted == "confirm":
        from . import bootjson

        problems = bootjson.confirm()
        if not problems:
            return ""
        log.warning("%s", problems[0])
        return "trial"
    if wanted == "restart":
        log.info("restart by the page /admin")
        restart.soon(request, _PAUSE_MS)
        return "restart"
    if wanted != "reset" or form.get("word", "").strip().upper() != _WORD:
        return "word"
    from . import factory

    files = bool(form.get("files"))
    restart.soon(request, _PAUSE_MS, lambda: factory.reset(files))
    return "reset"


def _body(came_by):
    """The parts of the page, those first that ask for attention."""
    from .vitals import snapshot

    values = snapshot()
    if came_by == "trial":
        yield _NOT_KEPT
    trial = values["settings"]["trial"]
    if trial is not None:
        yield _CONFIRM % trial
    if values["problems"]:
        yield '<div class="card warn"><h2>Needs your attention</h2><ul>'
        for line in values["problems"]:
            yield "<li>%s</li>" % escape(line)
        yield "</ul></div>"
    state = values["flash"]["state"]
    if state not in ("ok", "new"):
        yield _REPAIR % state
    yield '<div class="card"><h2>This board</h2><dl>'
    for fact in _facts(values):
        yield "<div><dt>%s</dt><dd>%s</dd></div>" % tuple([escape(text) for text in fact])
    yield "</dl></div>"
    slots = values["update"]
    other = slots["other"]
    holds = "%s %s" % (other["version"] or "nothing", other["state"]) if other else "there is none"
    texts = values["firmware"], slots["state"], holds, values["page"][7:-1] or "ADDRESS"
    yield _UPDATE % tuple([escape(text) for text in texts])
    yield _REST % (_WORD, _NO_WORD if came_by == "word" else "")


def _facts(values):
    """What the board is and does: (name, value) each."""
    flash = values["flash"]
    network = values["network"]
    moment = values["time"]
    recovery = values["recovery"]
    minutes = values["uptime"] // 60
    yield "Address", values["address"] or "none"
    yield "Network", network.get("ssid") or network.get("accessPoint") or network["kind"]
    yield "Link", network.get("problem") or network["state"]
    yield "Up for", "%d d %d h %d min" % (minutes // 1440, minutes // 60 % 24, minutes % 60)
    yield "Last start", values["resetCause"]
    if recovery["step"]:
        yield "Recovery, step %d" % recovery["step"], recovery["reason"]
    yield "Clock", moment["utc"] + ("" if moment["synced"] else " not confirmed")
    yield "Settings", values["settings"]["source"]
    yield "Files", "%d of %d KB free" % (flash["free"] // 1024, flash["filesystem"] // 1024)
    yield "Board", values["machine"]
