"""The control socket and its client: every verb, refusals, the socket's file."""

import asyncio
import contextlib
import json
import os
import socket

import pytest

from ports.unix.client import ControlClient, ControlError
from ports.unix.control import ControlServer
from ports.unix.errors import BoardError
from tests.unix.bench import bench, run
from tests.unix.images import device, write_flash

SCRIPT = """
import socket, time
here = call("net.listen", host="0.0.0.0", port=80, proto="tcp")
time.sleep(0.05)
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(socket.getaddrinfo(here["host"], here["port"])[0][-1])
server.listen(1)
print("up")
while True:
    time.sleep(0.05)
    call("flash.write", b"x", off=0x310000)
"""


@pytest.fixture
def flash(tmp_path):
    return write_flash(tmp_path / "flash.bin", device(SCRIPT))


def check(flash, test, link="wifi"):
    """Run `test(client, bench)` in a thread, with a board that has a control socket and the network `link`."""

    async def on_bench():
        async with bench(flash, link=link) as it:
            server = ControlServer(it.board, flash.parent / "control", "build/console")
            await server.start()

            def with_client():
                with ControlClient(server.path) as client:
                    test(client, it)

            try:
                await asyncio.to_thread(with_client)
            finally:
                await server.stop()

    run(on_bench())
    assert not os.path.lexists(flash.parent / "control")


def test_info(flash):
    def test(client, it):
        client.wait("listening")
        info = client.info()
        assert info["state"] == "running" and info["problem"] == ""
        assert info["pid"] == it.board.pid and info["boots"] == 1 and info["cause"] == 1
        assert (info["slot"], info["version"], info["uid"]) == ("ota_0", "test", it.board.uid.hex())
        assert info["console"] == "build/console"
        assert info["http"] == ["127.0.0.1", it.board.ports[80]]
        assert info["listening"] == {"80/tcp": it.board.ports[80]}
        assert info["flash"]["path"] == str(flash) and info["flash"]["erases"] == 1

    check(flash, test)


def test_listening_means_that_a_connection_succeeds(flash):
    def test(client, it):
        for boots in range(1, 6):
            address = client.wait("listening", boots=boots)["http"]
            socket.create_connection(address).close()
            client.reset("soft" if boots % 2 else "hard")

    check(flash, test)


@pytest.mark.parametrize(("kind", "cause"), [("hard", 2), ("soft", 5)])
def test_reset(flash, kind, cause):
    def test(client, it):
        client.wait("listening")
        client.reset(kind)
        assert client.wait("listening", boots=2)["cause"] == cause

    check(flash, test)


def test_power(flash):
    def test(client, it):
        client.power(False)
        assert client.info()["state"] == "off" and client.info()["pid"] is None
        with pytest.raises(ControlError, match="off: switch the power on"):
            client.reset()
        client.power(True)
        client.power(True)
        assert client.wait("running")["boots"] == 2

    check(flash, test)


def test_crash(flash):
    def test(client, it):
        client.crash()
        assert client.wait("running", boots=2)["cause"] == 2
        assert b"Guru Meditation Error" in it.said

    check(flash, test)


def test_cut(flash):
    def test(client, it):
        client.wait("listening")
        programs = client.info()["flash"]["programs"]
        client.cut(3)
        assert client.wait("off")["flash"]["programs"] - programs in (3, 4)

    check(flash, test)


def test_pin(flash):
    def test(client, it):
        assert client.pin(3) == {"id": 3, "value": 0, "mode": 1}
        assert client.pin(3, value=1)["value"] == 1
        assert client.pin(3, value=None)["value"] == 0

    check(flash, test)


def test_air(flash):
    def test(client, it):
        assert "air" in client.air()

    check(flash, test)


def test_net(flash):
    def test(client, it):
        assert client.net(dns="silent", forward={"514/udp": 5514})["forward"] == {"514/udp": 5514}
        assert client.net()["dns"] == "silent"

    check(flash, test)


def test_clock(flash):
    def test(client, it):
        client.power(False)
        with pytest.raises(ControlError, match="clock: the board is off: switch the power on"):
            client.clock(1)
        client.power(True)
        client.clock(0)

    check(flash, test)


def test_cable(flash):
    def test(client, it):
        assert client.cable(plugged=False)["cable"]["plugged"] is False
        with pytest.raises(ControlError, match="cable: plugged: 3: true or false"):
            client.cable(plugged=3)

    check(flash, test, link="ethernet")


def test_no_cable_on_a_board_with_wifi(flash):
    def test(client, it):
        with pytest.raises(ControlError, match="one that has is started with --network ethernet"):
            client.cable()

    check(flash, test)


def test_wait_gives_up(flash):
    def test(client, it):
        with pytest.raises(ControlError, match=r"not off after 0\.05 s: state running, 1 boots"):
            client.wait("off", timeout=0.05)

    check(flash, test)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"hello", "one line like"),
        (b"[1]", "one line like"),
        (b"{}", "one line like"),
        (b'{"do": "explode"}', "no verb 'explode', only info, reset"),
        (b'{"do": "reset", "kind": "warm"}', "no 'warm' reset"),
        (b'{"do": "reset", "sort": "warm"}', "sort"),
        (b'{"do": "power"}', "'on'"),
        (b'{"do": "cut", "after": -1}', "0 for none"),
        (b'{"do": "cut", "after": "x"}', "0 for none"),
        (b'{"do": "pin", "id": 99}', "no pin 99"),
        (b'{"do": "clock", "skip": "x"}', "number of seconds"),
        (b'{"do": "clock", "skip": -1}', "number of seconds"),
        (b'{"do": "net", "dns": "slow"}', "net: dns: 'slow': one of ok, silent"),
        (b'{"do": "wait", "for": "godot"}', "one of off, running"),
        (b'{"do": "wait"}', "one of off, running"),
    ],
)
def test_bad_requests_are_refused_in_one_line(flash, line, error):
    def test(client, it):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as plain:
            plain.connect(str(flash.parent / "control"))
            plain.sendall(line + b"\n")
            reply = json.loads(plain.makefile().readline())
        assert reply["ok"] is False and error in reply["error"]
        assert client.info()["state"] == "running"

    check(flash, test)


def test_clients_may_vanish_or_send_without_end(flash):
    def test(client, it):
        for data in (b"", b'{"do": "wait", "for": "off"}\n', b"x" * 100_000):
            with contextlib.closing(socket.socket(socket.AF_UNIX)) as plain, contextlib.suppress(OSError):
                plain.connect(str(flash.parent / "control"))
                plain.sendall(data)
        assert client.info()["state"] == "running"

    check(flash, test)


def starting(path):
    """Start a ControlServer without a board at `path`, then stop it."""

    async def start():
        server = ControlServer(None, path, "")
        await server.start()
        await server.stop()

    asyncio.run(start())


def test_socket_of_a_killed_board_is_replaced(tmp_path):
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    starting(path)


def test_socket_of_a_running_board_is_not_taken(tmp_path):
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(BoardError, match="a running board uses"):
            starting(path)


def test_a_file_is_not_replaced(tmp_path):
    path = tmp_path / "control"
    path.write_text("mine")
    with pytest.raises(BoardError, match="CONTROL="):
        starting(path)
    assert path.read_text() == "mine"


def test_path_too_long(tmp_path):
    with pytest.raises(BoardError, match="103 bytes"):
        starting(tmp_path / ("x" * 100))


def test_no_board(tmp_path):
    with pytest.raises(ControlError, match="no board runs"):
        ControlClient(tmp_path / "control")
