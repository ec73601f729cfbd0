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
<p>With <code>admin.password</code> in <code>boot.json</code> this page lets you see the settings, update the firmware
and reset the board. Set it and restart the board:</p>
<pre>mpremote cp boot.json :/
mpremote reset</pre></div>
<p><a href="/">Start page</a></p>"""

_RESTARTING = """<div class="card"><h2>The board restarts</h2>
<p role="status" id="wait">This takes some seconds. Then go <a href="/admin">back to the administration</a>.</p>
</div>"""

_FORGOTTEN = """<div class="card"><h2>Everything is forgotten</h2>
<p role="status">The board starts anew and opens its access point, as on its first day. Join it, with the name and the
password that the console shows, then open http://192.168.4.1/.</p></div>"""

_CONFIRM = """<form class="card warn" method="post"><h2>The settings are on trial</h2>
<p>Unless you confirm them within <strong id="left">%d</strong> seconds the board goes back to the ones before.</p>
<button name="do" value="confirm">Keep these settings</button></form>
"""

_UPDATE = """<form class="card" id="update" method="post"><h2>Firmware</h2>
<dl><div><dt>Running</dt><dd>%s, %s</dd></div><div><dt>In the other slot</dt><dd>%s</dd></div></dl>
<noscript><p>Without JavaScript a new one can be sent with
<code>curl -u admin -T IMAGE-app.bin http://%s/api/update</code>.</p></noscript>
<div id="upload" hidden><label for="image">New firmware, a file that ends with -app.bin</label>
<input type="file" id="image" accept=".bin"><progress id="progress" max="1" value="0" hidden></progress>
<p role="status" id="state"></p><button>Update</button></div></form>
"""

_DANGER = """<form class="card" method="post"><h2>Restart</h2>
<p>Pages and programs are away for some seconds.</p><button name="do" value="restart">Restart</button></form>
<form class="card" method="post"><h2>Factory reset</h2>
<p>The settings are erased: networks, host name, passwords. The board then opens its access point, as on its first day.
Its password stays; the console shows it.</p>
<p><label><input type="checkbox" name="files" value="1">Erase all files, too: pages, programs, data</label></p>
<label for="word">Type %s to confirm</label>
<input id="word" name="word" autocomplete="off" autocapitalize="characters" spellcheck="false">
%s<button name="do" value="reset" class="danger">Factory reset</button></form>
<p><a href="/">Start page</a> · <a href="/logs">Log</a> · <a href="/setup">Wi-Fi setup</a> ·
<a href="/api/status">Status as JSON</a></p>"""

_NOT_KEPT = """<div class="card warn" role="alert"><p>The settings were not kept: they are not on trial any more, or the
filesystem cannot be written. The <a href="/logs">log</a> may know more.</p></div>
"""

_NO_WORD = '<p class="bad" role="alert">Nothing was erased: the word was not typed in.</p>\n'

# Counts the seconds of a trial, sends a firmware, and waits for the board after a restart.
_SCRIPT = b"""
"use strict";
{
const get = (id) => document.getElementById(id);
const left = get("left"), form = get("update");
if (left) setInterval(() => { left.textContent = Math.max(0, left.textContent - 1); }, 1000);
const back = (uptime) => setTimeout(async () => {
  try {
    const health = await (await fetch("/health", { cache: "no-store", signal: AbortSignal.timeout(4000) })).json();
    if (health.uptime < uptime) location.replace("/admin");
    else back(health.uptime);
  } catch { back(1e9); }
}, 1000);
if (get("wait")) back(0);
if (form) {
  get("upload").hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const file = get("image").files[0], bar = get("progress"), button = form.querySelector("button");
    const say = (text, bad) => { get("state").textContent = text; get("state").className = bad ? "bad" : ""; };
    if (!file) return say("Choose a file first.", true);
    const request = new XMLHttpRequest();
    const end = (text) => { bar.hidden = true; button.disabled = false; say(text, true); };
    request.open("PUT", "/api/update");
    request.upload.onprogress = (sent) => { bar.value = sent.loaded / sent.total; };
    request.onerror = () => end("The connection broke off. The board still runs what it ran: try again.");
    request.onload = () => {
      if (request.status !== 200) return end(request.responseText || "The board answers " + request.status + ".");
      bar.value = 1;
      say("Version " + JSON.parse(request.responseText).version + " is there. The board restarts to try it out.");
      back(1e9);
    };
    button.disabled = true;
    bar.hidden = false;
    say("Sending " + file.name);
    request.send(file);
  });
}
}
"""


async def answer(request):
    """GET: the page. POST: what its forms ask for, field do=confirm, restart or reset."""
    if not device.config["admin"]["password"]:
        return page("Administration", _NOT_SET, status=403)
    refused = await admin.check(request)
    if refused:
        return refused
    if request.method == "POST":
        return await _act(request, await request.form())
    gc.collect()
    query = request.query
    if "restarting" in query:
        return _restarting(query["restarting"])
    return page("Administration", _body(query.get("problem", "")), script=_SCRIPT)


