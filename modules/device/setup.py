"""/setup and /setup/result: the pages that bring a board into a Wi-Fi network. Loaded by the first request for them.

Plain forms; what little script there is only adds to them. While the portal is open nobody is asked for a password:
who is in the access point knows that one. At any other time they are the administrator's, and the result is
everybody's as long as the portal lingers, since the phone that waits for it is still there.
"""

from asyncio import create_task, sleep_ms

from micropAsyncWeb import HttpError, Response
from micropython import const

import device

from . import admin, boot, joining, log, portal, storage
from .pages import escape, page

_SHOWN_MAX = const(20)  # networks, the strongest
_HEAD_START_MS = const(1500)  # for the result page to arrive before the radio may change its channel
_REFRESH_S = const(5)
_SIGNALS = ("weak", "fair", "good", "very good")

# Attributes of an input, and a box.
_NAME = 'maxlength="32" autocapitalize="none" autocorrect="off" value="%s"'
_SECRET = 'maxlength="%d" type="password" autocomplete="%s"'
_ALERT = '<p class="card warn" role="alert">%s</p>'

# What may help, by how the network service's words for a failure begin.
_ADVICE = (
    ("wrong password", "Capitals and spaces count. Closer to the router the signal is better."),
    ("not found", "Look at the name. Networks of 5 GHz are out of reach, and those too far away."),
    ("no address", "The router has let the board in, but gives it no address: is DHCP on, or its list full?"),
    ("refuses", "The router may take only devices that it knows (MAC filter), or want WPA3."),
)

_FORM_SCRIPT = b"""\
const form = document.forms[0], { other, hostname, url } = form.elements;
for (const field of form.querySelectorAll('[type=password]')) {
  field.insertAdjacentHTML('afterend', '<label><input type="checkbox">Show the password</label>');
  field.nextSibling.onchange = (event) => { field.type = event.target.checked ? 'text' : 'password'; };
}
hostname.oninput = () => { url.value = url.value.replace(/[^/]*(?=\\.local)/, hostname.value.toLowerCase()); };
(form.onchange = () => {
  other.disabled = other.parentNode.hidden = !form.querySelector('[name=ssid][value=""]').checked;
})();
"""
# The page of a try that is not over has the status 202 (RFC 9110 section 15.3.3).
_RESULT_SCRIPT = b"""\
const link = document.getElementById('link');
setInterval(() => fetch(location).then((answer) => {
  link.textContent = '';
  if (answer.status == 200) location.reload();
}, () => {
  link.textContent = 'The board does not answer at this moment.';
}), 2000);
"""
attempt = None  # the last Attempt
_secret = ""  # the administrator's password that was typed in, until it is saved
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
    """/setup. GET: the form. POST: try what it says; action=look: the form again; action=skip: go on without Wi-Fi."""
    global attempt, _secret
    refused = await _refuse(request, portal.opened)
    if refused:
        return refused
    if request.method != "POST":
        return await _form()
    if not request.header.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
        raise HttpError(415)
    typed = await request.form()
    action = typed.get("action")
    if action == "skip" and portal.opened:
        portal.dismiss()
        return _skipped()
    if action == "look" or not (attempt and attempt.pending):
        if device.config["admin"]["password"]:
            _secret = ""
        elif typed.get("admin") and not joining.problems("-", "", "", typed["admin"]):
            _secret = typed["admin"]
        if action == "look":
            return await _form(typed)
        lines = _check(typed)
        if lines:
            return await _form(typed, lines)
        attempt = Attempt(typed.get("ssid") or typed["other"], typed.get("hostname") or boot.hostname)
        attempt.task = create_task(_try(attempt, typed.get("password", "")))
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
        return page("Done", _done())
    attempt.read = True
    return page("Not connected", _failed()) if attempt.problem else page("Connected", _connected())


HANDLERS = {"/setup": answer, "/setup/result": answer_result}


