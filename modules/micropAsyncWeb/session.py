"""Sessions: a small dict that a browser keeps for the server, in a signed cookie. Nothing is stored on the device.

    from micropAsyncWeb.session import Sessions

    sessions = Sessions()

    @server.route("/count")
    async def count(request):
        session = sessions.open(request)
        session["count"] = session.get("count", 0) + 1
        return "visit %d" % session["count"]

Signed (HMAC-SHA256), not encrypted: the user can read it, but not change it. One can come back with an older cookie of
one's own as long as that lasts, so it is no place for what may be used only once. A cookie that was changed, has
expired or was signed by another key gives an empty session.

Time: a board has no clock until one is set. Without key_file, sessions last by the time since start, and end with it:
the key is new each time. With key_file they outlive a restart, provided the clock was set when they were made and is
set when they come back; those made before it was set last until the restart.
"""

import json
import os
from time import gmtime, time

from .exchange import clean
from .extra import header
from .hooks import at_head
from .secret import boot_key, hmac, same, to_bytes, to_text, uptime

_KEY = 32  # bytes of a key; the file holds the current one, then the one before it
_YEAR = 2020  # a clock that shows an earlier one was not set


class Sessions:
    """Opens the sessions of requests. Two on one server need different cookie names.

    max_age: seconds; begins anew when the session changes, and when half of it is over. max_size: bytes of the cookie's
    value at most; it comes back with each request and counts for maxHead. key_file: file of the signing key, is made
    if missing. secure: for TLS only. OSError if key_file can't be read or made; ValueError if it holds no key.
    """

    def __init__(self, max_age=3600, max_size=512, key_file=None, cookie="session", secure=False):
        self.max_age = max_age
        self.max_size = max_size
        self.cookie = clean(cookie)
        self.options = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
        self.key_file = key_file
        self.keys = b""
        if key_file:
            try:
                with open(key_file, "rb") as file:
                    self.keys = file.read()
            except OSError as error:
                if error.errno != 2:
                    raise
                self.rotate()
            if len(self.keys) not in (_KEY, 2 * _KEY):
                raise ValueError("%s: is no key file; delete it to have a new one made" % key_file)

    def rotate(self):
        """Sign with a new key from now on; the one before it still opens sessions. Once more, and all end.

        Without key_file: ValueError, a restart does it.
        """
        if not self.key_file:
            raise ValueError("rotate: needs key_file")
        keys = os.urandom(_KEY) + self.keys[:_KEY]
        with open(self.key_file + ".new", "wb") as file:
            file.write(keys)
        os.rename(self.key_file + ".new", self.key_file)
        self.keys = keys

    def open(self, request):
        """The session of a request: a dict for what JSON can hold. To clear it ends it.

        What is changed is kept if the change comes before the head of the answer leaves. More than max_size: ValueError
        then, so the answer is an error.
        """
        key = "session " + self.cookie
        session = request.__dict__.get(key)
        if session is None:
            session, age = self.load(request.cookies.get(self.cookie, ""))
            setattr(request, key, session)
            # The text: what changes in place must be seen, too.
            before = json.dumps(session)
            at_head(request, lambda request: self.save(request, session, before, age))
        return session

    def load(self, value):
        """Take a cookie's value apart: (session, seconds since it was made)."""
        try:
            body, _, proof = value.partition(".")
            kind = body[0]
            for sign in self.signs(kind, body):
                if same(sign, proof):
                    left = int(body[1:9], 16) - self.now(kind)
                    if 0 < left <= self.max_age:
                        return json.loads(to_bytes(body[9:])), self.max_age - left
        except (ValueError, IndexError):
            pass
        return {}, 0

    def save(self, request, session, before, age):
        """Set the cookie if it is due."""
        if not session:
            if before != "{}":
                header(request, "Set-Cookie", self.cookie + "=; Max-Age=0" + self.options)
            return
        text = json.dumps(session)
        if text == before and age * 2 < self.max_age:
            return
        kind = "w" if self.keys and clock_set() else "u"
        body = "%s%08x%s" % (kind, self.now(kind) + self.max_age, to_text(text.encode()))
        value = body + "." + next(self.signs(kind, body))
        if len(value) > self.max_size:
            raise ValueError("session: %d bytes, max_size is %d" % (len(value), self.max_size))
        header(request, "Set-Cookie", "%s=%s; Max-Age=%d%s" % (self.cookie, value, self.max_age, self.options))

    def signs(self, kind, body):
        """The signatures of a body that count now; the first is the one to use."""
        if kind == "u":
            # By time since start, so only until the next one.
            keys = boot_key
        elif kind == "w" and clock_set():
            keys = self.keys
        else:
            return
        message = (self.cookie + "=" + body).encode()
        for at in range(0, len(keys), _KEY):
            yield to_text(hmac(keys[at : at + _KEY], message))

    def now(self, kind):
        """Seconds, of the clock ("w") or since start ("u")."""
        return int(time()) if kind == "w" else uptime()


def clock_set():
    """Whether the clock has been set."""
    return gmtime()[0] >= _YEAR
