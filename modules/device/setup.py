"""/setup and /setup/result: the pages that bring a board into a Wi-Fi network. Loaded by the first request for them.

Plain forms; what little script there is only adds to them. While the portal is open nobody is asked for a password:
who is in the access point knows that one. At any other time they are the administrator's, and the result is
everybody's as long as the portal lingers, since the phone that waits for it is still there.
"""

import gc
from asyncio import create_task, sleep_ms

import network
from micropAsyncWeb import HttpError, Response
from micropython import const

import device

from . import admin, boot, bootjson, log, portal, storage
from .pages import escape, page

_SSID_MAX = const(32)  # bytes (IEEE 802.11-2020 section 9.4.2.2)
_PASSWORD_MIN = const(8)  # a WPA passphrase is 8 to 63 characters (IEEE 802.11-2020 annex J.4)
_PASSWORD_MAX = const(63)
_NAME_MAX = const(32)
_SHOWN_MAX = const(20)  # networks, the strongest
_HEAD_START_MS = const(1500)  # for the result page to arrive before the radio may change its channel
_REFRESH_S = const(5)
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"  # of a host name
_SIGNALS = ("weak", "fair", "good", "very good")

# Attributes of an input, and a box.
_NAME = 'maxlength="32" autocapitalize="none" autocorrect="off" value="%s"'
_SECRET = 'maxlength="63" type="password" autocomplete="off"'
_ALERT = '<p class="card warn" role="alert">%s</p>'

_FORM_SCRIPT = b"""\
const { password, other } = document.forms[0].elements;
password.insertAdjacentHTML('afterend', '<label><input type="checkbox">Show the password</label>');
password.nextSibling.onchange = (event) => { password.type = event.target.checked ? 'text' : 'password'; };
other.oninput = () => { document.querySelector('[name=ssid][value=""]').checked = true; };
"""
# The page of a try that is not over has the status 202 (RFC 9110 section 15.3.3).
_RESULT_SCRIPT = b"""\
const link = document.getElementById('link');
setInterval(() => fetch(location).then((answer) => {
  link.textContent = '';
  if (answer.status == 200) location.reload();
}, () => {
  link.textContent = 'The device does not answer at this moment.';
}), 2000);
"""
attempt = None  # the last Attempt
_locks = {}  # name of each network in the last form → whether it asks for a password


class Attempt:
    """One try at a network: what was typed, but the password, and what became of it."""

    pending = True
    problem = ""  # in words; '' when it worked
    unsaved = ""  # why the settings could not be saved
    read = False  # its result was shown
    finished = False  # by the user
    address = ""

    def __init__(self, ssid, hostname):
        self.ssid = ssid
        self.hostname = hostname


async def answer(request):
    """/setup. GET: the form. POST: try what it says; or with action=skip: go on without Wi-Fi."""
    global attempt
    refused = await _refuse(request, portal.opened)
    if refused:
        return refused
    if request.method != "POST":
        return await _form()
    if not request.header.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
        raise HttpError(415)
    typed = await request.form()
    if typed.get("action") == "skip" and portal.opened:
        portal.dismiss()
        return _skipped()
    if not (attempt and attempt.pending):
        try:
            ssid, password, hostname, secret = _check(typed)
        except ValueError as error:
            return await _form(typed, error)
        attempt = Attempt(ssid, hostname)
        attempt.task = create_task(_try(attempt, password, secret))
    return Response.redirect(request, "/setup/result", 303)


async def answer_result(request):
    """/setup/result. GET: what became of the last try. POST: the user has read it."""
    refused = await _refuse(request, portal.phase != portal.CLOSED)
    if refused:
        return refused
    if not attempt:
        return Response.redirect(request, "/setup", 303)
    if attempt.pending:
        return page("Connecting", _pending(), refresh=_REFRESH_S, status=202, script=_RESULT_SCRIPT)
    if request.method == "POST":
        attempt.finished = True
        portal.update()
        return page("Done", '<p class="card">You can close this window now.</p>')
    attempt.read = True
    return page("Not connected", _failed()) if attempt.problem else page("Connected", _connected())


