"""/admin: what the administrator can do with a browser, and POST /api/restart. Loaded by the first request for it.

The forms work without JavaScript; only the upload of a firmware needs it, because /api/update takes no forms.
"""

import gc

from micropAsyncWeb import Response

from . import admin, log, restart
from .pages import escape, page

_WORD = "RESET"  # what has to be typed in before the settings are erased
_PAUSE_MS = 1500  # between the answer to a form and the restart: for the page that tells of it

_LINKS = """<p><a href="/">Start page</a> · <a href="/logs">Log</a> · <a href="/setup">Wi-Fi setup</a> ·
<a href="/api/status">Status as JSON</a></p>"""

_RESTARTING = """<div class="card"><h2>The board restarts</h2>
<p role="status" id="wait">This takes some seconds. Then go <a href="/admin">back</a>.</p></div>"""

_FORGOTTEN = """<div class="card"><h2>Everything is forgotten</h2>
<p role="status">The board's name is now <b>%s</b>. %s</p></div>"""
_BY_WIFI = """Join its own Wi-Fi of that name, with the password that the console shows at each start, then open
http://192.168.4.1/."""

_CONFIRM = """<form class="card warn" method="post"><h2>The settings are on trial</h2>
<p>Unless you keep them, the board goes back to the ones before in <b id="left">%d</b> seconds.</p>
<button name="do" value="confirm">Keep these settings</button></form>
"""
_NOT_KEPT = '<p class="card warn" role="alert">The settings were not kept, the <a href="/logs">log</a> says why.</p>'

_REPAIR = '<p class="card warn">The filesystem is %s. <a href="/repair">Save and repair it</a></p>'

_SETTINGS = """<form class="card" id="settings"><h2>Settings</h2>
<noscript><code>curl -u admin http://%s/api/settings</code></noscript>
<div id="editor" hidden><label for="json">boot.json; a password that is set shows as true</label>
<textarea id="json" rows="14" spellcheck="false" autocapitalize="off"></textarea>
<p role="status" id="forsettings"></p><button>Save</button></div></form>
"""
_UPDATE = """<form class="card" id="update"><h2>Firmware</h2>
<dl><div><dt>Running</dt><dd>%s, %s</dd></div><div><dt>In the other slot</dt><dd>%s</dd></div></dl>
<noscript><code>curl -u admin -T IMAGE-app.bin http://%s/api/update</code></noscript>
<div id="upload" hidden><label for="image">New firmware, a file that ends with -app.bin</label>
<input type="file" id="image" accept=".bin"><progress id="bar" hidden></progress>
<p role="status" id="forupdate"></p><button>Update</button></div></form>
"""

_REST = """<form class="card" method="post"><h2>Restart</h2>
<button name="do" value="restart">Restart</button></form>
<form class="card" method="post"><h2>Factory reset</h2>
<p>The settings are erased: networks, host name, passwords. Only the password of the board's own Wi-Fi stays.</p>
<p><label><input type="checkbox" name="files" value="1">Erase all files, too: pages, programs, data</label></p>
<label for="word">Type %s to confirm</label><input id="word" name="word" autocomplete="off">
%s<button name="do" value="reset" class="danger">Factory reset</button></form>"""

_NO_WORD = '<p class="bad" role="alert">Nothing was erased: the word was not typed in.</p>'

# Waits for the board after a restart: then it began later. Counts a trial's seconds. Sends settings and a firmware.
_SCRIPT = b"""
const get = id => document.getElementById(id), say = (id, text) => get(id).innerText = text, left = get("left");
const began = async () => Date.now() / 1e3 -
(await (await fetch("/health", { cache: "no-store", signal: AbortSignal.timeout(4000) })).json()).uptime;
const back = before => setTimeout(() => began().then(
now => now > before + 2 ? location.replace("/admin") : back(before), () => back(before)), 1000);
const send = (id, job) => get(id).onsubmit = async event => {
const button = event.target.querySelector("button");
event.preventDefault();
say("for" + id, "");
button.disabled = true;
try { await job(); } catch { say("for" + id, "The connection broke off: try again."); }
button.disabled = false;
};
const put = (url, body) => fetch(url, { method: "PUT", body });
if (get("wait")) began().then(back, () => back(0));
if (left) {
const clock = setInterval(() => { if (--left.textContent < 1) { clearInterval(clock); back(0); } }, 1000);
}
if (get("update")) {
fetch("/api/settings").then(async answer => {
get("json").value = await answer.text();
get("editor").hidden = !answer.ok;
});
send("settings", async () => {
const before = await began(), answer = await put("/api/settings", get("json").value), text = await answer.text();
let found = { problems: [text] };
try { found = JSON.parse(text); } catch {}
const { restart, trial = restart ? "Saved, in force after a restart." : "Saved." } = found;
const lines = (found.problems || [trial]).concat(found.remarks || []);
say("forsettings", lines.join("\\n").replace(/api.settings.confirm/g, "admin"));
if (answer.status == 202) back(before);
});
send("update", async () => {
const body = get("image").files[0];
if (!body) return say("forupdate", "Choose a file first.");
get("bar").hidden = false;
const answer = await put("/api/update", body);
get("bar").hidden = true;
say("forupdate", answer.ok ? "The board restarts to try it out." : await answer.text());
if (answer.ok) back(0);
});
get("upload").hidden = false;
}
"""


