"""/health, and the version string, which is the same wherever a board tells it."""

import json


def test_health_is_small_and_tells_no_names(board):
    status, headers, body = board.get("/health")
    health = json.loads(body)
    assert status == 200 and headers["Content-Type"] == "application/json"
    assert set(health) == {"status", "version", "uptime", "free", "state"}
    assert health["status"] == "ok" and health["state"] == "confirmed"
    assert health["uptime"] >= 0 and health["free"] > 0
    assert len(body) < 200


def test_all_tell_the_same_version(board):
    version = json.loads(board.get("/health")[2])["version"]
    assert version[:1].isdigit()
    status = json.loads(board.get("/api/status")[2])
    assert status["firmware"] == version
    assert board.eval("__import__('device').boot.VERSION") == version
    machine = board.eval("__import__('os').uname().machine")
    assert machine.startswith(f"microAsyncWeb {version} with ")
    assert status["machine"] == machine
    with board.console() as console:
        console.prompt()
        console.write(b"\x02")
        banner = console.read_until(b'Type "help()" for more information.').decode()
    assert f"; {machine}\r\n" in banner


def test_boot_says_the_version(board):
    version = json.loads(board.get("/health")[2])["version"]
    with board.console() as console:
        console.prompt()
        console.write(b"\x04")
        console.read_until(f"microAsyncWeb {version} on ".encode(), 30)
        console.read_until(b">>> ", 30)
