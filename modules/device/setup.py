"""/setup and /setup/result: the pages that bring a board into a Wi-Fi network. Loaded by the first request for them.

Plain forms; what little script there is only adds to them. While the portal is open nobody is asked for a password:
who is in the access point knows that one. At any other time they are the administrator's, and the result is
everybody's as long as the portal lingers, since the phone that waits for it is still there.
"""

import asyncio
import gc
from asyncio import sleep_ms

import network
from micropAsyncWeb import HttpError
from micropython import const

import device

from . import admin, boot, bootjson, log, portal, storage
from .pages import escape, page

_SSID_MAX = const(32)  # bytes (IEEE 802.11-2020 section 9.4.2.2)
_PASSWORD_MIN = const(8)  # a WPA passphrase is 8 to 63 characters (IEEE 802.11-2020 annex J.4)
_PASSWORD_MAX = const(63)
_NAME_MAX = const(32)
_ADMIN_MAX = const(64)
_SHOWN_MAX = const(20)  # networks, the strongest
_HEAD_START_MS = const(1500)  # for the result page to arrive before the radio may change its channel
_REFRESH_S = const(5)
_BARS = ((-55, "very good", "●●●●"), (-67, "good", "●●●○"), (-78, "fair", "●●○○"), (-999, "weak", "●○○○"))

_FORM_SCRIPT = b"""\
const password = document.getElementById('password'), label = document.createElement('label');
label.innerHTML = '<input type="checkbox">Show the password';
label.firstChild.onchange = (event) => { password.type = event.target.checked ? 'text' : 'password'; };
password.after(label);
const other = document.getElementById('other');
other.oninput = () => { document.getElementById('another').checked = true; };
document.getElementById('join').onsubmit = (event) => {
  const button = event.submitter || event.target.querySelector('button');
  setTimeout(() => { button.disabled = true; button.textContent = 'One moment'; });
};
window.onpageshow = (event) => { if (event.persisted) location.reload(); };
"""
_RESULT_SCRIPT = b"""\
const link = document.getElementById('link');
setInterval(async () => {
  try {
    const answer = await fetch(location.href, { cache: 'no-store' });
    const text = await answer.text();
    link.textContent = '';
    if (answer.ok && !text.includes('id="link"')) location.reload();
  } catch (error) {
    link.textContent = 'The device does not answer at this moment. Trying again.';
  }
}, 2000);
"""

attempt = None  # the last Attempt
_found = []  # the networks of the last form


class Attempt:
    """One try at a network: what was typed, but the password, and what became of it."""

    pending = True
    problem = ""  # in words; '' when it worked
    read = False  # its result was shown
    finished = False  # by the user
    address = ""

    def __init__(self, ssid, hostname):
        self.ssid = ssid
        self.hostname = hostname
        self.notes = []  # what could not be saved


class _Wrong(Exception):
    """What was sent is not right; arguments: words for its sender, status."""


async def answer(request):
    """/setup. GET: the form. POST: try what it says; or with action=skip: go on without Wi-Fi."""
    refused = await _refuse(request, portal.opened)
    if refused:
        return refused
    if request.method != "POST":
        return await _form()
    typed = {}
    try:
        typed = await _read(request)
        if typed.get("action") == "skip" and portal.opened:
            portal.dismiss()
            return _skipped()
        if not (attempt and attempt.pending):
            _start(*_check(typed))
    except _Wrong as wrong:
        return await _form(typed, *wrong.args)
    return _go("/setup/result")


async def answer_result(request):
    """/setup/result. GET: what became of the last try. POST: the user has read it."""
    lingers = portal.phase != portal.CLOSED
    refused = await _refuse(request, lingers)
    if refused:
        return refused
    if request.method == "POST":
        if attempt and not attempt.pending:
            attempt.finished = True
            portal.update()
        return _finished()
    if not attempt:
        return _go("/setup")
    return _result()


HANDLERS = {"/setup": answer, "/setup/result": answer_result}


