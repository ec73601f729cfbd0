"""The application that the server tests talk to; runs on the MicroPython VM. PORT, WEBROOT, OPTIONS are set before."""

import asyncio
import gc

from micropAsyncWeb import HttpError, MicropAsyncWeb, Response

# Collect often: what stays must not lie all over the heap, or there is no room for a large answer in one piece.
gc.threshold(32768)
cacheControl = OPTIONS.pop("cacheControl", {})
webserver = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=WEBROOT, **OPTIONS)
webserver.cacheControl = cacheControl
logged = []
webserver.log = lambda level, text, error: logged.append([level, str(text), repr(error)])
event = asyncio.Event()


@webserver.route("/ping")
async def ping(request):
    await Response.start(request, 200, "OK")
    await Response.startBody(request)
    await request.write("pong")


@webserver.route("/state")
async def state(request):
    gc.collect()
    await Response.sendJson(
        request, {"connections": len(webserver.connections), "logged": logged, "allocated": gc.mem_alloc()}
    )


@webserver.route("/what", "GET , post,PUT")
async def what(request):
    await Response.sendJson(
        request,
        {
            "url": request.url,
            "path": request.path,
            "method": request.method,
            "params": request.params,
            "header": dict(request.header.items()),
            "query": request.query,
            "cookies": request.cookies,
            "agent": request.header.get("USER-agent"),
            "has": "Host" in request.headers,
        },
    )


@webserver.route("/api/*/*", "POST,GET")
async def two(request):
    await Response.sendJson(request, ["two", request.params])


@webserver.route("/led/<int:n>/<name>")
async def named(request):
    return [request.params, request.args["n"], request.args["name"]]


@webserver.route("/echo", "POST, PUT")
async def echo(request):
    return await request.body()


@webserver.route("/unread", "POST")
async def unread(request):
    return "done"


@webserver.route("/json", "POST")
async def json_(request):
    return {"got": await request.json()}


@webserver.route("/form", "POST")
async def form(request):
    return await request.form()


@webserver.route("/parts", "POST")
async def parts(request):
    sizes = []
    buffer = bytearray(100)
    while True:
        count = await request.readinto(buffer)
        if not count:
            return [sum(sizes), len(sizes) > 1]
        sizes.append(count)


@webserver.route("/save", "POST")
async def save(request):
    return [await request.save(WEBROOT + "/saved.bin")]


@webserver.route("/boom")
async def boom(request):
    raise ValueError("secret detail")


@webserver.route("/teapot")
async def teapot(request):
    raise HttpError(418, "short and stout")


@webserver.route("/memory")
async def memory(request):
    bytearray(1 << 30)


@webserver.route("/late-boom")
async def late_boom(request):
    await Response.start(request)
    await Response.startBody(request)
    await request.write("begun")
    await request.flush()
    raise ValueError


@webserver.route("/half-boom")
async def half_boom(request):
    await Response.start(request)
    await Response.header(request, "X-Half", 1)
    await Response.startBody(request)
    await request.write("begun")
    raise ValueError


@webserver.route("/slow")
async def slow(request):
    await asyncio.sleep_ms(int(request.query.get("ms", 50)))
    return "slow"


@webserver.route("/generator")
def generator(request):
    for number in range(3):
        yield "part %d\n" % number


@webserver.route("/generator-started")
def generator_started(request):
    Response.start(request, 201)
    Response.header(request, "Content-Type", "text/x")
    Response.startBody(request)
    yield "a"
    yield "b"


@webserver.route("/returns-generator")
def returns_generator(request):
    return ("part %d\n" % number for number in range(3))


@webserver.route("/upload", "POST", maxBody=300000)
async def upload(request):
    return [await request.save(path=WEBROOT + "/upload.bin"), request.maxBody]


@webserver.route("/by-name", "POST")
async def by_name(request):
    buffer = bytearray(2)
    count = await request.readinto(buffer=buffer)
    return bytes(buffer[:count]) + await request.read(size=3)


@webserver.route("/client")
async def client(request):
    return list(request.client)


@webserver.route("/returns/<int:n>")
def returns(request):
    return [5, (), ("a", "b"), ("a", 100), ("a", 200, [("X", "y")]), ("a", 200, {}, 1)][request.args["n"]]