HANDLERS = {"/setup": answer, "/setup/result": answer_result}


async def _refuse(request, free):
    """The answer to who may not; None if he may. free: without a password."""
    if not hasattr(boot.network_service, "try_network"):
        raise HttpError(409, "This board has no Wi-Fi in use.")
    if not free:
        return await admin.check(request)
    if request.method == "POST" and admin.foreign(request):
        raise HttpError(403, "A page of another site has sent this.")
    return None


def _check(typed):
    """(ssid, password, host name, administrator's password) of a form; ValueError says what is not right."""
    chosen = typed.get("ssid", "")
    other = typed.get("other", "")
    ssid = chosen or other
    size = len(ssid.encode())
    password = typed.get("password", "")
    hostname = typed.get("hostname") or boot.hostname
    secret = "" if device.config["admin"]["password"] else typed.get("admin", "")
    problem = ""
    if chosen and other:
        problem = "You have chosen %s and typed %s: choose one." % (chosen, other)
    elif not ssid:
        problem = "Choose a network, or type its name."
    elif size > _SSID_MAX:
        problem = "A network's name has 32 bytes at most, %s has %d." % (ssid, size)
    elif password and not _PASSWORD_MIN <= len(password) <= len(password.encode()) <= _PASSWORD_MAX:
        problem = "A password has 8 to 63 characters, this one has %d; other characters than A to Z count more."
        problem %= len(password)
    elif not password and _locks.get(ssid):
        problem = "%s asks for a password." % ssid
    elif len(hostname) > _NAME_MAX or hostname.strip("-") != hostname or hostname.lower().strip(_LETTERS):
        problem = "The device's name has 1 to 32 letters A to Z, digits and inner hyphens; %s has others." % hostname
    elif min(ssid + password + secret) < " " or "\x7f" in ssid + password + secret:
        problem = "A name or a password has a control character."
    if problem:
        raise ValueError(problem)
    return ssid, password, hostname, secret


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
            current.unsaved = _keep(service, current, password, secret)
    except Exception as error:
        log.exception("setup", error)
        current.problem = "it cannot be tried (%s)" % error
    current.pending = False
    portal.update()


def _keep(service, current, password, secret):
    """Save what was set, and go by it. What is wrong with that in words, or ''."""
    hostname = "" if current.hostname == boot.hostname else current.hostname
    boot.hostname = current.hostname
    # The modules that check the settings must not come to lie behind garbage.
    gc.collect()
    try:
        problems = bootjson.add_network(current.ssid, password, hostname, secret)
        if problems:
            return "; ".join(problems)
        settings = bootjson.check(bootjson.current())[0]
    except MemoryError:
        return "out of memory: restart and try again"
    for key in ("hostname", "admin"):
        device.config[key] = settings[key]
    networks = device.config["wifi"]["networks"] = settings["wifi"]["networks"]
    service.use(networks)
    return ""


async def _form(typed=None, problem=""):
    """The page with the form, filled with what was typed before; typed=None: for the last try."""
    global _locks
    found = (await boot.network_service.scan())[:_SHOWN_MAX]
    _locks = {}
    for entry in found:
        _locks[entry["ssid"]] = entry["lock"]
    if typed is None:
        typed = {"ssid": attempt.ssid, "hostname": attempt.hostname} if attempt else {}
    parts = _form_parts(found, typed, problem)
    return page("Join a network", parts, status=400 if problem else 200, script=_FORM_SCRIPT)