async def answer_restart(request):
    """POST /api/restart: 202, then the board starts anew."""
    refused = await admin.check(request, "the board can be restarted over the network")
    if refused:
        return refused
    log.info("restart over HTTP")
    restart.soon(request)
    return {"restarting": True}, 202


async def _act(request, form):
    wanted = form.get("do")
    to = "/admin"
    if wanted == "confirm":
        from . import bootjson

        problems = bootjson.confirm()
        if problems:
            log.warning("%s", problems[0])
            to = "/admin?problem=trial"
    elif wanted == "restart":
        log.info("restart by the page /admin")
        restart.soon(request, _PAUSE_MS)
        to = "/admin?restarting=restart"
    elif wanted == "reset" and form.get("word", "").strip().upper() == _WORD:
        from . import factory

        files = bool(form.get("files"))
        restart.soon(request, _PAUSE_MS, lambda: factory.reset(files))
        to = "/admin?restarting=reset"
    elif wanted == "reset":
        to = "/admin?problem=word"
    else:
        return page("Administration", '<p>This form is not known. <a href="/admin">Back</a></p>', status=400)
    # See Other: to load the page anew repeats nothing.
    return Response.redirect(request, to, 303)


def _restarting(kind):
    if not restart.task or restart.task.done():
        # Loaded anew after the restart: a browser without JavaScript does that.
        return page("Administration", '<p><a href="/admin">The board has started anew</a></p>')
    if kind == "reset":
        # Nothing will answer at this address, so there is nothing to wait for.
        return page("Factory reset", _FORGOTTEN)
    return page("Restart", _RESTARTING, refresh=15, script=_SCRIPT)


def _body(problem):
    """The parts of the page, those first that ask for attention."""
    from .vitals import snapshot

    values = snapshot()
    if problem == "trial":
        yield _NOT_KEPT
    trial = values["settings"]["trial"]
    if trial is not None:
        yield _CONFIRM % trial
    problems = values["problems"]
    if problems:
        yield '<div class="card warn"><h2>Needs your attention</h2><ul>'
        for line in problems:
            yield "<li>%s</li>" % escape(line)
        yield "</ul></div>\n"
    if values["flash"]["state"] not in ("ok", "new"):
        yield '<div class="card warn"><h2>The filesystem is %s</h2>' % escape(values["flash"]["state"])
        yield '<p><a href="/repair">Save what can be read, and repair it</a></p></div>\n'
    yield from _facts(values)
    slots = values["update"]
    other = slots.get("other")
    holds = "%s %s" % (other["version"] or "nothing", other["state"]) if other else "there is none"
    state = "on trial" if slots["state"] == "pending" else slots["state"]
    address = values["page"][7:-1] or "ADDRESS"
    yield _UPDATE % (escape(values["firmware"]), escape(state), escape(holds), escape(address))
    yield _DANGER % (_WORD, _NO_WORD if problem == "word" else "")


def _facts(values):
    """A table of what the board is and does."""
    flash = values["flash"]
    network = values["network"]
    facts = [
        ("Address", values["address"] or "none"),
        ("Network", network.get("ssid") or network.get("accessPoint") or network.get("kind") or "none"),
        ("Link", network.get("problem") or network.get("state")),
        ("Up for", _span(values["uptime"])),
        ("Last start", values["resetCause"]),
    ]
    moment = values["time"]
    words = moment["utc"].replace("T", " ").replace("Z", " UTC") or "not set"
    if moment["utc"] and not moment["synced"]:
        words += ", not confirmed"
    facts.append(("Clock", words))
    recovery = values["recovery"]
    if recovery["step"]:
        facts.append(("Recovery, step %d" % recovery["step"], recovery["reason"]))
    facts.append(("Settings", values["settings"]["source"]))
    facts.append(("Memory free", "%d KB" % (values["memory"]["free"] // 1024)))
    facts.append(("Files", "%d of %d KB free" % (flash["free"] // 1024, flash["filesystem"] // 1024)))
    facts.append(("MicroPython", values["micropython"]))
    facts.append(("Board", values["machine"]))
    yield '<div class="card"><h2>This board</h2><dl>'
    for name, value in facts:
        yield "<div><dt>%s</dt><dd>%s</dd></div>\n" % (escape(name), escape(value))
    yield "</dl></div>\n"


def _span(seconds):
    """Days, hours, minutes and seconds in words."""
    days, seconds = divmod(seconds, 86400)
    clock = "%d:%02d:%02d" % (seconds // 3600, seconds // 60 % 60, seconds % 60)
    return "%d d %s" % (days, clock) if days else clock