async def answer(request):
    """GET: the page. POST: what its forms ask for, field do=confirm, restart or reset."""
    refused = await admin.check(request)
    if refused:
        return refused
    if request.method == "POST":
        # See Other: to load the page anew repeats nothing.
        return Response.redirect(request, "/admin?" + _act(request, await request.form()), 303)
    gc.collect()
    came_by = request.url.partition("?")[2]
    if restart.under_way():
        if came_by == "reset":
            # Nothing will answer at this address, so there is nothing to wait for.
            return page("Factory reset", _first_contact())
        return page("Restart", _RESTARTING, refresh=15, script=_SCRIPT)
    return page("Administration", _body(came_by), script=_SCRIPT)


def _first_contact():
    """Says where the board is found when it has forgotten its settings."""
    from . import boot

    wifi = hasattr(boot.network_service, "try_network")
    return _FORGOTTEN % (boot.default_hostname(), _BY_WIFI if wifi else "Your router knows its address.")


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
    yield _LINKS
    if came_by == "trial":
        yield _NOT_KEPT
    trial = values["settings"]["trial"]
    if trial is not None:
        yield _CONFIRM % trial
    state = values["flash"]["state"]
    if state not in ("ok", "new"):
        yield _REPAIR % state
    problems = [line for line in values["problems"] if not line.startswith("the filesystem is ")]
    if problems:
        yield '<div class="card warn"><h2>Needs your attention</h2><ul>'
        for line in problems:
            yield "<li>%s</li>" % escape(line)
        yield "</ul></div>"
    yield '<div class="card"><h2>This board</h2><dl>'
    for fact in _facts(values):
        yield "<div><dt>%s</dt><dd>%s</dd></div>" % tuple([escape(text) for text in fact])
    yield "</dl></div>"
    here = escape(values["page"][7:-1] or "ADDRESS")
    yield _SETTINGS % here
    slots = values["update"]
    other = slots["other"]
    holds = "%s %s" % (other["version"] or "nothing", _word(other["state"])) if other else "there is none"
    yield _UPDATE % (escape(values["firmware"]), _word(slots["state"]), escape(holds), here)
    yield _REST % (_WORD, _NO_WORD if came_by == "word" else "")


def _word(state):
    """A slot's state as /health has it."""
    return "confirmed" if state == "valid" else state


def _facts(values):
    """What the board is and does: (name, value) each."""
    flash = values["flash"]
    network = values["network"]
    moment = values["time"]
    recovery = values["recovery"]
    minutes = values["uptime"] // 60
    yield "Name", values["hostname"]
    yield "Address", values["address"] or "none"
    yield "MAC", network.get("mac", "unknown")
    yield "Network", network.get("ssid") or network.get("accessPoint") or network["kind"]
    if network.get("rssi"):
        yield "Signal", "%d dBm" % network["rssi"]
    yield "Link", network.get("problem") or network["state"]
    yield "Up for", "%d d %d h %d min" % (minutes // 1440, minutes // 60 % 24, minutes % 60)
    yield "Started by", values["resetCause"]
    if recovery["step"]:
        yield "Recovery, step %d" % recovery["step"], recovery["reason"]
    yield "Clock", moment["utc"] + ("" if moment["synced"] else " not confirmed")
    yield "Settings", values["settings"]["source"]
    yield "Files", "%d of %d KB free" % (flash["free"] // 1024, flash["filesystem"] // 1024)
    yield "Chip", values["machine"]
