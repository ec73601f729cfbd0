"""Keeps pages of other sites from making a user's browser do things here (cross-site request forgery).

    from micropAsyncWeb.csrf import Csrf

    csrf = Csrf(server, hosts=["greenhouse.local", "192.168.4.1"])

    @server.route("/settings")
    async def settings(request):
        return page.render({"token": csrf.token(request)})   # <input type="hidden" name="csrf" value="...">

What it protects: requests that change something, that is all but GET, HEAD, OPTIONS and TRACE, so handlers of those
must not change anything. A browser says by itself where such a request comes from; a page can't forge that
(Sec-Fetch-Site, Fetch Metadata; Origin, RFC 6454). What it does not: pages of the server itself (inject no text
unescaped), and people who talk to it without a browser (auth.py). With hosts it also keeps out pages whose own name
was made to point to this address (DNS rebinding), which to a browser are of the same origin.
"""

from os import urandom

from .exchange import clean
from .extra import header as add
from .hooks import at_head, before
from .parser import HttpError
from .secret import boot_key, hmac, same, to_text

_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


class Csrf:
    """Checks all requests to prefix and below it; 403 for what comes from elsewhere.

    A request passes if its method is safe; or if the browser says that it comes from here, by the user's own hand, or
    from one of trusted (list of origins, "https://app.example"). Without any word on that it is either no browser or
    a very old one: it passes if it brings neither Cookie nor Authorization, which a browser would add by itself, or a
    token: in the field X-CSRF-Token or in the field "csrf" of a form (application/x-www-form-urlencoded).

    strict=True asks for the token with every request that is not safe. hosts: the names, with port unless it is 80 or
    443, by which this server may be addressed; others get 421. secure: the cookie is for TLS only.
    """

    def __init__(self, server, prefix="", trusted=(), hosts=None, strict=False, cookie="csrf", secure=False):
        self.trusted = trusted
        self.hosts = hosts
        self.strict = strict
        self.cookie = clean(cookie)
        self.options = "; Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")
        before(server, self.check, prefix)

    async def check(self, request):
        """HttpError 403 unless the request is safe, from here, or brings the token; 421 for a foreign host name."""
        header = request.header
        host = header.get("host", "").lower()
        if self.hosts is not None and host not in self.hosts:
            raise HttpError(421, "Misdirected Request")
        if request.method in _SAFE:
            return
        site = header.get("sec-fetch-site")
        origin = header.get("origin")
        if site is not None or origin is not None:
            # A proxy for TLS hides the scheme, so it is the host that is compared.
            if site is not None:
                local = site in ("same-origin", "none")
            else:
                local = origin.lower().partition("://")[2] == host != ""
            if not local and origin not in self.trusted:
                raise HttpError(403, "Cross-Site Request")
            if not self.strict:
                return
        elif not self.strict and "cookie" not in header and "authorization" not in header:
            return
        token = header.get("x-csrf-token")
        if token is None and header.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
            token = (await request.form()).get("csrf")
        if not token or not self.valid(token) or not same(token, request.cookies.get(self.cookie, "")):
            raise HttpError(403, "No Valid Token")

    def token(self, request):
        """The token for the forms of a page that is being made; sets its cookie if the browser has none yet.

        Call it before the head of the answer leaves.
        """
        token = request.cookies.get(self.cookie, "")
        if not self.valid(token):
            nonce = to_text(urandom(12))
            token = nonce + self.sign(nonce)
            request.cookies[self.cookie] = token
            at_head(request, lambda request: add(request, "Set-Cookie", self.cookie + "=" + token + self.options))
        return token

    def sign(self, nonce):
        """The second half of a token, which only this device can make. New keys with each start."""
        return to_text(hmac(boot_key, ("csrf " + nonce).encode())[:15])

    def valid(self, token):
        """Whether a token was made here."""
        return same(self.sign(token[:16]), token[16:])
