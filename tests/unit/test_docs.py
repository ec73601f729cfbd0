"""Runs every Python example of the documentation on the MicroPython VM and asks it what the text says it answers.

What an example is asked stands in an HTML comment before its code block, which a reader does not see:

    <!-- example
    file /webroot/hello.txt Hello
    > GET /hello.txt
    > Accept-Encoding: gzip
    < 200
    < Content-Type: text/plain; charset=utf-8
    <
    < Hello
    -->

`>` is a request and `<` the answer to it: status, those of its header fields that matter, and after an empty line
the body; `…` in it stands for any text. A request's body stands after an empty line too, `\\r\\n` in it is CRLF.
Cookies that an answer sets come with the requests after it. A WebSocket is opened by `> WS /path`; then `>>` is a
message to the server and `<<` one from it. `file` makes a file before the start (`\\n` in it is a line break), `sh`
runs the last shell block before the example. `prints` is text that comes on the console. `board` runs the example on
the desktop board instead of the bare VM.
"""

import http.client
import json
import re
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from websockets.sync.client import connect

from firmware import modules
from unit import bare_vm

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

BLOCK = re.compile(r"(?:<!-- example\n(?P<check>.*?)-->\n+)?```python\n(?P<code>.*?)```", re.S)

# What an example leaves out, because the text says it once for all.
HEAD = """\
import asyncio

from micropAsyncWeb import HttpError, MicropAsyncWeb, Response

webserver = MicropAsyncWeb(webroot="/webroot")

"""
START = "\nasyncio.run(webserver.runAsync())\n"
STAY = "\nimport time\n\nwhile True:\n    time.sleep(1)\n"


@dataclass
class Exchange:
    """A request and the answer that is expected: lists of lines."""

    request: list[str] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Example:
    """A code block with what its comment says."""

    name: str
    code: str
    checked: bool
    files: dict[str, str]
    exchanges: list[Exchange]
    prints: list[str]
    board: bool
    shell: str

    @property
    def program(self):
        """The whole program that the block stands for."""
        code = self.code
        if not self.exchanges or self.board:
            return code
        if "webserver = " not in code:
            code = HEAD + code
        if "runThread" in code:
            return code + STAY
        return code if "runAsync" in code else code + START


def parse(page):
    """The examples of a page, in their order."""
    text = page.read_text("utf-8")
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("code"))
        example = Example(f"{page.name}:{line}", match["code"], match["check"] is not None, {}, [], [], False, "")
        for row in (match["check"] or "").splitlines():
            kind, _, rest = row.partition(" ")
            if kind == ">":
                if not example.exchanges or example.exchanges[-1].answer or example.exchanges[-1].messages:
                    example.exchanges.append(Exchange())
                example.exchanges[-1].request.append(rest)
            elif kind == "<":
                example.exchanges[-1].answer.append(rest)
            elif kind in (">>", "<<"):
                example.exchanges[-1].messages.append((kind, rest))
            elif kind == "file":
                path, _, content = rest.partition(" ")
                example.files[path] = content.replace("\\n", "\n")
            elif kind == "prints":
                example.prints.append(rest)
            elif kind == "board":
                example.board = True
            elif kind == "sh":
                example.shell = re.findall(r"```sh\n(.*?)```", text[: match.start()], re.S)[-1]
            else:
                raise ValueError(f"{example.name}: a comment's line begins with {kind!r}")
        yield example


EXAMPLES = [example for page in PAGES for example in parse(page)]


def divide(lines):
    """First line, header fields and body of the lines of a request or an answer."""
    end = lines.index("") if "" in lines else len(lines)
    fields = dict(line.split(": ", 1) for line in lines[1:end])
    return lines[0], fields, "\n".join(lines[end + 1 :])


def ask(address, exchange, jar, tls=False):
    """Send the request of an exchange and compare the answer. Cookies go into the jar and come from it."""
    line, fields, body = divide(exchange.request)
    method, target = line.split(" ")
    if method == "WS":
        return talk(address, target, fields, exchange.messages)
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(*address, timeout=10, context=context)
    else:
        connection = http.client.HTTPConnection(*address, timeout=10)
    if jar:
        fields.setdefault("Cookie", "; ".join(f"{name}={value}" for name, value in jar.items()))
    data = body.replace("\\r\\n", "\r\n").encode()
    try:
        connection.request(method, target, body=data or None, headers=fields)
        answer = connection.getresponse()
        for cookie in answer.headers.get_all("Set-Cookie", ()):
            name, _, value = cookie.partition(";")[0].partition("=")
            jar[name] = value
        status, expected_fields, expected = divide(exchange.answer)
        assert answer.status == int(status), (answer.status, answer.read())
        for name, value in expected_fields.items():
            assert re.fullmatch(pattern(value), answer.headers[name] or ""), (name, answer.headers[name])
        if "" in exchange.answer:
            assert matches(answer, expected)
    finally:
        connection.close()