async def _refuse(request, free):
    """The answer to who may not; None if he may. free: without a password."""
    if not joining.has_wifi():
        raise HttpError(409, "This board has no Wi-Fi in use.")
    if not free:
        return await admin.check(request)
    if request.method == "POST" and admin.foreign(request):
        raise HttpError(403, "A page of another site has sent this.")
    return None


def _check(typed):
    """What is not right in a form, a line for each."""
    chosen = typed.get("ssid", "")
    other = typed.get("other", "")
    password = typed.get("password", "")
    lines = []
    if chosen and other:
        lines.append("You have chosen %s and typed %s: choose one." % (chosen, other))
    elif not chosen + other:
        lines.append("Choose a network, or type its name.")
    elif not password and _locks.get(chosen or other):
        lines.append("%s asks for a password." % (chosen or other))
    secret = "" if device.config["admin"]["password"] else typed.get("admin", "")
    return lines + joining.problems(chosen or other or "-", password, typed.get("hostname", ""), secret)


async def _try(current, password):
    """Try the network of an Attempt and keep it if it works."""
    global _secret
    await sleep_ms(_HEAD_START_MS)
    try:
        current.problem, current.unsaved = await joining.join(current.ssid, password, current.hostname, _secret)
        if not current.problem:
            current.address = boot.network_service.address()
            if not current.unsaved:
                _secret = ""
    except Exception as error:
        log.exception("setup", error)
        current.problem = "it cannot be tried (%s)" % error
    current.pending = False
    portal.update()


async def _form(typed=None, lines=()):
    """The page with the form, filled with what was typed before; typed=None: for the last try."""
    global _locks
    found = (await boot.network_service.scan())[:_SHOWN_MAX]
    _locks = {}
    for entry in found:
        _locks[entry["ssid"]] = entry["lock"]
    if typed is None:
        typed = {"ssid": attempt.ssid, "hostname": attempt.hostname} if attempt else {}
    parts = _form_parts(found, typed, lines)
    return page("Join a network", parts, status=400 if lines else 200, script=_FORM_SCRIPT)


def _form_parts(found, typed, lines):
    for line in lines:
        yield _ALERT % escape(line)
    if storage.state in storage.LOST:
        yield _ALERT % _repair()
    service = boot.network_service
    if service.state == "connected":
        words = '<p class="card">Now it is in <strong>%s</strong>. That stays its second choice.</p>'
        yield words % escape(service.ssid)
    chosen = typed.get("ssid", "")
    other = typed.get("other") or ("" if chosen in _locks else chosen)
    yield '<form class="card" method="post"><div role="radiogroup" aria-label="Networks">'
    for entry in found:
        name = escape(entry["ssid"])
        yield _radio(name, entry["ssid"] == chosen, name + _signal(entry))
    if not found:
        yield "<p>None is in range at 2.4 GHz.</p>"
    yield _radio("", other or not found, "Another, or a hidden one")
    yield "<div>%s</div></div>" % _field("other", "Its name (SSID)", _NAME % escape(other))
    managed = device.config["admin"]["password"]
    if not managed:
        # For password managers, which take two passwords with a text between for two forms.
        yield '<input hidden autocomplete="username" value="admin">'
    yield _field("password", "Password of the network", _SECRET % (63, "off"))
    if not managed:
        label = "Administrator's password (%s)" % ("kept, type to change it" if _secret else "optional")
        yield _field("admin", label, _SECRET % (64, "new-password"))
        yield '<p class="note">To manage the board over the network, as user admin.</p>'
    name = typed.get("hostname") or boot.hostname
    yield _field("hostname", "The board's name", _NAME % escape(name))
    yield '<p class="note">Address: <output name="url">%s</output></p>' % escape(_local(name))
    yield '<button>Connect</button><button name="action" value="look" class="plain">Look again</button></form>'
    if portal.opened:
        yield (
            '<form class="card" method="post"><p>Until the next start the board can do with %s.</p>'
            '<button name="action" value="skip" class="plain">Use it without Wi-Fi</button></form>' % _own_network()
        )


