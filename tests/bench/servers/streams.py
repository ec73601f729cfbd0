"""A plain server on asyncio streams: readline for each line of the head, keep-alive. argv: port, webroot."""

import asyncio
import gc
import os
import sys


async def serve(reader, writer):
    try:
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
            if target == b"/ping":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong")
                await writer.drain()
            elif target == b"/allocated":
                gc.disable()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n%9d" % gc.mem_alloc())
                await writer.drain()
            else:
                name = sys.argv[2] + target.decode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % os.stat(name)[6])
                with open(name, "rb") as file:
                    while True:
                        data = file.read(1024)
                        if not data:
                            break
                        writer.write(data)
                        await writer.drain()
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