def talk(address, target, fields, messages):
    """Open a WebSocket, send and compare messages."""
    protocols = fields.pop("Sec-WebSocket-Protocol", "").split()
    url = f"ws://{address[0]}:{address[1]}{target}"
    with connect(url, additional_headers=fields, subprotocols=protocols or None, open_timeout=10) as client:
        for direction, text in messages:
            if direction == ">>":
                client.send(text)
            else:
                assert client.recv(timeout=10) == text


def pattern(text):
    """A regular expression for text in which … stands for anything."""
    return ".*".join(re.escape(part) for part in text.split("…"))


def matches(answer, expected):
    """Read the body of an answer until it is as expected. An answer that never ends is read no further."""
    wanted = re.compile(pattern(expected), re.S)
    got = b""
    while True:
        if expected.endswith("…") and wanted.fullmatch(got.decode("utf-8", "replace")):
            return True
        part = answer.read1(4096)
        got += part
        if not part:
            text = got.decode("utf-8", "replace").replace("\r\n", "\n").rstrip()
            if answer.headers["Content-Type"] == "application/json" and "…" not in expected:
                # The order of a dict is MicroPython's own.
                assert json.loads(text) == json.loads(expected)
                return True
            assert wanted.fullmatch(text), f"the body is {text!r}, not {expected!r}"
            return True


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example(example, tmp_path, request):
    assert example.checked, "an <!-- example --> comment must say what is asked and answered"
    if example.board:
        board = request.getfixturevalue("start_board")()
        board.wait_http()
        printed = board.exec(example.code)
        for exchange in example.exchanges:
            ask(board.http, exchange, {})
        for text in example.prints:
            assert text in printed
        return
    (tmp_path / "webroot").mkdir()
    for path, content in example.files.items():
        target = tmp_path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    subprocess.run(["sh", "-ec", example.shell], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "example.py").write_text(example.program)
    if not example.exchanges:
        run = subprocess.run(
            bare_vm.command(tmp_path, "/example.py"), capture_output=True, text=True, timeout=30, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
        for text in example.prints:
            assert text in run.stdout
        return
    used = {int(port) for port in re.findall(r"\bport=(\d+)", example.code)} or {80}
    ports = {port: bare_vm.free_port() for port in used}
    jar = {}
    with bare_vm.running(tmp_path, "/example.py", ports):
        for exchange in example.exchanges:
            ask(("127.0.0.1", ports[max(ports)]), exchange, jar, tls=443 in ports)
        console = tmp_path / "console.txt"
        deadline = time.monotonic() + 10
        while any(text not in console.read_text() for text in example.prints):
            assert time.monotonic() < deadline, console.read_text()
            time.sleep(0.02)
        if not example.prints:
            assert console.read_text() == ""


def test_examples_are_typed(tmp_path):
    """A type checker accepts every example with the stubs: they name all that a reader may use."""
    names = []
    for number, example in enumerate(EXAMPLES):
        if example.board:
            continue
        code = re.sub(r"^(\s*(?:async )?def \w+\()request\b", r"\1request: Request", example.program, flags=re.M)
        names.append(tmp_path / f"example_{number}.py")
        names[-1].write_text(f"# {example.name}\nfrom micropAsyncWeb import Request\n" + code)
    options = ["--disable-error-code", "var-annotated"]
    options += ["--check-untyped-defs", "--no-error-summary", "--hide-error-context", "--config-file", ""]
    run = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--cache-dir", tmp_path / "cache", *names],
        cwd=ROOT / "modules",
        capture_output=True,
        text=True,
        check=False,
    )
    texts = {f"example_{number}.py": example.name for number, example in enumerate(EXAMPLES)}
    report = re.sub(r"\S*(example_\d+\.py)", lambda match: f"{match[1]} ({texts[match[1]]})", run.stdout)
    assert run.returncode == 0, report + run.stderr


def test_sizes_of_modules():
    """The table says what the modules have, to 15 % or 300 bytes."""
    rows = re.findall(r"^\| \[?`(\w+)`.*\| ([\d.]+) KB \|$", (ROOT / "docs/server.md").read_text("utf-8"), re.M)
    sources = [
        modules.Module(ROOT / f"modules/micropAsyncWeb/{name}.py", f"micropAsyncWeb/{name}.py", opt=3)
        for name, _ in rows
    ]
    codes = modules.compile_all(sources)
    for name, said in rows:
        size = len(codes[f"micropAsyncWeb/{name}.mpy"]) / 1000
        assert abs(size - float(said)) <= max(0.3, 0.15 * size), f"docs/server.md: {name} has {size:.1f} KB"
    assert len(rows) > 5


def test_what_examples_leave_out():
    """The blocks that are no examples are the lines that all the others begin and end with."""
    for page in PAGES:
        for block in re.findall(r"```py\n(.*?)```", page.read_text("utf-8"), re.S):
            assert block.strip() in (HEAD.strip(), START.strip()), f"{page.name}: {block}"


def test_links_lead_somewhere():
    """Links between the pages name files and headings that exist."""
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            file = (page.parent / path) if path else page
            assert file.exists(), f"{page.name} links to {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.M)
                anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
                assert anchor in anchors, f"{page.name} links to {target}"
