"""The REPL and the server at the same time."""

import socket
import time

import pytest

from .load import Load


def test_route_added_live(board):
    with board.console() as console:
        console.prompt()
        console.line("from device import server; from micropAsyncWeb import Response")
        console.write(b"\x05")
        console.read_until(b"=== ")
        console.write(b"@server.route('/live')\rasync def _(request):\r")
        console.write(b"    await Response.sendJson(request, {'a': 1})\r\x04")
        console.read_until(b"\r\n>>> ")
        assert board.get("/live")[2] == b'{"a": 1}'


def busy_repl(board, answers):
    """The loads beside a REPL that waits and beside one that computes, each of at least `answers` answers."""
    with board.replaced(board.webroot + "/test.svg", b"<svg/>" * 50):
        with Load(board, 8, "/test.svg") as idle:
            idle.wait(answers)
        with board.console() as console:
            console.prompt()
            console.write(b"while True: pass\r\r")
            console.read_until(b"while True: pass\r\n")
            with Load(board, 8, "/test.svg") as busy:
                busy.wait(answers)
            console.write(b"\x03")
            console.read_until(b"KeyboardInterrupt")
            console.prompt()
    for name, load in (("idle", idle), ("busy", busy)):
        print(f"{name} REPL, 8 connections: p50 {load.percentile(50):.4f} s, p99 {load.percentile(99):.4f} s")
    return idle, busy


def test_busy_repl_does_not_stop_the_server(board):
    idle, busy = busy_repl(board, board.rounds(400))
    assert not idle.errors + busy.errors


@pytest.mark.needs("timing")
def test_busy_repl_hardly_slows_the_server(board):
    """50 ms for 99 of 100 answers, or five times what the same load takes beside an idle REPL on a busy computer."""
    idle, busy = busy_repl(board, 400)
    assert busy.percentile(99) < max(0.05, 5 * idle.percentile(99))


def echo_delays(board):
    """Seconds from typing to echo while the server is loaded, in ascending order."""
    delays = []
    with board.console() as console:
        console.prompt()
        with Load(board, 8) as load:
            load.wait(board.rounds(50))
            for character in b"abcdefghijklmnopqrst":
                start = time.monotonic()
                console.write(bytes([character]))
                console.read_until(bytes([character]))
                delays.append(time.monotonic() - start)
            load.wait(board.rounds(50))
        console.write(b"\x03")
        console.prompt()
    assert not load.errors
    delays.sort()
    print(f"echo under load: median {delays[10]:.4f} s, longest {delays[-1]:.4f} s")
    return delays


def test_repl_echoes_under_full_load(board):
    assert len(echo_delays(board)) == 20


@pytest.mark.needs("timing")
def test_repl_echoes_at_once_under_full_load(board):
    assert echo_delays(board)[-2] < 0.1


def test_ctrl_c_stops_a_loop_and_the_board_goes_on(board):
    with board.console() as console:
        console.prompt()
        for code in ("while True: pass", "import time; time.sleep(1000)", "import select; select.poll().poll(1000000)"):
            console.write(code.encode() + b"\r\r")
            console.read_until(code.encode() + b"\r\n")
            board.get("/api/status")
            console.write(b"\x03")
            console.read_until(b"KeyboardInterrupt", 5)
            console.prompt()
    assert board.get("/api/status")[0] == 200


def test_ctrl_c_again_and_again_under_load(board):
    with board.console() as console, Load(board, 4) as load:
        console.prompt()
        for _ in range(board.rounds(30)):
            console.write(b"import time\rfor i in range(10 ** 9): time.sleep_ms(1)\r\r")
            console.read_until(b"sleep_ms(1)\r\n")
            load.wait(3)
            console.write(b"\x03")
            console.read_until(b"KeyboardInterrupt", 5)
            console.read_until(b">>> ")
        load.wait(10)
    assert not load.errors


def test_call_runs_a_coroutine_on_the_servers_loop(board):
    assert board.eval("__import__('device').call(__import__('asyncio').sleep_ms(1))") is None
    out = board.exec(
        "import device, asyncio\n"
        "async def f():\n    await asyncio.sleep_ms(5)\n    return 42\n"
        "async def g():\n    raise ValueError('mine')\n"
        "print(device.call(f()))\n"
        "try:\n    device.call(g())\nexcept ValueError as e:\n    print(e)\n"
    )
    assert out == "42\nmine\n"


def test_asyncio_run_in_the_repl_leaves_the_server_alone(board):
    board.exec(
        "import asyncio\nasync def f():\n    await asyncio.sleep_ms(50)\n    return 7\n"
        "try:\n    print(asyncio.run(f()))\nexcept RuntimeError as e:\n    print(e)\n"
    )
    for _ in range(20):
        assert board.get("/api/status")[0] == 200


@pytest.mark.needs("ports")
def test_second_server_in_the_same_loop(board):
    """What an FTP server does beside the web server: greet, answer line by line, and serve while HTTP is loaded."""
    port = board.spare_port()
    board.exec(
        "import asyncio, device\n"
        "async def ftp(reader, writer):\n"
        "    writer.write(b'220 ready\\r\\n')\n"
        "    await writer.drain()\n"
        "    while True:\n"
        "        line = await reader.readline()\n"
        "        if not line: break\n"
        "        writer.write(b'200 ' + line)\n"
        "        await writer.drain()\n"
        "    writer.close()\n"
        "    await writer.wait_closed()\n"
        f"device.call(asyncio.start_server(ftp, '0.0.0.0', {port}))\n"
    )
    with Load(board, 4) as load, socket.create_connection((board.http[0], port), 10 * board.factor) as s:
        stream = s.makefile("rwb")
        assert stream.readline() == b"220 ready\r\n"
        for i in range(board.rounds(50)):
            stream.write(b"NOOP %d\r\n" % i)
            stream.flush()
            assert stream.readline() == b"200 NOOP %d\r\n" % i
        load.wait(20)
    assert not load.errors


def test_both_threads_allocate_for_a_minute(board):
    """A garbage collector that misses what the other thread holds does not survive this."""
    with board.console() as console, Load(board, 8) as load:
        console.prompt()
        console.write(
            b"import time; t = time.ticks_ms()\r"
            b"while time.ticks_diff(time.ticks_ms(), t) < 60000: a = [str(i) * 3 for i in range(100)]\r\r"
        )
        console.read_until(b"range(100)]\r\n")
        console.read_until(b">>> ", 90)
        load.wait(50)
    assert not load.errors
    with board.console() as console:
        console.prompt()
        assert console.line("len(a)") == "100\r\n"
