"""What is measured: the servers, the requests, and how many of each."""

from dataclasses import dataclass, field

CONNECTIONS = 16
IDLE = 24  # connections held open for the memory of an idle one; all servers are set up to keep that many

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


@dataclass(frozen=True)
class Case:
    """One kind of request: GET target with further fields, {} in them counts; count of them in one measurement."""

    target: str
    count: int
    fields: str = ""

    def requests(self):
        """The requests (bytes) that are sent in turn."""
        text = "GET " + self.target + " HTTP/1.1\r\nHost: x\r\n" + self.fields + "\r\n"
        return [text.format(number).encode() for number in range(self.count if "{" in text else 1)]


CASES = {
    "ping": Case("/ping", 3200),
    "ping, browser": Case("/ping", 3200, BROWSER),
    "ping, browser, all differ": Case("/ping", 3200, BROWSER + "X-Request-Id: {:08}\r\n"),
    "ping, close": Case("/ping", 1200, "Connection: close\r\n"),
    "1 KB html": Case("/1.html", 1200),
    "20 KB js": Case("/20.js", 640),
    "100 KB png": Case("/100.png", 320),
}
PINGS = ("ping", "ping, browser", "ping, browser, all differ")
FILES = ("1 KB html", "20 KB js", "100 KB png")


@dataclass(frozen=True)
class Server:
    """A script of servers/ that serves on the VM.

    argument: its third one, after port and webroot. cases: what it can serve. heap: what it needs, where that is more
    than the others have. share: part of the requests that it gets, where it takes long for one. sources: its own
    modules below site-packages. memory: whether it tells about its heap. closes: whether it has no keep-alive.
    """

    script: str
    argument: str | None = None
    cases: tuple[str, ...] = field(default=tuple(CASES))
    heap: str = "300k"
    share: float = 1
    sources: tuple[str, ...] = ()
    memory: bool = True
    closes: bool = False


OURS = "microAsyncWeb"
SERVERS = {
    "bare poll loop": Server("bare.py", "keep", PINGS, memory=False),
    "bare poll loop, closing": Server("bare.py", "close", ("ping, close",), memory=False),
    OURS: Server("ours.py", "write"),
    "microAsyncWeb, returned text": Server("ours.py", "return", PINGS),
    "asyncio streams": Server("streams.py", share=0.25),
    "microdot": Server(
        "microdot_server.py", share=0.2, closes=True, sources=("microdot/__init__.py", "microdot/microdot.py")
    ),
    "microdot, 4 KB blocks": Server("microdot_server.py", "4096", FILES, share=0.3, memory=False, closes=True),
    # From source, its one module does not always compile in 300 KB.
    "uhttp-server": Server("uhttp_server.py", heap="600k", share=0.4, sources=("uhttp/server.py",)),
}
