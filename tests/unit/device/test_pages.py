"""The shell of the built-in pages on the VM: text that stays text, well-formed HTML, a policy that fits its content."""

import base64
import hashlib
import json
from html.parser import HTMLParser

from unit.device import vm

HEAD = """
import json, sys
import device
from device import pages

def show(answer):
    parts, status, headers = answer
    text = b"".join([part if isinstance(part, bytes) else part.encode() for part in parts])
    print(json.dumps([status, headers, text.decode()]))
"""
EMPTY = {"meta", "link", "input", "br", "hr", "img"}


class Outline(HTMLParser):
    """Elements that are closed in the order in which they were opened; their texts by path."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.texts = {}
        self.attributes = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        path = "/".join(self.open)
        self.texts[path] = self.texts.get(path, "") + data


def show(call, folder):
    """(status, header fields, text) of an answer of pages.page()."""
    return json.loads(vm.run(HEAD + f"show({call})", folder))


def allowed(data):
    return "'sha256-" + base64.b64encode(hashlib.sha256(data.encode()).digest()).decode() + "'"


def test_a_page(tmp_path):
    call = "pages.page('Log & more', '<p>one</p>', b'<p>two</p>', ('<p>%d</p>' % n for n in range(3)))"
    status, headers, text = show(call, tmp_path)
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    assert text.startswith('<!doctype html>\n<html lang="en">')
    outline = Outline(text)
    assert outline.texts["html/head/title"] == outline.texts["html/body/header/div/h1"] == "Log & more"
    assert outline.texts["html/body/main/p"] == "onetwo012"
    assert "html/body/script" not in outline.texts and "refresh" not in text
    # Nothing is fetched from anywhere, and nothing but this style sheet applies.
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src {allowed(outline.texts['html/head/style'])};" in policy
    assert "script-src 'none'" in policy and "unsafe" not in policy
    assert not any("//" in (value or "") for _name, value in outline.attributes)


def test_a_script_is_allowed_by_its_hash(tmp_path):
    _status, headers, text = show("pages.page('x', script=b'alert(1 < 2)')", tmp_path)
    assert Outline(text).texts["html/body/script"] == "alert(1 < 2)"
    assert f"script-src {allowed('alert(1 < 2)')};" in headers["Content-Security-Policy"]


def test_refresh(tmp_path):
    _status, _headers, text = show("pages.page('x', refresh=5)", tmp_path)
    meta = '<meta http-equiv="refresh" content="5">'
    assert meta in text and "noscript" not in text
    # A script knows better when.
    _status, _headers, text = show("pages.page('x', refresh=5, script=b'1')", tmp_path)
    assert f"<noscript>{meta}\n</noscript>" in text


def test_status_and_title_of_a_board(tmp_path):
    program = """
class boot:
    hostname = "<shed>"
sys.modules["device.boot"] = boot
show(pages.page("a < b", status=403))
"""
    status, _headers, text = json.loads(vm.run(HEAD + program, tmp_path))
    assert status == 403
    outline = Outline(text)
    assert outline.texts["html/body/header/div/p"] == "<shed>"
    assert outline.texts["html/head/title"] == "a < b"


def test_text_stays_text(tmp_path):
    hostile = """</p><script>alert("1" + '2')</script>&amp;"""
    program = (
        f"show(pages.page('x', '<p title=\"', pages.escape({hostile!r}), '\">', pages.escape({hostile!r}), '</p>'))"
    )
    _status, _headers, text = json.loads(vm.run(HEAD + program, tmp_path))
    outline = Outline(text)
    assert outline.texts["html/body/main/p"] == hostile
    assert ("title", hostile) in outline.attributes
    assert vm.run(HEAD + "print(pages.escape(None), pages.escape(5))", tmp_path) == "None 5\n"


def test_parts_are_asked_for_as_they_are_sent(tmp_path):
    """A long page never lies in memory as a whole."""
    program = """
asked = []
def lines():
    for number in range(5):
        asked.append(number)
        yield "x"
parts = pages.page("x", lines())[0]
for part in parts:
    if part == "x":
        break
print(asked)
"""
    assert vm.run(HEAD + program, tmp_path) == "[0]\n"
