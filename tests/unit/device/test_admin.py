"""Who is let in by admin.check(), and how long somebody takes who tries out passwords; its time is simulated."""

import pytest

from unit.device import vm

HEAD = """
import asyncio
from binascii import b2a_base64
import device
device.config = {"admin": {"password": "secret"}}
from device import admin, log
from micropAsyncWeb import HttpError

now = START
slept = []
async def sleep_ms(ms):
    global now
    slept.append(ms)
    end = now + ms
    await asyncio.sleep_ms(0)
    now = max(now, end)
# As a chip counts: 30 bits.
PERIOD = 1 << 30
admin.ticks_ms = lambda: now % PERIOD
admin.ticks_add = lambda ticks, ms: (ticks + ms) % PERIOD
admin.ticks_diff = lambda a, b: (a - b + PERIOD // 2) % PERIOD - PERIOD // 2
admin.sleep_ms = sleep_ms

class Header(dict):
    pass
class Request:
    phase = 0
    def __init__(self, password=None, address="10.0.0.9", method="GET", user="admin", **fields):
        self.method = method
        self.client = (address, 50000)
        self.header = {name.replace("_", "-"): value for name, value in fields.items()}
        if password is not None:
            proof = b2a_base64((user + ":" + password).encode()).decode().strip()
            self.header["authorization"] = "Basic " + proof
    def frame(self, field):
        pass

async def check(*args, **names):
    try:
        refused = await admin.check(Request(*args, **names))
    except HttpError as error:
        return error.args[0]
    if refused is None:
        return "in"
    words, status, headers = refused
    return "%s %s %s" % (status, words.strip(), headers.get("Retry-After", ""))
def ask(*args, **names):
    print(str(asyncio.run(check(*args, **names))).strip())
"""


def run(program, folder, start=1000):
    return vm.run(HEAD.replace("START", str(start)) + program, folder).splitlines()


def test_the_password_lets_in(tmp_path):
    program = """
ask("secret"); ask("Secret"); ask("secret", user="root"); ask(); ask("")
ask("secret", authorization="Bearer secret")
"""
    assert run(program, tmp_path) == ["in", "401", "401", "401", "401", "in"]


def test_without_a_password_nobody_gets_in(tmp_path):
    program = """
device.config["admin"]["password"] = ""
ask("secret"); ask(); ask("")
print(asyncio.run(admin.check(Request(), "updates are taken"))[0])
"""
    words = "admin.password in boot.json is not set: set it and restart, then "
    general = f"403 {words}this board can be managed over the network"
    assert run(program, tmp_path) == [general] * 3 + [words + "updates are taken", ""]


def test_a_browser_gets_pages(tmp_path):
    """Whoever asks for text/html; what the page says is what others get as text."""
    program = """
import sys
class portal:
    opened = False
sys.modules["device.portal"] = device.portal = portal
def show(*args, **names):
    answer = asyncio.run(admin.check(Request(*args, accept="text/html,*/*;q=0.8", **names)))
    if answer is None:
        print("in")
        return
    parts, status, headers = answer
    text = b"".join([part if isinstance(part, bytes) else part.encode() for part in parts]).decode()
    found = [words for words in WORDS if words in text]
    print(status, headers["Content-Type"], headers.get("WWW-Authenticate"), headers.get("Retry-After"), found)
WORDS = "page of another site", "name is admin", "too many wrong", "password yet", 'href="/setup"', "battery", "refresh"
show("secret"); show(); show("guess")
show("secret", method="POST", sec_fetch_site="cross-site")
admin._waiting = 2
show("secret")
admin._waiting = 0
device.config["admin"]["password"] = ""
show("secret")
portal.opened = True
show()
"""
    html, asked = "text/html; charset=utf-8", 'Basic realm="'
    lines = run(program, tmp_path)
    assert lines[0] == "in"
    for line in lines[1:3]:
        assert line.startswith(f"401 {html} {asked}") and line.endswith("None ['name is admin']")
    assert lines[3:] == [
        f"403 {html} None None ['page of another site']",
        f"429 {html} None 1 ['too many wrong', 'refresh']",
        f"403 {html} None None ['password yet', 'battery']",
        f"403 {html} None None ['password yet', 'href=\"/setup\"']",
    ]


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({}, True),
        ({"user_agent": "curl/8.5.0"}, True),
        ({"sec_fetch_site": "same-origin", "user_agent": "Mozilla/5.0"}, True),
        ({"sec_fetch_site": "none", "user_agent": "Mozilla/5.0"}, True),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "cross-site", "origin": "http://board.local"}, False),
        ({"origin": "http://board.local"}, True),
        ({"origin": "HTTP://Board.Local"}, True),
        ({"origin": "https://board.local"}, True),
        ({"origin": "http://board.local:8080"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"referer": "http://board.local/admin?x=http://evil.example/"}, True),
        ({"referer": "http://evil.example/board.local"}, False),
        ({"origin": "http://evil.example", "referer": "http://board.local/"}, False),
        # A browser that keeps quiet about where it comes from.
        ({"user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:60.0) Gecko/20100101 Firefox/60.0"}, False),
    ],
)
def test_pages_of_other_sites_change_nothing(tmp_path, fields, allowed):
    program = f"""
for method in ("POST", "PUT", "DELETE", "GET", "HEAD"):
    ask("secret", method=method, host="board.local", **{fields!r})
"""
    answers = run(program, tmp_path)
    assert answers[3:] == ["in"] * 2
    refused = "403 a page of another site has sent this: open the board's own page and do it there"
    assert answers[:3] == ["in" if allowed else refused] * 3