def _repair():
    """Where a damaged filesystem is mended, and with whose password."""
    words = 'The filesystem is %s: <a href="/repair">repair it</a> as user admin, with the %s.'
    # Where none is known, rescue.py takes that of the access point.
    own = device.config["admin"]["password"] == boot.network_service.ap_password()
    return words % (storage.state, "password of the board's own Wi-Fi" if own else "administrator's password")


def _radio(value, checked, text):
    mark = " checked" if checked else ""
    return '<label><input type="radio" name="ssid" value="%s"%s>%s</label>' % (value, mark, text)


def _field(name, label, attributes):
    return '<label for="%s">%s</label><input id="%s" name="%s" %s>' % (name, label, name, name, attributes)


def _signal(entry):
    rssi = entry["rssi"]
    level = (rssi >= -78) + (rssi >= -67) + (rssi >= -55)
    return ' <span class="note"><span aria-hidden="true">%s</span> %s signal, %s</span>' % (
        "●" * (level + 1) + "○" * (3 - level),
        _SIGNALS[level],
        "locked" if entry["lock"] else "open",
    )


def _own_network():
    return "its own Wi-Fi <strong>%s</strong>" % escape(boot.network_service.ap_ssid)


def _local(name):
    return boot.page_url(name.lower() + ".local", device.config["server"]["port"])


def _link(url):
    return '<a href="%s">%s</a>' % (url, url)


def _at(address, path=""):
    """A link to this board, which shows its address."""
    return _link(boot.page_url(address, device.config["server"]["port"]) + path)


def _pending():
    yield (
        '<div class="card"><h2>Trying %s</h2><progress aria-label="Trying"></progress>'
        "<p>Up to half a minute. The result comes by itself.</p>"
        '<p id="link" class="bad" role="status"></p></div>' % escape(attempt.ssid)
    )
    if portal.opened:
        yield (
            '<p class="card note">If your phone loses the board\'s Wi-Fi <strong>%s</strong> meanwhile: '
            "join it again and open %s.</p>"
            % (escape(boot.network_service.ap_ssid), _at(boot.network_service.ap_address(), "setup/result"))
        )


def _failed():
    problem = attempt.problem
    yield '<div class="card"><h2 class="bad">No connection to %s: %s</h2>' % (escape(attempt.ssid), escape(problem))
    for start, words in _ADVICE:
        if problem.startswith(start):
            yield "<p>%s</p>" % words
    yield '<form action="/setup"><button>Try again</button></form></div>'


def _connected():
    yield '<div class="card"><h2 class="good">The board is in %s</h2>' % escape(attempt.ssid)
    yield "<p>Join that network with your phone, too, then open</p>"
    yield from _addresses()
    if device.config["admin"]["password"]:
        yield "<p>It is managed at %s as user admin.</p>" % _link(_local(boot.hostname) + "admin")
    else:
        yield "<p>It has no administrator's password, so it cannot be managed over the network.</p>"
    if portal.phase != portal.CLOSED:
        yield (
            '<p class="note">Keep the address in mind: %s goes off soon.</p>'
            '<form method="post"><button>Finish</button></form>' % _own_network()
        )
    yield "</div>"
    if attempt.unsaved:
        yield _ALERT % ("<strong>Not all of it could be saved</strong> " + escape(attempt.unsaved))


def _addresses():
    yield '<p class="big">%s</p><p>or %s</p>' % (_link(_local(boot.hostname)), _at(attempt.address))


def _done():
    yield '<div class="card"><p>You can close this window now. The board is in %s, at</p>' % escape(attempt.ssid)
    yield from _addresses()
    yield "</div>"


def _skipped():
    text = '<p class="card">Close this window, stay in %s, and open %s in the browser.</p>'
    return page("Without Wi-Fi", text % (_own_network(), _at(boot.network_service.ap_address())))