async def _refuse(request, free):
    """The answer to who may not; None if he may. free: without a password."""
    if not hasattr(boot.network_service, "try_network"):
        return page(
            "Wi-Fi", '<p class="card">This board has no Wi-Fi in use: nothing is to be set here.</p>', status=404
        )
    if request.method not in ("GET", "HEAD", "POST"):
        raise HttpError(405)
    if not free:
        return await admin.check(request, "its Wi-Fi can be set here")
    if request.method == "POST" and admin.foreign(request):
        text = '<p class="card bad">A page of another site has sent this. <a href="/setup">Open the form</a> here.</p>'
        return page("Not taken", text, status=403)
    return None


def _go(path):
    return None, 303, {"Location": path, "Cache-Control": "no-store"}


async def _read(request):
    """The fields of the form; _Wrong if they cannot be read."""
    kind = request.header.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise _Wrong("Only the form of this page is taken.", 415)
    try:
        return await request.form()
    except HttpError as error:
        if error.args[0] != 400:
            raise
        raise _Wrong("What was sent is not text in UTF-8.", 400)


def _check(typed):
    """(ssid, password, host name, administrator's password) of a form; _Wrong says what is not right with it."""
    chosen = typed.get("ssid", "")
    other = typed.get("other", "")
    if chosen and other:
        raise _Wrong("You have chosen %s and typed %s: choose one, or empty the field." % (chosen, other), 400)
    ssid = chosen or other
    if not ssid:
        raise _Wrong("Choose a network, or type the name of one.", 400)
    size = len(ssid.encode())
    if size > _SSID_MAX:
        text = "The name of a network has %d bytes at most, %s has %d; other characters than A to Z take 2 to 4."
        raise _Wrong(text % (_SSID_MAX, ssid, size), 400)
    password = typed.get("password", "")
    if password and (len(password) < _PASSWORD_MIN or len(password.encode()) > _PASSWORD_MAX):
        text = "A Wi-Fi password has %d to %d characters, this one has %d; other characters than A to Z count more."
        raise _Wrong(text % (_PASSWORD_MIN, _PASSWORD_MAX, len(password)), 400)
    if not password and _is_locked(ssid):
        raise _Wrong("%s asks for a password." % ssid, 400)
    hostname = typed.get("hostname", "") or boot.hostname
    if not _is_name(hostname):
        text = "The name of the device has 1 to %d letters A to Z, digits and inner hyphens; %s has others."
        raise _Wrong(text % (_NAME_MAX, hostname), 400)
    secret = "" if device.config["admin"]["password"] else typed.get("admin", "")
    if len(secret) > _ADMIN_MAX:
        raise _Wrong("The administrator's password has %d characters at most." % _ADMIN_MAX, 400)
    for text in (ssid, password, secret):
        if text and (min(text) < " " or "\x7f" in text):
            raise _Wrong("A name or a password has a control character in it, as a tab or a line break.", 400)
    return ssid, password, hostname, secret


def _is_name(text):
    if not 0 < len(text) <= _NAME_MAX or "-" in (text[0], text[-1]):
        return False
    return all("a" <= letter <= "z" or "0" <= letter <= "9" or letter == "-" for letter in text.lower())


def _is_locked(ssid):
    for entry in _found:
        if entry["ssid"] == ssid:
            return entry["lock"]
    return False


def _start(ssid, password, hostname, secret):
    global attempt
    attempt = Attempt(ssid, hostname)
    attempt.task = asyncio.create_task(_try(attempt, password, secret))


async def _try(current, password, secret):
    """Try the network of an Attempt and keep it if it works."""
    await sleep_ms(_HEAD_START_MS)
    service = boot.network_service
    try:
        # mDNS and DHCP take the name with the first connection.
        network.hostname(current.hostname)
        current.problem = await service.try_network(current.ssid, password)
        if current.problem:
            network.hostname(boot.hostname)
        else:
            current.address = service.address()
            current.notes = _keep(service, current, password, secret)
    except Exception as error:
        log.exception("setup", error)
        current.problem = "it cannot be tried (%s)" % error
    current.pending = False
    log.info("setup: %s: %s", current.ssid, current.problem or "connected")
    portal.update()