def test_each_failure_doubles_the_pause_of_its_address(tmp_path):
    program = """
for number in range(9):
    ask("guess %d" % number)
    print(slept)
    slept.clear()
ask("secret", address="10.0.0.2"); print(slept)
ask("secret"); print(slept)
slept.clear()
ask("guess"); ask("secret"); print(slept)
for record in log.records():
    print(record[2])
"""
    pauses = [[], [250], [500], [1000], [2000], [4000], [8000], [8000], [8000]]
    expected = [line for pause in pauses for line in ("401", str(pause))]
    # The owner, elsewhere, waits for nothing; at the same address for one pause, and then all is forgotten.
    expected += ["in", "[]", "in", "[8000]", "401", "in", "[250]"]
    expected += [f"wrong password of admin from 10.0.0.9, {count} in a row" for count in (1, 2, 4, 8, 1)]
    assert run(program, tmp_path) == expected


def test_a_request_without_a_password_is_no_guess(tmp_path):
    program = """
for _ in range(5):
    ask()
ask("guess"); ask("guess")
print(slept)
"""
    assert run(program, tmp_path)[-1] == "[250]"


def test_many_connections_at_once_do_not_help(tmp_path):
    """Two wait, one of which is looked at per pause; the others are sent away, with the password unseen."""
    program = """
async def main():
    for _ in range(5):
        await check("guess")
    began = now
    for result in await asyncio.gather(check("a"), check("b"), check("secret"), check("c")):
        print(str(result).strip())
    print(now - began, admin._waiting)
asyncio.run(main())
"""
    late = "429 too many wrong passwords: try again in 5 s 5"
    lines = run(program, tmp_path)
    assert lines[:4] == ["401", "401", late, late]
    took, waiting = lines[4].split()
    assert int(took) == 4000 + 8000
    assert waiting == "0"


def test_memory_is_bounded_and_strangers_share_a_count(tmp_path):
    program = """
for number in range(30):
    ask("guess", address="10.0.1.%d" % number)
print(len(admin._guesses), slept[-3:])
slept.clear()
# An address that has its own count is not slowed down by them.
ask("secret", address="10.0.1.3"); print(slept)
now += 10 * 60 * 1000 + 8000
ask("guess", address="10.0.2.1"); print(len(admin._guesses), slept)
"""
    lines = run(program, tmp_path)
    assert lines[:30] == ["401"] * 30
    assert lines[30:] == ["9 [8000, 8000, 8000]", "in", "[]", "401", "1 []"]


@pytest.mark.parametrize("days", [1, 7, 13, 30])
def test_nothing_is_left_of_old_failures(tmp_path, days):
    """Also when the tick counter has come round, which says that what is past lies ahead."""
    program = f"""
for number in range(12):
    ask("guess")
slept.clear()
now += {days} * 86400 * 1000
ask("guess"); print(slept)
ask("guess"); print(slept)
"""
    lines = run(program, tmp_path, (1 << 30) - 1500)
    assert lines[-4:] == ["401", "[]", "401", "[250]"]
