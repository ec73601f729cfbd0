"""The floor: a select.poll loop that parses nothing and gives one answer. argv: port, webroot, keep or close."""

import select
import socket
import sys

KEEP = sys.argv[3] == "keep"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n%s\r\npong" % (b"" if KEEP else b"Connection: close\r\n")


def main():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(socket.getaddrinfo("127.0.0.1", int(sys.argv[1]))[0][-1])
    listener.listen(64)
    listener.setblocking(False)
    poller = select.poll()
    poller.register(listener, select.POLLIN)
    buffer = bytearray(2048)
    while True:
        for sock, _ in poller.ipoll(-1):
            try:
                if sock is listener:
                    sock, _ = listener.accept()
                    sock.setblocking(False)
                    sock.setsockopt(6, 1, 1)  # TCP_NODELAY
                    poller.register(sock, select.POLLIN)
                    continue
                count = sock.readinto(buffer)
                if count:
                    sock.write(ANSWER)
            except OSError:
                if sock is listener:
                    continue
                count = 0
            if count == 0 or (count and not KEEP):
                poller.unregister(sock)
                sock.close()


main()