def _keep(service, current, password, secret):
    """Save what was set, and go by it. The lines of what is wrong with that."""
    hostname = "" if current.hostname == boot.hostname else current.hostname
    boot.hostname = current.hostname
    # The modules that check the settings must not come to lie behind garbage.
    gc.collect()
    try:
        problems = bootjson.add_network(current.ssid, password, hostname, secret)
        if problems:
            return problems
        settings, _, _ = bootjson.check(bootjson.current())
    except MemoryError:
        return ["there was no memory for it: restart the device and try again"]
    for key in ("hostname", "admin"):
        device.config[key] = settings[key]
    device.config["wifi"]["networks"] = settings["wifi"]["networks"]
    service.use(settings["wifi"]["networks"])
    gc.collect()
    return []


async def _form(typed=None, problem="", status=200):
    """The page with the form, filled with what was typed before."""
    global _found
    _found = found = (await boot.network_service.scan())[:_SHOWN_MAX]
    if typed is None:
        last = attempt and not attempt.pending and attempt
        typed = {"ssid": last.ssid, "hostname": last.hostname} if last else {}
        if last and last.ssid not in [entry["ssid"] for entry in found]:
            typed = {"other": last.ssid, "hostname": last.hostname}
    return page("Wi-Fi", _form_parts(found, typed, problem), status=status, script=_FORM_SCRIPT)


def _form_parts(found, typed, problem):
    if problem:
        yield '<p class="card warn" role="alert">%s</p>\n' % escape(problem)
    if storage.state in storage.LOST:
        yield '<p class="card warn">The filesystem is %s: <a href="/repair">repair it</a></p>\n' % storage.state
    yield '<form class="card" id="join" method="post" action="/setup">\n'
    yield '<h2 id="air">Which network is this device to join?</h2>\n<div role="radiogroup" aria-labelledby="air">\n'
    chosen = typed.get("ssid", "")
    for entry in found:
        yield _radio(entry["ssid"], entry["ssid"] == chosen, "", "%s<br>%s" % (escape(entry["ssid"]), _words(entry)))
    if not found:
        yield "<p>None is in range. This device knows only those of 2.4 GHz.</p>\n"
    other = typed.get("other", "")
    yield _radio("", bool(other) or not found, ' id="another"', "Another, or a hidden one")
    yield "</div>\n"
    yield '<label for="other">Its name (SSID)</label>\n<input id="other" name="other" maxlength="32"'
    yield ' autocapitalize="none" autocorrect="off" spellcheck="false" value="%s">\n' % escape(other)
    yield '<p class="note"><a href="/setup">Look for networks again</a></p>\n'
    yield '<label for="password">Password of the network</label>\n'
    yield '<input id="password" name="password" type="password" maxlength="63" autocomplete="off">\n'
    yield '<label for="hostname">Name of this device</label>\n<input id="hostname" name="hostname" maxlength="32"'
    yield ' autocapitalize="none" autocorrect="off" spellcheck="false" value="%s">\n' % (
        escape(typed.get("hostname", "") or boot.hostname)
    )
    yield '<p class="note">Its address will be http://name.local/</p>\n'
    if not device.config["admin"]["password"]:
        yield '<label for="admin">Administrator\'s password of this device, if you like</label>\n'
        yield '<input id="admin" name="admin" type="password" maxlength="64" autocomplete="new-password">\n'
        yield '<p class="note">With it, you can manage and update the device over the network, as user '
        yield "<strong>%s</strong>.</p>\n" % admin.USER
    yield "<button>Connect</button>\n</form>\n"
    if portal.opened:
        yield '<form class="card" method="post" action="/setup">\n'
        yield '<input type="hidden" name="action" value="skip">\n<h2>No network?</h2>\n'
        yield "<p>The device works in its own network, %s, too. This page comes again with the next start.</p>\n" % (
            _own_network()
        )
        yield "<button>Use it without Wi-Fi</button>\n</form>\n"


