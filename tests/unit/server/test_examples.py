"""The examples of microAsyncWeb's first documentation, word for word: programs written for it still run."""

import http.client
import json
import shutil
import subprocess
import time

import pytest

from .conftest import MODULES, VM, free_port

BASIC = '''
from micropAsyncWeb import MicropAsyncWeb, Response

# Automatically handles "/" and "/*" routes (deliver files from webroot).
webserver = MicropAsyncWeb(webroot="./webroot", indexFile="index.htm")

@webserver.route("/ping")
async def _route_ping(request):
    await Response.start(request, 200, "OK")
    await Response.startBody(request)
    await request.write("pong")
'''

LIST = '''
@webserver.route("/ping")
async def _route_ping(request):
    await Response.start(request, 200, "OK")
    await Response.startBody(request)
    await request.write("pong")

async def _route_info(request):
    await Response.sendJson(request, {"version": "0.0.1"})

# appendRoutes and decorators can be mixed
webserver.appendRoutes(
    [
        ["/api/v1/info", _route_info]
    ]
)
'''

DECORATED = '''
@webserver.route("/api/v1/led/*/*", "POST")
async def _route_set_led(request):
    ledNum = int(request.params[0])
    ledState = int(request.params[0])
    result = myLedClass.setLed(ledNum, ledState)
    await Response.sendJson(request, result)
'''

APPENDED = '''
async def _route_set_led(request):
    ledNum = int(request.params[0])
    ledState = int(request.params[0])
    result = myLedClass.setLed(ledNum, ledState)
    await Response.sendJson(request, result)

webserver.appendRoutes(
    [
        ["/api/v1/led/*/*", _route_set_led, "POST"]
    ]
)
'''

# These two make their server and leave the place where routes are defined.
ASYNC = '''
import asyncio
from micropAsyncWeb import MicropAsyncWeb, Response

webserver = MicropAsyncWeb()

# ...define your routes...

loop = asyncio.get_event_loop()
loop.create_task(webserver.runAsync())
# add any other async tasks
loop.run_forever()
'''

THREADED = '''
import asyncio
from micropAsyncWeb import MicropAsyncWeb, Response
from _thread import start_new_thread

webserver = MicropAsyncWeb()

# ...define your routes...

def runThread():
    loop = asyncio.get_event_loop()
    loop.create_task(webserver.runAsync())
    # add any other _thread compatible async tasks
    loop.run_forever()

start_new_thread(runThread, ())
'''
ROUTES_HERE = "# ...define your routes...\n"

# The part of the application that the examples do not show.
LED = '''
class myLedClass:
    @staticmethod
    def setLed(number, state):
        return {"led": number, "state": state}
'''
# What a program does after it has started the server in a thread: here it waits, as a prompt would.
STAY = "import sys\nsys.stdin.read()\n"


