"""Routes: which one wins, what its parameters are, and what is refused. The Router itself runs on the VM."""

import json
import random
import string
import subprocess
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import MODULES, VM

DEVICE = f"""
import json
import sys
sys.path.insert(0, {str(MODULES)!r})

from micropAsyncWeb import HttpError
from micropAsyncWeb.parser import Router


class Request:
    pass


def look(router, path):
    request = Request()
    try:
        handlers = router.find(request, path.encode())
    except HttpError as error:
        return error.args[0]
    if not handlers:
        return None
    return [handlers, getattr(request, "params", []), getattr(request, "args", {{}}), request.path]


for line in sys.stdin:
    routes, paths = json.loads(line)
    router = Router()
    try:
        for route in routes:
            router.add(*route)
    except ValueError as error:
        print(json.dumps(str(error)))
    else:
        print(json.dumps([look(router, path) for path in paths]))
"""


class Routers:
    """A VM that makes a Router for each question."""

    def __init__(self):
        self.process = subprocess.Popen(
            [str(VM), "-X", "heapsize=600k", "-c", DEVICE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ask(self, routes, *paths):
        """What Router.find() says of each path: None, a status, or [{method: handler}, params, args, path]; instead
        of a list of those the text of the ValueError if a route is refused."""
        self.process.stdin.write(json.dumps([routes, paths]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line[:1] in '["', line + self.process.stdout.read()
        return json.loads(line)


@pytest.fixture(scope="module")
def routers():
    routers = Routers()
    yield routers
    routers.process.kill()
    routers.process.communicate()


def name(answer):
    """The handler for GET."""
    return answer and answer[0]["GET"]


def test_exact(routers):
    found = routers.ask([["/", "root"], ["/a", "a"], ["/a/b", "ab"]], "/", "/a", "/a/b", "/a/", "/A", "//", "/b")
    assert [name(answer) for answer in found] == ["root", "a", "ab", None, None, None, None]


def test_parameters(routers):
    routes = [["/led/*/*", "led"], ["/user/<name>/<int:n>", "user"], ["/x/<str:s>", "x"], ["/f/*/detail/*", "f"]]
    found = routers.ask(
        routes, "/led/1/on", "/user/ann/007", "/user/ann/x7", "/user/ann/-7", "/x/%C3%BC", "/led/1", "/led//on",
        "/led/1/", "/led/1/2/3", "/f/a/detail/b",
    )  # fmt: skip
    assert found[0][1] == ["1", "on"]
    assert found[1][1:3] == [["ann", 7], {"name": "ann", "n": 7}]
    assert found[2] is found[3] is None
    assert found[4][1:3] == [["\u00fc"], {"s": "\u00fc"}]
    assert found[5:9] == [None] * 4, "a parameter is one part of the path, and not an empty one"
    assert found[9][1] == ["a", "b"]


SPECIFIC = ["/a/b/c", "/a/b/<int:n>", "/a/b/*", "/a/<int:n>/c", "/a/*/c", "/a/*/*", "/*/b/c", "/*/*/c", "/*/*/*"]


@pytest.mark.parametrize("seed", range(8))
def test_the_more_specific_one_wins_in_any_order(routers, seed):
    order = SPECIFIC[:]
    random.Random(seed).shuffle(order)
    paths = ["/a/b/c", "/a/b/7", "/a/b/x", "/a/7/c", "/a/x/c", "/a/x/y", "/x/b/c", "/x/y/c", "/x/y/z"]
    found = routers.ask([[route, route] for route in order], *paths)
    assert [name(answer) for answer in found] == SPECIFIC, f"seed {seed}"


def test_the_last_of_equal_routes_counts(routers):
    assert name(routers.ask([["/a/*", "old"], ["/a/*", "new"]], "/a/1")[0]) == "new"
    assert name(routers.ask([["/a", "old"], ["/a", "new"]], "/a")[0]) == "new"


def test_methods(routers):
    routes = [["/a", "read"], ["/a", "write", "POST ,  put,Patch"], ["/b/*", "both", "get,post"]]
    a, b = routers.ask(routes, "/a", "/b/1")
    assert a[0] == {"GET": "read", "POST": "write", "PUT": "write", "PATCH": "write"}
    assert b[0] == {"GET": "both", "POST": "both"}


def test_decoded_once(routers):
    routes = [["/a+b", "plus"], ["/x/*", "x"], ["/\u00fc", "umlaut"]]
    paths = ["/a+b", "/%61%2bb", "/a%252bb", "/x/a%2Fb", "/x%2Fa", "/x/%252F", "/%c3%bc"]
    found = routers.ask(routes, *paths)
    assert [name(answer) for answer in found] == ["plus", "plus", None, "x", None, "x", "umlaut"]
    assert found[3][1] == ["a/b"] and found[5][1] == ["%2F"]


@pytest.mark.parametrize("path", ["/%", "/%4", "/a%zz", "/%00", "/%ff", "/%c3", "/a%0", "/x/%e4/y"])
def test_malformed_paths(routers, path):
    assert routers.ask([["/x/*/y", "x"]], path) == [400]


@pytest.mark.parametrize(
    "route",
    ["/some/route/px*", "/route/**/a", "px", "", "*", "/a/*x/b", "/<a", "/a>", "/<float:x>", "/<int:a>b", "/<<a>>",
     "/a?b", "/a#b", "/a b", "/%61"],
)  # fmt: skip
def test_refused_routes_say_which_and_why(routers, route):
    text = routers.ask([[route, "x"]], "/")
    assert isinstance(text, str) and text.startswith(f"route {route}: "), text
    assert "/*" in text and "<int:name>" in text


SEGMENT = st.text(string.ascii_letters + string.digits + "-._~ \u00fc\u20ac&=+", min_size=1, max_size=6)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(SEGMENT, min_size=1, max_size=5), st.data())
def test_any_path_finds_the_route_made_from_it(routers, segments, data):
    """A route with some parts of a path replaced by parameters is found, and gives these parts back decoded."""
    route, params = [], []
    for segment in segments:
        kind = data.draw(st.sampled_from("=*<i" if segment.isdecimal() and segment.isascii() else "=*<"))
        if kind == "=" and " " in segment:
            kind = "*"
        route.append({"=": segment, "*": "*", "<": "<p>", "i": "<int:p>"}[kind])
        if kind != "=":
            params.append(int(segment) if kind == "i" else segment)
    path = "/" + "/".join(quote(segment, safe="-._~&=+") for segment in segments)
    [found] = routers.ask([["/" + "/".join(route), "x"]], path)
    assert found, (route, path)
    assert (found[1] or []) == params
    assert found[3] == unquote(path)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(string.printable + "\u00fc\0", max_size=12))
def test_any_route_is_taken_or_refused(routers, route):
    """Whatever text a route is, add() takes it or raises ValueError, which names it."""
    answer = routers.ask([[route, "x"]], "/")
    assert isinstance(answer, list) or route in answer
