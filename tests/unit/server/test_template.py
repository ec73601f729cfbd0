"""Templates: the language on the VM, and pages over the wire."""

import html
import time

import pytest

from .conftest import run_vm

RENDER = """
from micropAsyncWeb.template import Template
try:
    page = Template(PATH)
    for piece in page.render(eval(VALUES)):
        sys.stdout.buffer.write(piece)
except Exception as error:
    print("!%s: %s" % (type(error).__name__, error), end="")
"""


@pytest.fixture
def render(tmp_path):
    """render(template, values, part.html=...) → what comes out; errors begin with "!"."""

    def render(text, values=None, heap="400k", **parts):
        for name, content in {"page": text, **parts}.items():
            data = content if isinstance(content, bytes) else content.encode()
            (tmp_path / f"{name}.html").write_bytes(data)
        path = str(tmp_path / "page.html")
        return run_vm(f"PATH = {path!r}\nVALUES = {repr(values or {})!r}\n" + RENDER, heap=heap).replace(
            path, "page.html"
        )

    return render


@pytest.mark.parametrize(
    "text, values, out",
    [
        ("", {}, ""),
        ("plain", {}, "plain"),
        ("{{ a }}{{a}}", {"a": 1}, "11"),
        ("a{b}c } } {", {}, "a{b}c } } {"),
        ("{a{{ 1 }}{", {}, "{a1{"),
        ("{{ x['k'] * 2 + len(y) }}", {"x": {"k": 3}, "y": [1]}, "7"),
        ("{# no {{ a }} #}x", {}, "x"),
        ("{% for x in r %}[{{ x }}]{% endfor %}", {"r": [1, 2, 3]}, "[1][2][3]"),
        ("{% for x in r %}[{{ x }}]{% endfor %}|", {"r": []}, "|"),
        ("{% for k, v in r %}{{ k }}={{ v }};{% endfor %}", {"r": [("a", 1), ("b", 2)]}, "a=1;b=2;"),
        (
            "{% for x in range(2) %}{% for y in range(2) %}{{ x }}{{ y }} {% endfor %}/{% endfor %}",
            {},
            "00 01 /10 11 /",
        ),
        ("{% for x in range(3) %}{% if x == 1 %}one{% endif %}{% endfor %}", {}, "one"),
        ("{% if a %}A{% endif %}.", {"a": 1}, "A."),
        ("{% if a %}A{% endif %}.", {"a": 0}, "."),
        ("{% if a %}A{% else %}B{% endif %}", {"a": 0}, "B"),
        (
            "{% if a %}{% if b %}AB{% else %}A{% endif %}{% else %}{% if b %}B{% endif %}{% endif %}",
            {"a": 1, "b": 0},
            "A",
        ),
        ("{% if a %}{% for x in b %}{{ x }}{% endfor %}{% else %}-{% endif %}", {"a": 1, "b": "xy"}, "xy"),
        ("ü{{ a }}€", {"a": "ß"}, "üß€"),
        ("{% if a and\n b %}both{% endif %}", {"a": 1, "b": 1}, "both"),
        ("{%for x in 'ab'%}{{x}}{%endfor%}", {}, "ab"),
    ],
)
def test_language(render, text, values, out):
    assert render(text, values) == out


@pytest.mark.parametrize("n, out", [(0, "zero"), (1, "one"), (2, "two"), (3, "many")])
def test_elif(render, n, out):
    text = "{% if n == 0 %}zero{% elif n == 1 %}one{% elif n == 2 %}two{% else %}many{% endif %}"
    assert render(text, {"n": n}) == out


def test_values_are_escaped(render):
    evil = "<script>alert('x' & \"y\")</script>"
    out = render('<p title="{{ a }}">{{ a }}</p>', {"a": evil})
    assert out == f'<p title="{html.escape(evil)}">{html.escape(evil)}</p>'.replace("&#x27;", "&#39;")
    assert render("{{! a }}", {"a": "<b>"}) == "<b>"
    assert render("{{ a }}", {"a": "{{ b }}{% if %}"}) == "{{ b }}{% if %}"


def test_include(render, tmp_path):
    out = render(
        "{% for x in (1, 2) %}{% include part.html %}{% endfor %}.",
        {"a": "&"},
        part="<{{ x }}{{ a }}{% include inner.html %}>",
        inner="i",
    )
    assert out == "<1&amp;i><2&amp;i>."


def test_every_place_of_a_tag_in_the_blocks(render):
    text = "".join("x" * n + "{{ n }}" for n in range(490, 530))
    assert render(text, {"n": 7}) == "".join("x" * n + "7" for n in range(490, 530))
    text = "".join("{" * (n % 2) + "y" * 97 + "\n{% if n %}" + "z" * n + "{% endif %}" for n in range(90))
    want = "".join("{" * (n % 2) + "y" * 97 + "\n" + "z" * n for n in range(90))
    assert render(text, {"n": 1}) == want


