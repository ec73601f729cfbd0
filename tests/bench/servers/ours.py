"""micropAsyncWeb with its limits as they are, but for the number of connections.

argv: port, webroot, how ping answers: "write" as the seed's README shows it, or "return".
"""

import asyncio
import gc
import sys

from micropAsyncWeb import MicropAsyncWeb, Response

webserver = MicropAsyncWeb(port=int(sys.argv[1]), address="127.0.0.1", webroot=sys.argv[2], maxConnections=32)


async def ping_write(request):
    await Response.start(request, 200, "OK")
    await Response.startBody(request)
    await request.write("pong")


async def ping_return(request):
    return "pong"


webserver.route("/ping")(ping_write if sys.argv[3] == "write" else ping_return)


@webserver.route("/allocated")
async def allocated(request):
    gc.disable()
    await Response.send(request, "%9d" % gc.mem_alloc(), "text/plain")


@webserver.route("/held")
async def held(request):
    gc.collect()
    await Response.send(request, "%9d" % gc.mem_alloc(), "text/plain")


asyncio.run(webserver.runAsync())
