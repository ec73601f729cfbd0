"""What is measured: the servers, the requests, and how many of each."""

CONNECTIONS = 16

BROWSER = (
    "Connection: keep-alive\r\n"
    'sec-ch-ua: "Chromium";v="128", "Not;A=Brand";v="24"\r\n'
    "sec-ch-ua-mobile: ?0\r\n"
    'sec-ch-ua-platform: "Linux"\r\n'
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36"
    "\r\nAccept: */*\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: cors\r\n"
    "Sec-Fetch-Dest: empty\r\n"
    "Referer: http://127.0.0.1:8080/\r\n"
    "Accept-Language: en-US,en;q=0.9\r\n"
)

# name: (target, further fields, requests of one measurement)
CASES = {
    "ping": ("/ping", "", 6400),
    "ping, browser": ("/ping", BROWSER, 4800),
    "ping, browser, all differ": ("/ping", BROWSER + "X-Request-Id: {:08}\r\n", 4800),
    "ping, close": ("/ping", "Connection: close\r\n", 2400),
    "1 KB html": ("/1.html", "", 2400),
    "20 KB js": ("/20.js", "", 1200),
    "100 KB png": ("/100.png", "", 480),
}
PINGS = ("ping", "ping, browser", "ping, browser, all differ")

# name: (script, second argument, None: the webroot, what it can serve)
SERVERS = {
    "bare poll loop": ("bare.py", "keep", PINGS),
    "bare poll loop, closing": ("bare.py", "close", ("ping, close",)),
    "microAsyncWeb": ("ours.py", None, tuple(CASES)),
    "asyncio streams": ("streams.py", None, tuple(CASES)),
    "microdot": ("microdot_server.py", None, tuple(CASES)),
    "uhttp-server": ("uhttp_server.py", None, tuple(CASES)),
}
# Those that take long for one request get fewer of them.
SHARE = {"asyncio streams": 0.2, "microdot": 0.2, "uhttp-server": 0.4}