@pytest.mark.parametrize(
    "text, line, message",
    [
        ("a\n\n{{ nothing }}", 3, "NameError: name 'nothing' isn't defined"),
        ("\n{{ 1 // 0 }}", 2, "ZeroDivisionError"),
        ("\n{% if 1 // 0 %}{% endif %}", 2, "ZeroDivisionError"),
        ("\n{% for x in 5 %}{% endfor %}", 2, "TypeError"),
        ("\n{% for x, y in ((1, 2, 3),) %}{% endfor %}", 2, "3 values for 2 names"),
        ("\n{{ 1 + }}", 2, "SyntaxError"),
        ("\n{{ }}", 2, "SyntaxError"),
        ("\n{{ import os }}", 2, "SyntaxError"),
        ("\n{{ a", 2, "tag without its end"),
        ("x" * 1000 + "\n{{ a", 2, "tag without its end"),
        ("\n{{" + " " * 300 + "}}", 2, "tag without its end"),
        ("\n{% if a %}\n\n", 2, "no {% endif %} for this"),
        ("\n{% if a %}\n{% else %}\n", 2, "no {% endif %} for this"),
        ("\n{% for a in b %}\n\n", 2, "no {% endfor %} for this"),
        ("\n{% endif %}", 2, "endif: without its if"),
        ("\n{% endfor %}", 2, "endfor: without its for"),
        ("{% for a in b %}\n{% endif %}", 2, "endif: without its if"),
        ("{% if a %}{% else %}\n{% else %}{% endif %}", 2, "else: after else"),
        ("{% if a %}{% else %}\n{% elif b %}{% endif %}", 2, "elif: after else"),
        ("\n{% for a %}{% endfor %}", 2, "for: must be"),
        ("\n{% block x %}", 2, "block: unknown tag"),
        ("\n{% include none.html %}", 2, "include none.html: "),
        ("\n" * 700 + "{{ nothing }}", 701, "NameError"),
        ("{# \n\n #}{{ 1\n+ 1 }}\n{{ nothing }}", 5, "NameError"),
        ("{{ a\xff }}".encode("latin-1"), 1, "UnicodeError"),
    ],
)
def test_errors_name_file_and_line(render, text, line, message):
    out = render(text, {"a": 1, "b": [1]})
    assert f"!TemplateError: page.html:{line}: " in out
    assert message in out


def test_error_in_a_part_names_the_part(render):
    assert "part.html:2: NameError" in render("{% include part.html %}", part="\n{{ nothing }}")


def test_include_of_itself_is_an_error(render):
    assert "page.html:1: include: of itself" in render("{% include page.html %}")


def test_values_of_the_caller_stay_as_they_are(tmp_path):
    (tmp_path / "p.html").write_text("{% for x in r %}{{ x }}{% endfor %}")
    out = run_vm(
        "from micropAsyncWeb.template import Template\n"
        f"page = Template({str(tmp_path / 'p.html')!r})\nvalues = {{'r': [1]}}\n"
        "for _ in range(2):\n    list(page.render(values))\nprint(values)\n"
    )
    assert out == "{'r': [1]}\n"


def test_large_template_in_a_small_heap(render):
    text = "<p>{{ n }}</p>" + "t" * 200000 + "{% for x in range(2000) %}<td>{{ x }}</td>{% endfor %}"
    assert len(render(text, {"n": 1}, heap="100k")) > 220000


APP = """
import asyncio, gc
from micropAsyncWeb import MicropAsyncWeb
from micropAsyncWeb.template import Template

server = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=WEBROOT)

def page(name, text):
    with open(WEBROOT + "/" + name, "w") as file:
        file.write(text)
    return Template(WEBROOT + "/" + name)

small = page("small.tpl.html", "<h1>{{ title }}</h1>")
large = page("large.tpl.html", "{% for n in range(5000) %}<td>{{ n }}</td>{% endfor %}")
late = page("late.tpl.html", "{% for n in range(5000) %}<td>{{ 1000 // (4000 - n) }}</td>{% endfor %}")
bad = page("bad.tpl.txt", "{{ nothing }}")

@server.route("/small")
async def show_small(request):
    await small.send(request, {"title": request.query["t"]})

@server.route("/sync")
def show_sync(request):
    return small.send(request, {"title": "sync"}, 201)

@server.route("/collect")
def collect(request):
    gc.collect()
    return [1]

server.appendRoutes([
    ["/large", lambda request: large.send(request)],
    ["/late", lambda request: late.send(request)],
    ["/bad", lambda request: bad.send(request)],
])
asyncio.run(server.runAsync())
"""


def test_pages(start):
    app = start(source=APP)
    html_type = "text/html; charset=utf-8"
    status, header, body = app.get("/small?t=%3Cb%3E")
    assert (status, header["content-type"], header["content-length"], body) == (
        200,
        html_type,
        "18",
        b"<h1>&lt;b&gt;</h1>",
    )
    assert app.get("/sync")[::2] == (201, b"<h1>sync</h1>")
    status, header, body = app.get("/large")
    assert body == b"".join(b"<td>%d</td>" % n for n in range(5000))
    assert header["transfer-encoding"] == "chunked"
    assert app.get("/bad")[::2] == (500, b"500 Internal Server Error")
    with app.connect() as client:
        assert not client.send("GET /late HTTP/1.1\nHost: x\n\n").closed().endswith(b"0\r\n\r\n")


def test_aborted_pages_leave_no_file_open(start):
    app = start(source=APP)
    app.get("/collect")
    before = app.files()
    for _ in range(20):
        with app.connect() as client:
            client.send("GET /large HTTP/1.1\nHost: x\n\n")
            assert client.sock.recv(100)
    deadline = time.monotonic() + 5
    while app.get("/collect") and app.files() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert app.files() <= before
