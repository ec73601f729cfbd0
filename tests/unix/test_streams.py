"""Sockets, TLS and streams of the user's own under the stand-ins for `socket` and `select`."""

import socket
import ssl
import subprocess
import threading

import pytest

from tests.unix.scripted import check


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory):
    """Port of a TLS server that answers b"got " and what it was sent."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    try:
        subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.fail("openssl is not installed; the TLS tests make their certificate with it: apt-get install openssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with context.wrap_socket(connection, server_side=True) as stream:
                stream.sendall(b"got " + stream.recv(100))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_tls_blocking_and_in_a_loop(tmp_path, tls_server):
    check(
        tmp_path,
        f"""
import asyncio, socket, ssl
s = socket.socket()
s.connect(("127.0.0.1", {tls_server}))
s = ssl.wrap_socket(s)
s.write(b"one")
assert s.read(7) == b"got one"
s.close()

context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.verify_mode = ssl.CERT_NONE
async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", {tls_server}, ssl=context)
    writer.write(b"two")
    await writer.drain()
    assert await asyncio.wait_for(reader.readexactly(7), 5) == b"got two"
    writer.close()
asyncio.run(main())
""",
    )


def test_a_stream_in_python_is_asked_with_the_turn(tmp_path):
    check(
        tmp_path,
        """
import io, select
class Stream(io.IOBase):
    asked = 0
    def ioctl(self, request, argument):
        if request != 3:
            return -1
        self.asked += 1
        garbage = [0] * 100
        return argument & 1 if self.asked > 5 else 0
stream = Stream()
poller = select.poll()
poller.register(stream, select.POLLIN)
assert poller.poll(5000) == [(stream, select.POLLIN)]
stream.asked = -1000
start = time.ticks_ms()
assert poller.poll(30) == []
assert time.ticks_diff(time.ticks_ms(), start) >= 30
poller.unregister(stream)
assert poller.poll(0) == []
""",
    )


def test_a_server_in_a_thread_and_blocking_clients(tmp_path):
    check(
        tmp_path,
        """
import _thread, errno, socket
port = 20000 + time.ticks_us() % 20000
while True:
    listener = socket.socket()
    try:
        listener.bind(("0.0.0.0", port))
        break
    except OSError:
        listener.close()
        port += 1
listener.listen(2)
def serve():
    for _ in range(3):
        connection, address = listener.accept()
        assert address[0] == "127.0.0.1"
        connection.sendall(b"echo " + connection.recv(100))
        connection.close()
_thread.start_new_thread(serve, ())
for word in (b"one", b"two", b"three"):
    s = socket.socket()
    s.connect(("127.0.0.1", port))
    s.send(word)
    assert s.recv(100) == b"echo " + word
    s.close()
s = socket.socket()
s.settimeout(0.1)
s.connect(("127.0.0.1", port))
assert fails(OSError, s.recv, 1)[0] == errno.ETIMEDOUT
s.close()
listener.close()
""",
    )
