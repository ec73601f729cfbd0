"""A question by UDP: one datagram at a time, from the one who was asked, and the loop goes on meanwhile."""

import socket
import threading

import pytest

from unit.device import vm

PROGRAM = """
import asyncio
from device import datagram

def accept(answer, request):
    print(answer, request)
    return answer if answer.startswith(b"yes") else None

beats = []
async def beat():
    while True:
        beats.append(1)
        await asyncio.sleep_ms(10)

async def main():
    task = asyncio.create_task(beat())
    try:
        print(await datagram.ask(("127.0.0.1", {port}), b"hello", accept, {timeout}))
    except OSError as error:
        print("OSError", error)
    print(len(beats) > 5)

asyncio.run(main())
"""


@pytest.fixture
def server():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        yield server


def ask(server, folder, timeout=20000):
    return vm.run(PROGRAM.format(port=server.getsockname()[1], timeout=timeout), folder).splitlines()


def test_answers_are_taken_one_by_one_until_one_fits(server, tmp_path):
    def answer():
        request, client = server.recvfrom(100)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"yes, of somebody else", client)
        threading.Event().wait(0.3)
        for reply in (b"no", b"", b"yes", b"yes, too"):
            server.sendto(reply, client)

    thread = threading.Thread(target=answer)
    thread.start()
    lines = ask(server, tmp_path)
    thread.join()
    assert lines == ["b'no' b'hello'", "b'' b'hello'", "b'yes' b'hello'", "b'yes'", "True"]


def test_no_answer(server, tmp_path):
    assert ask(server, tmp_path, 200) == ["OSError no answer within 200 ms", "True"]