def _form_parts(found, typed, problem):
    if problem:
        yield _ALERT % escape(problem)
    if storage.state in storage.LOST:
        yield _ALERT % ('The filesystem is %s: <a href="/repair">repair it</a>' % storage.state)
    chosen = typed.get("ssid", "")
    other = typed.get("other") or ("" if chosen in _locks else chosen)
    yield ('<form class="card" method="post"><div role="radiogroup" aria-label="Networks">')
    for entry in found:
        name = escape(entry["ssid"])
        yield _radio(name, entry["ssid"] == chosen, "%s<br>%s" % (name, _signal(entry)))
    if not found:
        yield "<p>None is in range at 2.4 GHz.</p>"
    yield _radio("", other or not found, "Another, or a hidden one")
    yield "</div>"
    yield _field("other", "Its name (SSID)", _NAME % escape(other))
    yield '<p><a href="/setup">Look again</a></p>'
    yield _field("password", "Password of the network", _SECRET)
    name = typed.get("hostname") or boot.hostname
    yield _field("hostname", "Name of this device, for http://name.local/", _NAME % escape(name))
    if not device.config["admin"]["password"]:
        label = "Administrator's password to manage the device as user admin, if you like"
        yield _field("admin", label, _SECRET)
    yield "<button>Connect</button></form>"
    if portal.opened:
        yield (
            '<form class="card" method="post"><p>Until the next start the device can do with its %s.</p>'
            '<button name="action" value="skip">Use it without Wi-Fi</button></form>' % _own_network()
        )


def _radio(value, checked, text):
    mark = " checked" if checked else ""
    return '<label><input type="radio" name="ssid" value="%s"%s>%s</label>' % (value, mark, text)


def _field(name, label, attributes):
    return '<label for="%s">%s</label><input id="%s" name="%s" %s>' % (name, label, name, name, attributes)


def _signal(entry):
    rssi = entry["rssi"]
    level = (rssi >= -78) + (rssi >= -67) + (rssi >= -55)
    return '<span class="note"><span aria-hidden="true">%s</span> %s signal, %s</span>' % (
        "●" * (level + 1) + "○" * (3 - level),
        _SIGNALS[level],
        "locked" if entry["lock"] else "open",
    )


def _own_network():
    return "own network <strong>%s</strong>" % escape(boot.network_service.ap_ssid)


def _link(host, path=""):
    """A link to this board, which shows its address."""
    url = boot.page_url(host, device.config["server"]["port"]) + path
    return '<a href="%s">%s</a>' % (url, url)


def _pending():
    yield (
        '<div class="card"><h2>Trying %s</h2><p>This takes up to half a minute. The result comes by itself.</p>'
        '<p id="link" class="bad" role="status"></p></div>' % escape(attempt.ssid)
    )
    if portal.opened:
        yield (
            '<p class="card note">If your phone loses the device\'s %s meanwhile: join it again and open %s.</p>'
            % (_own_network(), _link(boot.network_service.ap_address(), "setup/result"))
        )


def _failed():
    return (
        '<div class="card"><h2>No connection to %s</h2><p class="bad">What went wrong: %s.</p>'
        "<p>Capitals count in passwords. Networks of 5 GHz are out of reach.</p>"
        '<p><a href="/setup">Try again</a></p></div>' % (escape(attempt.ssid), escape(attempt.problem))
    )


def _connected():
    yield (
        '<div class="card"><h2 class="good">The device is in %s</h2>'
        "<p>Join that network with your phone, too, then open %s or %s</p>"
        % (escape(attempt.ssid), _link(boot.hostname.lower() + ".local"), _link(attempt.address))
    )
    if portal.phase != portal.CLOSED:
        yield (
            '<p class="note">Keep the address in mind: the device\'s %s goes off soon.</p>'
            '<form method="post"><button>Finish</button></form>' % _own_network()
        )
    yield "</div>"
    if attempt.unsaved:
        yield _ALERT % ("<strong>Not all of it could be saved</strong> " + escape(attempt.unsaved))


def _skipped():
    text = '<p class="card">Close this window, stay in the device\'s %s, and open %s in the browser.</p>'
    return page("Without Wi-Fi", text % (_own_network(), _link(boot.network_service.ap_address())))
