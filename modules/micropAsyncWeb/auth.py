"""Who may: Basic (RFC 7617), Digest with SHA-256 (RFC 7616) and bearer tokens (RFC 6750).

    from micropAsyncWeb import auth

    guard = auth.basic({"admin": "secret"})

    @server.route("/settings")
    @guard                                  # one handler
    async def settings(request):
        return "hello " + request.user

    server.before(guard.check, "/admin")    # all below a path, files too

Basic and bearer send what opens the door with each request: without TLS everyone in the network can read it. Digest
never sends the password, and a request that was listened to can't be repeated, but the answers can be read.
"""

from asyncio import sleep_ms
from binascii import a2b_base64, hexlify, unhexlify
from hashlib import sha256
from os import urandom

from .exchange import clean
from .extra import header
from .hooks import at_head
from .parser import HttpError
from .secret import boot_key, hmac, pads, same

_ROUNDS = 2000  # of hash_password(): a fraction of a second of an ESP32, for the first request of a user
_SLICE = 50  # of them, before others get their turn
_TOKEN = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~+/"


class Guard:
    """Lets a request pass or answers it with 401. Subclasses say how.

    As a decorator it guards a handler, its method check as a hook all below a path. Handlers find who it is in
    request.user.
    """

    def __init__(self, realm):
        if '"' in realm or "\\" in realm:
            raise ValueError("realm %s: must be without quotation marks and backslashes" % realm)
        self.realm = clean(realm)

    def __call__(self, handler):
        async def guarded(request):
            await self.check(request)
            result = handler(request)
            if hasattr(result, "send"):
                result = await result
            return result

        return guarded

    async def check(self, request):
        """Set request.user; HttpError 401 if there is no valid proof of who it is."""
        scheme, _, proof = request.header.get("authorization", "").partition(" ")
        user = None
        if scheme.lower() == self.scheme:
            user = await self.verify(request, proof.strip(" "))
        if not user:
            refuse(request, self.challenge(request))
        request.user = user


def refuse(request, challenge, status=401):
    """Raise HttpError(status), with a WWW-Authenticate field in its answer."""
    at_head(request, lambda request: header(request, "WWW-Authenticate", challenge))
    raise HttpError(status)


async def _result(value):
    return await value if hasattr(value, "send") else value


class Basic(Guard):
    """See basic()."""

    scheme = "basic"

    def __init__(self, users, realm, hashed):
        super().__init__(realm)
        self.users = users
        self.hashed = hashed
        self.known = []  # proofs that were right, so that hashed passwords are not worked out with each request

    def challenge(self, request):
        """The value of WWW-Authenticate."""
        return 'Basic realm="%s", charset="UTF-8"' % self.realm

    async def verify(self, request, proof):
        """Give the user's name, or None."""
        try:
            text = a2b_base64(proof).decode()
        except ValueError:
            return None
        user, colon, password = text.partition(":")
        # RFC 7617 section 2: no control characters. (To HMAC, a password with NUL at its end is the same as without.)
        if not colon or not user or min(text) < " " or "\x7f" in text:
            return None
        users = self.users
        if callable(users):
            return user if await _result(users(user, password)) else None
        stored = users.get(user)
        if stored is None:
            # A name that does not exist takes as long as one that does.
            stored = next(iter(users.values()), "")
        if not self.hashed:
            valid = same(password, stored)
        else:
            mark = hmac(boot_key, (stored + "\0" + text).encode())
            valid = mark in self.known
            if not valid:
                valid = await verify_password(password, stored)
                if valid and user in users:
                    self.known = self.known[-3:] + [mark]
        return user if valid and user in users else None


def basic(users, realm="device", hashed=False):
    """Guard by name and password (RFC 7617, UTF-8).

    users: {name: password}, or with hashed=True {name: hash_password(password)}, or a function
    check(name, password), plain or async, that returns whether it is right. The dict may change while it serves.
    """
    return Basic(users, realm, hashed)


def _derive(password, salt, rounds):
    # PBKDF2 (RFC 8018 section 5.2) with HMAC-SHA256, one block of output; yields now and then.
    key = password.encode()
    if len(key) > 64:
        key = sha256(key).digest()
    key = pads(key)
    block = hmac(key, salt + b"\0\0\0\1")
    total = int.from_bytes(block, "big")
    for count in range(1, rounds):
        block = hmac(key, block)
        total ^= int.from_bytes(block, "big")
        if not count % _SLICE:
            yield
    yield total.to_bytes(32, "big")


def hash_password(password, rounds=_ROUNDS):
    """A text to store in place of a password: "pbkdf2-sha256$rounds$salt$hash" (hex), from which it can't be read.

    Guessing a bad password takes an attacker who has the text rounds times longer; a microcontroller can't afford
    the number that servers use, so this asks for a password that is hard to guess.
    """
    salt = urandom(8)
    for block in _derive(password, salt, rounds):
        proof = block
    return "pbkdf2-sha256$%d$%s$%s" % (rounds, hexlify(salt).decode(), hexlify(proof).decode())


async def verify_password(password, stored):
    """Whether stored is the hash_password() of password. Lets other requests run meanwhile. False if malformed."""
    try:
        kind, rounds, salt, proof = stored.split("$")
        if kind != "pbkdf2-sha256":
            return False
        for block in _derive(password, unhexlify(salt), int(rounds)):
            if not block:
                await sleep_ms(0)
        return same(hexlify(block), proof)
    except ValueError:
        return False


class Bearer(Guard):
    """See bearer()."""

    scheme = "bearer"

    def __init__(self, tokens, realm):
        super().__init__(realm)
        self.tokens = tokens

    def challenge(self, request, error=""):
        """The value of WWW-Authenticate; a token that was refused is said to be, an absent one is not an error."""
        if not error and "authorization" in request.header:
            error = "invalid_token"
        return 'Bearer realm="%s"' % self.realm + (error and ', error="%s"' % error)

    async def verify(self, request, proof):
        """Give what stands for the user, or None. HttpError 400 if it is no token at all."""
        bare = proof.rstrip("=")
        if not bare or bare.strip(_TOKEN):
            refuse(request, self.challenge(request, "invalid_request"), 400)
        tokens = self.tokens
        if callable(tokens):
            return await _result(tokens(proof))
        user = None
        for token in tokens:
            if same(token, proof):
                user = tokens[token]
        return user


def bearer(tokens, realm="device"):
    """Guard by a token (RFC 6750), as programs use it: "Authorization: Bearer <token>".

    tokens: {token: user}, or a function check(token), plain or async, that returns the user (all that is true) or
    None. A token must be long and random: to_text(os.urandom(16)) of secret.py makes one.
    """
    return Bearer(tokens, realm)


def digest(users, realm="device", hashed=False, max_age=300):
    """Guard by name and password that are never sent (RFC 7616, SHA-256, qop=auth). See digest.py.

    users: {name: password}, or with hashed=True {name: hash_digest(name, realm, password)}. max_age: seconds after
    which a client must make its proof anew, which it does without asking its user.
    """
    from .digest import Digest

    return Digest(users, realm, hashed, max_age)


def hash_digest(user, realm, password):
    """A text (hex) to store in place of a password for digest(hashed=True). Who has it can log in at this realm."""
    return hexlify(sha256(("%s:%s:%s" % (user, realm, password)).encode()).digest()).decode()