class Program:
    """A program on the bare VM in a folder of its own. Port 80, which the examples leave as it is, is another here."""

    def __init__(self, folder, source):
        shutil.copytree(MODULES / "micropAsyncWeb", folder / "micropAsyncWeb")
        self.port = free_port()
        (folder / "main.py").write_text(source)
        start = f"""
import micropAsyncWeb
run = micropAsyncWeb.MicropAsyncWeb.runAsync
def runAsync(server):
    assert (server.port, server.address) == (80, "0.0.0.0")
    server.port, server.address = {self.port}, "127.0.0.1"
    return run(server)
micropAsyncWeb.MicropAsyncWeb.runAsync = runAsync
exec(compile(open("main.py").read(), "main.py", "exec"))
"""
        self.process = subprocess.Popen(
            [str(VM), "-X", "heapsize=300k", "-c", start],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def ask(self, method, path):
        """Status, content type and body."""
        deadline = time.monotonic() + 10
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                connection.request(method, path)
                answer = connection.getresponse()
                return answer.status, answer.headers["content-type"], answer.read()
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.process.stdout.read().decode()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            finally:
                connection.close()


@pytest.fixture
def start(tmp_path):
    """start(source) → Program; it has printed nothing when the test ends."""
    programs = []

    def start(source):
        programs.append(Program(tmp_path, source))
        return programs[-1]

    yield start
    for program in programs:
        program.process.kill()
        assert program.process.communicate()[0] == b""


def run(text):
    """The async invocation, without the line that makes a server: text has made it."""
    return text + ASYNC.replace("webserver = MicropAsyncWeb()\n", "")


def test_basic_setup(start, tmp_path):
    (tmp_path / "webroot").mkdir()
    (tmp_path / "webroot" / "index.htm").write_text("<h1>index</h1>")
    (tmp_path / "webroot" / "style.css").write_text("p {}")
    program = start(run(BASIC))
    assert program.ask("GET", "/ping")[::2] == (200, b"pong")
    assert program.ask("GET", "/") == (200, "text/html; charset=utf-8", b"<h1>index</h1>")
    assert program.ask("GET", "/index.htm")[2] == b"<h1>index</h1>"
    assert program.ask("GET", "/style.css") == (200, "text/css; charset=utf-8", b"p {}")
    assert program.ask("GET", "/none")[0] == 404
    assert program.ask("POST", "/ping")[0] == 405


def test_routes_as_list(start):
    program = start(ASYNC.replace(ROUTES_HERE, LIST))
    assert program.ask("GET", "/ping")[::2] == (200, b"pong")
    status, kind, body = program.ask("GET", "/api/v1/info")
    assert (status, kind, json.loads(body)) == (200, "application/json", {"version": "0.0.1"})


@pytest.mark.parametrize("example", [DECORATED, APPENDED], ids=["decorated", "appended"])
@pytest.mark.parametrize("invocation", [ASYNC, THREADED + STAY], ids=["async", "threaded"])
def test_methods_and_parameters(start, example, invocation):
    program = start(LED + invocation.replace(ROUTES_HERE, example))
    status, kind, body = program.ask("POST", "/api/v1/led/3/1")
    assert (status, kind, json.loads(body)) == (200, "application/json", {"led": 3, "state": 3})
    assert program.ask("GET", "/api/v1/led/3/1")[0] == 405
    assert program.ask("POST", "/api/v1/led/3")[0] in (404, 405)


def test_webroot_is_the_current_folder_by_default(start, tmp_path):
    (tmp_path / "index.html").write_text("here")
    program = start(ASYNC)
    assert program.ask("GET", "/")[2] == b"here"


def test_threaded_invocation_leaves_the_prompt_free(start):
    """The program goes on after start_new_thread(): it reads a line and ends, while the server has answered."""
    program = start(THREADED.replace(ROUTES_HERE, LIST) + "import sys\nline = sys.stdin.readline()\nraise SystemExit\n")
    assert program.ask("GET", "/ping")[::2] == (200, b"pong")
    program.process.stdin.write(b"anything\n")
    program.process.stdin.flush()
    assert program.process.wait(5) == 0


RAW = '''
@webserver.route("/csv/*")
async def csv(request):
    # Header lines by hand, then the body in pieces.
    await Response.start(request, 200, "OK")
    await Response.write(request, "Content-Type: text/csv\\n")
    await Response.startBody(request)
    for number in range(int(request.params[0])):
        await Response.write(request, "%d;" % number)

@webserver.route("/members/*", "GET,POST")
async def members(request):
    data = [request.url, request.path, request.method, request.params, request.header["Host"]]
    await Response.sendJson(request, data)

@webserver.route("/file")
async def file(request):
    await Response.sendFile(request, "hello.txt")

@webserver.route("/error")
async def error(request):
    await Response.error(request, 418, "I'm a teapot")
'''


def test_the_reference_of_request_and_response(start, tmp_path):
    (tmp_path / "hello.txt").write_text("hello")
    program = start(ASYNC.replace(ROUTES_HERE, RAW))
    assert program.ask("GET", "/csv/3") == (200, "text/csv", b"0;1;2;")
    assert len(program.ask("GET", "/csv/3000")[2]) == 13890
    host = f"127.0.0.1:{program.port}"
    assert json.loads(program.ask("POST", "/members/a?b=c")[2]) == ["/members/a?b=c", "/members/a", "POST", ["a"], host]
    assert program.ask("GET", "/file") == (200, "text/plain; charset=utf-8", b"hello")
    assert program.ask("GET", "/error")[::2] == (418, b"418 I'm a teapot")
