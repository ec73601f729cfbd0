"""Requests that are out of the ordinary: other methods, versions and forms of the target."""

from . import exchange as Response
from .parser import HttpError


def other_version(version):
    """A version that is neither HTTP/1.1 nor HTTP/1.0: gives the one to act by (RFC 9110 section 2.5)."""
    if len(version) != 8 or version[:5] + version[6:7] != b"HTTP/.":
        raise HttpError(400)
    if not (version[5:6] + version[7:8]).isdigit():
        raise HttpError(400)
    if version[5:6] != b"1":
        raise HttpError(505)
    return b"HTTP/1.1"


def absolute(target):
    """The path of a target in absolute form (RFC 9112 section 3.2.2); "*" stands for the server."""
    scheme, mark, rest = target.partition(b"://")
    if not mark and target != b"*" or scheme.lower() not in (b"http", b"https", b"*"):
        raise HttpError(400)
    return b"/" + rest.partition(b"/")[2]


def refuse(request):
    """No handler for this method: automatic OPTIONS, 405 with Allow, or 501."""
    methods = set(request.name) | {"OPTIONS"}
    if "GET" in methods:
        methods.add("HEAD")
    known = request.method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    Response.start(request, 204 if request.method == "OPTIONS" else 405 if known else 501)
    request.head += b"Allow: %s\r\n" % ", ".join(sorted(methods))
    return Response.startBody(request)
