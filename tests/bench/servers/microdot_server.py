"""microdot. Its listen backlog is raised from 5, which would measure the kernel's retries. argv: port,
webroot, and bytes that it reads from a file at once, if not its own 1024.
"""

import asyncio
import gc
import sys
from asyncio import start_server

from microdot import Microdot, Response, send_file

app = Microdot()
if sys.argv[3]:
    Response.send_file_buffer_size = int(sys.argv[3])
asyncio.start_server = lambda serve, host, port: start_server(serve, host, port, 64)


@app.route("/ping")
async def ping(request):
    return "pong"


@app.route("/allocated")
async def allocated(request):
    gc.disable()
    return "%9d" % gc.mem_alloc()


@app.route("/held")
async def held(request):
    gc.collect()
    return "%9d" % gc.mem_alloc()


@app.route("/<path:path>")
async def static(request, path):
    return send_file(sys.argv[2] + "/" + path)


app.run(host="127.0.0.1", port=int(sys.argv[1]))
