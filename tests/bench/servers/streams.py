"""A plain server on asyncio streams: readline for each line of the head, keep-alive. argv: port, webroot."""

import asyncio
import gc
import os
import sys

BLOCK = 4096


async def answer(writer, head, body):
    writer.write(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body))
    await writer.drain()


async def answer_file(writer, head, name):
    size = os.stat(name)[6]
    with open(name, "rb") as file:
        # In one write with the first block: a small packet alone would wait for the client's acknowledgement.
        data = b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (head, size, file.read(BLOCK))
        while data:
            writer.write(data)
            await writer.drain()
            data = file.read(BLOCK)


async def serve(reader, writer):
    try:
        reader.s.setsockopt(6, 1, 1)  # TCP_NODELAY
        while True:
            line = await reader.readline()
            if not line:
                break
            method, target, version = line.split(b" ")
            fields = {}
            while True:
                line = await reader.readline()
                if line in (b"\r\n", b""):
                    break
                name, _, value = line.partition(b":")
                fields[name.lower()] = value.strip()
            keep = fields.get(b"connection", b"").lower() != b"close"
            head = b"" if keep else b"Connection: close\r\n"
            if target == b"/ping":
                await answer(writer, head, b"pong")
            elif target == b"/allocated":
                gc.disable()
                await answer(writer, head, b"%9d" % gc.mem_alloc())
            elif target == b"/held":
                gc.collect()
                await answer(writer, head, b"%9d" % gc.mem_alloc())
            else:
                await answer_file(writer, head, sys.argv[2] + target.decode())
            if not keep:
                break
    except OSError:
        pass
    writer.close()
    await writer.wait_closed()


async def main():
    await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), 64)
    while True:
        await asyncio.sleep(3600)


asyncio.run(main())