def _radio(value, checked, more, text):
    mark = " checked" if checked else ""
    return '<label><input type="radio" name="ssid" value="%s"%s%s>%s</label>\n' % (escape(value), mark, more, text)


def _words(entry):
    words, bars = next(mark[1:] for mark in _BARS if entry["rssi"] >= mark[0])
    lock = "locked" if entry["lock"] else "open"
    return '<span class="note"><span aria-hidden="true">%s</span> %s signal, %s</span>' % (bars, words, lock)


def _result():
    ssid = escape(attempt.ssid)
    if attempt.pending:
        return page("Connecting", _pending(ssid), refresh=_REFRESH_S, script=_RESULT_SCRIPT)
    attempt.read = True
    if attempt.problem:
        return page("Not connected", _failed(ssid))
    return page("Connected", _connected(ssid))


def _own_network():
    name = boot.network_service.ap_ssid
    return "<strong>%s</strong>" % escape(name) if name else "the device's own network"


def _pending(ssid):
    yield '<div class="card">\n<h2>Trying %s</h2>\n' % ssid
    yield "<p>This takes up to half a minute. The page shows by itself what has become of it.</p>\n"
    yield '<p id="link" class="bad" role="status"></p>\n</div>\n'
    if portal.opened:
        yield '<p class="card note">Your phone may lose %s meanwhile: the device changes its channel. ' % _own_network()
        yield "If this page does not come back: join it again and open <code>%s</code>. " % _here()
        yield "The result is kept.</p>\n"


def _here():
    """Where the result is to be found from within the access point."""
    service = boot.network_service
    port = device.config["server"]["port"]
    return boot.page_url(service.ap_address() or service.address(), port) + "setup/result"


def _failed(ssid):
    yield '<div class="card">\n<h2>No connection to %s</h2>\n<p class="bad">What went wrong: %s.</p>\n' % (
        ssid,
        escape(attempt.problem),
    )
    for part, advice in _ADVICE:
        if part in attempt.problem:
            yield "<p>%s</p>\n" % advice
            break
    yield '<p><a href="/setup">Try again</a></p>\n</div>\n'


_ADVICE = (
    ("password", "Capitals and small letters count. It is the password of the Wi-Fi, not that of the router's pages."),
    ("not found", "It may be out of reach, or of 5 GHz only, which this device does not know."),
    ("address", "The network has let the device in, but its router gives no address: look at its DHCP settings."),
)


def _connected(ssid):
    port = device.config["server"]["port"]
    links = ['<a href="%s">%s</a>' % (url, url) for url in _urls(port)]
    yield '<div class="card">\n<h2 class="good">The device is in %s</h2>\n' % ssid
    yield (
        "<p>Join that network with your phone or computer, then open the device's page:</p>\n<p>%s</p>\n"
        % "<br>or ".join(links)
    )
    if portal.phase != portal.CLOSED:
        yield '<p class="note">Keep it in mind: %s, where you are now, goes off soon.</p>\n' % _own_network()
        yield '<form method="post" action="/setup/result">\n'
        yield "<button>Finish</button>\n</form>\n"
    yield "</div>\n"
    if attempt.notes:
        yield '<div class="card warn" role="alert">\n<h2>Not all of it could be saved</h2>\n'
        for note in attempt.notes:
            yield "<p>%s</p>\n" % escape(note)
        yield "<p>It holds until the next start.</p>\n</div>\n"


def _urls(port):
    for host in (boot.hostname.lower() + ".local", boot.network_service.address() or attempt.address):
        yield escape(boot.page_url(host, port))


def _finished():
    text = '<p class="card">You can close this window now, and join the other network.</p>'
    return page("Done", text)


def _skipped():
    port = device.config["server"]["port"]
    url = boot.page_url(boot.network_service.ap_address(), port)
    return page(
        "Without Wi-Fi",
        '<div class="card">\n<p>The device stays in its own network, %s. Its pages are at</p>\n' % _own_network(),
        '<p><a href="%s">%s</a></p>\n<p class="note">If you like, close this window and open them in the browser.</p>\n'
        % (escape(url), escape(url)),
        "</div>",
    )
