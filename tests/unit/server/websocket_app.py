"""The application that the WebSocket tests talk to; runs on the MicroPython VM. PORT and OPTIONS are set before."""

# ruff: noqa: F821, UP
import asyncio
import gc

from micropAsyncWeb import MicropAsyncWeb, Response
from micropAsyncWeb.websocket import Closed, websocket

limits = {"maxConnections": 16, "idleTimeout": 1, "webroot": None}
limits.update(OPTIONS)
web = MicropAsyncWeb(port=PORT, address="127.0.0.1", **limits)
logged = []
web.log = lambda level, text, error: logged.append([level, str(text), repr(error)])


class Seen(list):
    def append(self, item):
        self[:] = [item]


seen = Seen()
sockets = []


@web.route("/echo")
@websocket(max_message=65536)
async def echo(request, ws):
    async for message in ws:
        await ws.send(message)
    seen.append([ws.code, ws.reason, ws.closed])


@web.route("/receive")
@websocket
async def receive(request, ws):
    try:
        while True:
            message = await ws.receive()
            await ws.send([message[:2], message[2:]])
    except Closed as error:
        seen.append(list(error.args))
        raise


@web.route("/protocol")
@websocket(protocols=("b", "c"))
async def protocol(request, ws):
    await ws.send(str(ws.protocol))


@web.route("/origins")
@websocket(origins=("https://good.example",))
async def origins(request, ws):
    await ws.send("in")


@web.route("/any")
@websocket(origins="*")
async def any_origin(request, ws):
    await ws.send("in")


@web.route("/boom")
@websocket
async def boom(request, ws):
    raise ValueError("secret detail")


@web.route("/close")
@websocket
async def close(request, ws):
    wanted = await ws.receive()
    code, _, reason = wanted.partition(" ")
    try:
        await ws.close(int(code), reason)
    except ValueError:
        await ws.send("ValueError")
        return
    seen.append([ws.code, ws.reason])


@web.route("/only-sends")
@websocket
async def only_sends(request, ws):
    sockets.append(ws)
    try:
        while True:
            await ws.send("tick")
            await asyncio.sleep_ms(400)
    finally:
        sockets.remove(ws)


@web.route("/deaf")
@websocket
async def deaf(request, ws):
    await asyncio.sleep(2)
    await ws.send(await ws.receive())


@web.route("/ping")
@websocket(ping_interval=0.3, ping_timeout=0.5)
async def ping(request, ws):
    try:
        await ws.receive()
    except Closed as error:
        seen.append(list(error.args))


@web.route("/crowd")
@websocket
async def crowd(request, ws):
    async def say(letter):
        for size in (1, 300, 5000, 20000, 70000):
            await ws.send(letter * size)
            await ws.send(letter * 50 for _ in range(4))
    await asyncio.gather(*[say(letter) for letter in "abcd"])
    await ws.send("end")


@web.route("/parts")
@websocket
async def parts(request, ws):
    class Parts:
        left = 3
        async def __anext__(self):
            await asyncio.sleep_ms(300)
            self.left -= 1
            if self.left < 0:
                raise StopAsyncIteration
            return b"part"
    await ws.send(Parts())
    await ws.send(())
    await ws.send(memoryview(b"view"))
    await ws.send(bytearray(2000))


@web.route("/broken-parts")
@websocket
async def broken_parts(request, ws):
    def parts():
        yield "one"
        raise ValueError
    await ws.send(parts())


@web.route("/flood")
@websocket
async def flood(request, ws):
    try:
        while True:
            await ws.send(bytes(4000))
    except Closed as error:
        seen.append(list(error.args))


@web.route("/timeout")
@websocket
async def timeout(request, ws):
    for _ in range(3):
        try:
            await asyncio.wait_for_ms(ws.receive(), 30)
        except asyncio.TimeoutError:
            await ws.send("nothing")
    await ws.send(await ws.receive())


@web.route("/state")
async def state(request):
    gc.collect()
    return {"connections": len(web.connections), "logged": logged, "seen": list(seen), "allocated": gc.mem_alloc(),
            "sockets": len(sockets)}


@web.route("/stop")
def stop(request):
    web.stop()


@web.route("/hooked")
def hooked(request):
    web.after(lambda request: Response.header(request, "X-Hook", "yes"), "/echo")


asyncio.run(web.runAsync())
