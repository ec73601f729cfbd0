"""Digest access authentication with SHA-256 (RFC 7616): see digest() in auth.py.

A nonce is made without keeping anything: number and time of issue, signed with a key that is new with each start.
Only nonces that a client has used are kept, a few of them, each with the counts (nc) that have been seen. When one
has to go, all unused ones issued before it end with it, so no request can ever be repeated. MD5 is not offered.
"""

from binascii import hexlify
from hashlib import sha256

from .auth import Guard, hash_digest
from .patterns import unquote
from .secret import boot_key, hmac, same, uptime

_NONCES = 8  # in use at once
_WINDOW = 16  # a client's requests may overtake each other by so many


class Digest(Guard):
    """See auth.digest()."""

    scheme = "digest"

    def __init__(self, users, realm, hashed, max_age):
        super().__init__(realm)
        self.users = users
        self.hashed = hashed
        self.max_age = max_age
        self.number = 0  # of nonces issued
        self.floor = 0  # nonces up to this number are in use or have ended
        self.used = {}  # number → [highest count seen, bits of those seen just before it]

    def challenge(self, request):
        """The value of WWW-Authenticate, with a new nonce."""
        self.number += 1
        text = "%08x%08x" % (self.number, uptime())
        return 'Digest realm="%s", qop="auth", algorithm=SHA-256, nonce="%s", charset=UTF-8%s' % (
            self.realm,
            text + self.sign(text),
            ", stale=true" if request.__dict__.get("stale") else "",
        )

    def sign(self, text):
        """The part of a nonce that only this device can make."""
        return hexlify(hmac(boot_key, (text + self.realm).encode())[:16]).decode()

    async def verify(self, request, proof):
        """Give the user's name, or None."""
        fields = parameters(proof)
        user = fields.get("username")
        try:
            if user is None:
                charset, _, user = fields["username*"].partition("''")
                user = unquote(user.encode())
            nonce = fields["nonce"]
            count = fields["nc"]
            # All that the client signs must be what it asks for.
            if (
                fields["realm"] != self.realm
                or fields["qop"] != "auth"
                or fields.get("algorithm", "MD5").upper() != "SHA-256"
                or fields["uri"] != request.url
                or len(count) != 8
                or not fields["cnonce"]
                or len(nonce) != 48
            ):
                return None
            count = int(count, 16)
            number = int(nonce[:8], 16)
            if not same(nonce[16:], self.sign(nonce[:16])):
                return None
            age = uptime() - int(nonce[8:16], 16)
            stored = self.users.get(user, "")
            secret = stored if self.hashed else hash_digest(user, self.realm, stored)
            signed = (request.method + ":" + fields["uri"]).encode()
            text = ":".join((secret, nonce, fields["nc"], fields["cnonce"], "auth", _hex(signed)))
            if not same(_hex(text.encode()), fields["response"].lower()) or user not in self.users:
                return None
        except (KeyError, ValueError):
            return None
        if age > self.max_age or not self.fresh(number, count):
            # The password was right: a new nonce will do, the user need not be asked again.
            request.stale = True
            return None
        return user

    def fresh(self, number, count):
        """Whether this count of this nonce is seen for the first time; keeps that in mind."""
        used = self.used
        seen = used.get(number)
        if not seen:
            if number <= self.floor or count < 1:
                return False
            if len(used) >= _NONCES:
                oldest = min(used)
                del used[oldest]
                self.floor = max(self.floor, oldest)
                if number <= self.floor:
                    return False
            used[number] = [count, 0]
            return True
        behind = seen[0] - count
        if behind < 0:
            seen[1] = (seen[1] << -behind | 1 << -behind - 1) & (1 << _WINDOW) - 1 if -behind <= _WINDOW else 0
            seen[0] = count
            return True
        if not 0 < behind <= _WINDOW or seen[1] >> behind - 1 & 1 or count < 1:
            return False
        seen[1] |= 1 << behind - 1
        return True


def _hex(data):
    return hexlify(sha256(data).digest()).decode()


def parameters(text):
    """Parse auth-params, name=token or name="quoted", to a dict (RFC 9110 section 11.2). Empty if malformed."""
    fields = {}
    while text:
        name, equals, text = text.lstrip(" \t,").partition("=")
        name = name.strip(" \t").lower()
        text = text.lstrip(" \t")
        if not equals or not name or name in fields:
            return {}
        if text[:1] == '"':
            value = ""
            at = 1
            while text[at : at + 1] != '"':
                if text[at : at + 1] == "\\":
                    at += 1
                if at >= len(text):
                    return {}
                value += text[at]
                at += 1
            text = text[at + 1 :].lstrip(" \t")
            if text and text[0] != ",":
                return {}
        else:
            value, _, text = text.partition(",")
            value = value.strip(" \t")
        fields[name] = value
    return fields