@webserver.route("/raises/<int:n>")
def raises(request):
    raise [HttpError, HttpError("404"), HttpError(404, 7), HttpError(404, "a\r\nb"), HttpError(404, "a", "b")][
        request.args["n"]
    ]


@webserver.route("/file-then-write")
async def file_then_write(request):
    await Response.sendFile(request, filename=WEBROOT + "/small.txt")
    await request.write("more")


@webserver.route("/folder")
async def folder(request):
    await Response.sendFile(request, WEBROOT + "/sub")


@webserver.route("/flush-head")
async def flush_head(request):
    await Response.start(request)
    await request.flush()
    await Response.startBody(request)
    await request.write("later")


@webserver.route("/add")
def add(request):
    webserver.appendRoutes([["/ping", lambda request: "added"]])


@webserver.route("/wait")
async def wait(request):
    await event.wait()
    event.clear()
    return "waited"


@webserver.route("/set")
def set_event(request):
    event.set()
    return "set"


@webserver.route("/stream")
async def stream(request):
    await Response.start(request)
    await Response.startBody(request)
    for number in range(int(request.query.get("n", 2000))):
        await request.write("%06d\n" % number)


@webserver.route("/one-big")
async def one_big(request):
    await Response.send(request, b"x" * 50000, "text/plain")


@webserver.route("/iterator")
async def iterator(request):
    return ("part %d\n" % number for number in range(3))


class Ticks:
    def __init__(self):
        self.left = 3

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep_ms(1)
        self.left -= 1
        if self.left < 0:
            raise StopAsyncIteration
        return "tick\n"


@webserver.route("/async-iterator")
async def async_iterator(request):
    return Ticks()


@webserver.route("/raw-lf")
async def raw_lf(request):
    await Response.start(request, 200, "OK")
    await request.write("Content-Type: text/x\n")
    await request.write("X-One: 1")
    await Response.startBody(request)
    await request.write("abc")


@webserver.route("/raw-length")
async def raw_length(request):
    await Response.start(request, 200, "OK")
    await request.write("Content-Length: %s\r\n" % request.query["is"])
    await Response.startBody(request)
    for _ in range(int(request.query["n"])):
        await request.write("0123456789")


@webserver.route("/raw-chunked")
async def raw_chunked(request):
    await Response.start(request, 200, "OK")
    await request.write("Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n")
    await Response.startBody(request)
    await request.write("abc")


@webserver.route("/raw-all")
async def raw_all(request):
    await request.write("HTTP/1.1 202 Fine\r\nContent-Type: text/x\r\nX-Two: 2\r\n\r\nbo")
    await request.write("dy")


@webserver.route("/raw-close")
async def raw_close(request):
    await Response.start(request, 200, "OK")
    await request.write("Connection: close\r\n")
    await Response.startBody(request)
    await request.write("bye")


@webserver.route("/body-only")
async def body_only(request):
    await request.write("body only")


@webserver.route("/nothing")
async def nothing(request):
    pass


@webserver.route("/tuple")
async def tuple_(request):
    return "made", 201, {"X-Made": "yes", "Content-Type": "text/x"}


@webserver.route("/split")
async def split(request):
    return "x", 200, {"X-Evil": "a\r\nSet-Cookie: b=c"}


@webserver.route("/split-reason")
async def split_reason(request):
    await Response.start(request, 200, "OK\r\nX-Evil: 1")


@webserver.route("/cookie")
async def cookie(request):
    await Response.start(request)
    await Response.setCookie(request, "a", "b")
    await Response.startBody(request)


@webserver.route("/redirect")
async def redirect(request):
    await Response.redirect(request, "/ping")


@webserver.route("/error")
async def error(request):
    await Response.error(request, 403, "Go Away")


@webserver.route("/file")
async def file(request):
    await Response.sendFile(request, WEBROOT + "/small.txt")


@webserver.route("/gr\u00fcn")
def green(request):
    return "green"


@webserver.route("/no-file")
async def no_file(request):
    await Response.sendFile(request, WEBROOT + "/missing.txt")


webserver.appendRoutes([["/registered", "small.txt"], ["/api/*/fixed", lambda request: "fixed"]])


@webserver.route("/other/api")
async def other(request):
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(b"GET /ping HTTP/1.0\r\n\r\n")
    await writer.drain()
    data = await reader.read()
    writer.close()
    await writer.wait_closed()
    return data


asyncio.run(webserver.runAsync())
