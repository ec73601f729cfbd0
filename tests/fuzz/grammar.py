"""Makes requests: valid and nearly valid ones from a grammar, mutations of those and of the corpus, and cuts.

Everything follows from (seed, index), so one number names a case for ever.
"""

import random
from pathlib import Path

CORPUS = [path.read_bytes() for path in sorted((Path(__file__).parent / "corpus").iterdir())]

METHODS = [b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"DELETE", b"PATCH", b"get", b"BREW", b"G@T", b"", b"TRACE"]
TARGETS = [
    b"/", b"/a", b"/a/1", b"/z/b", b"/n/7", b"/n/x", b"/x/y/z", b"/skip", b"/stream", b"/form?a=%20b&c", b"/json",
    b"/teapot", b"/small.txt", b"/missing", b"/a?q=1#f", b"/a/%41%2f", b"/%61", b"/%", b"/%zz", b"/%00", b"/%ff",
    b"/a/%c3%bc", b"/../x", b"/%2e%2e%2fx", b"/..\\x", b"//", b"*", b"http://x/a", b"HTTP://x", b"ftp://x/", b"a",
    b"x:80", b"/" + b"a" * 1100, b"/\xc3\xbc", b"/a/\"<>", b"",
]  # fmt: skip
VERSIONS = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.10", b"HTTP/1", b""]
FIELDS = [
    b"Host: x", b"Host:", b"host: y:80", b"Content-Length: 0", b"Content-Length: 3", b"Content-Length: 03",
    b"Content-Length: 3, 3", b"Content-Length: -1", b"Content-Length: +3", b"Content-Length: 0x3", b"Content-Length: ",
    b"Content-Length: 99999", b"Content-Length: 18446744073709551616", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: Chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding:\tchunked\t", b"Transfer-Encoding : chunked", b"Connection: keep-alive",
    b"Connection: closed", b"Expect: 100-continue", b"Expect: tea", b"X-Y: z", b"Connection: close",
    b"Connection: x, Close , y", b"X-Y:z",
    b"X-Y: \t z \t", b"X-Y : z", b" X-Y: z", b"X-Y", b": z", b"X-Y: a\0b", b"X-Y: a\rb", b"X-Y: a\nb", b"X-Y: \xff\xfe",
    b"X-Y: \x01\x0b", b"X(Y): z", b"X-Y: a\r\n b", b"Cookie: a=b; c", b"Cookie: d=%", b"Accept-Encoding: gzip",
    b"If-None-Match: *", b"If-Modified-Since: now", b"Range: bytes=0-1", b"Range: bytes=5-", b"Range: bytes=-0",
    b"X: " + b"y" * 700, b"X: " + b"y" * 1100, b"Content-Type: application/json", b"Upgrade: websocket",
]  # fmt: skip
SIZES = [b"0", b"3", b"a", b"A", b"03", b"00000003", b"000000003", b"3;x=y", b"3 ", b" 3", b"3;\"\r\"", b"+3", b"0x3",
         b"g", b"", b"ffffffff", b"fffffffffffffffff", b"-1", b"3;" + b"x" * 300]  # fmt: skip
TOKENS = [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\n\n", b"\0", b" ", b"\t", b":", b"%", b"%00", b"%0d%0a", b",", b";",
          b"/", b"..", b"\\", b"\xff", b"\x7f", b"\x85", b"0\r\n\r\n", b"GET / HTTP/1.1\r\n", b"HTTP/1.1", b"chunked",
          b"Host: x\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"9" * 20]  # fmt: skip


def _mostly(rng, values, usual, odds):
    # The first `usual` of the values, but one time in `odds` any of them.
    return rng.choice(values if not rng.randrange(odds) else values[:usual])


def _end(rng):
    return _mostly(rng, [b"\r\n", b"\n", b"\r", b"", b"\r\r\n", b" \r\n"], 1, 150)


def chunks(rng):
    """A chunked body, seldom a malformed one."""
    body = b""
    for _ in range(rng.randrange(4)):
        data = bytes(rng.randrange(256) for _ in range(rng.choice((1, 2, 3, 17))))
        body += b"%x" % len(data) + rng.choice((b"", b"", b";a=b")) + _end(rng) + data + _end(rng)
        if not rng.randrange(15):
            body += rng.choice(SIZES) + _end(rng)
    body += _mostly(rng, [b"0", b"00", b"", b"1"], 1, 20) + _end(rng)
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        body += rng.choice(FIELDS) + _end(rng)
    return body + _end(rng)


def request(rng):
    """One request, more or less valid."""
    method = _mostly(rng, METHODS, 4, 12)
    lines = [method + b" " + _mostly(rng, TARGETS, 14, 6) + b" " + _mostly(rng, VERSIONS, 2, 20)]
    lines.append(_mostly(rng, FIELDS, 3, 25))
    lines += [_mostly(rng, FIELDS[19:], 5, 4) for _ in range(rng.choice((0, 0, 1, 1, 2, 4)))]
    body = b""
    kind = rng.randrange(4)
    if kind == 0:
        lines.append(_mostly(rng, FIELDS[13:], 2, 10))
        body = chunks(rng)
    elif kind == 1:
        length = rng.choice((0, 1, 3, 5, 20, 40, 40, 300, 2048, 2049))
        lines.append(b"Content-Length: %d" % length)
        body = rng.choice((b"x", b"a=b&", b'{"a": 1}', b"\r\n", bytes((rng.randrange(256),)))) * length
        body = body[: length + rng.choice((0, 0, 0, 0, 0, 0, 0, 0, -1, 1))]
    if not rng.randrange(25):
        rng.shuffle(lines)
    return _mostly(rng, [b"", b"\r\n", b"\r\n\r\n", b"\n", b" "], 1, 20) + b"".join(
        line + _end(rng) for line in lines
    ) + _end(rng) + body  # fmt: skip


def mutate(rng, data):
    """Damage data in one to four places."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.randrange(len(data) + 1)
        kind = rng.randrange(7)
        if kind == 0:
            data[place : place + 1] = bytes((rng.randrange(256),))
        elif kind == 1:
            del data[place : place + rng.choice((1, 1, 2, 9))]
        elif kind == 2:
            data[place:place] = rng.choice(TOKENS)
        elif kind == 3:
            stop = place + rng.choice((1, 5, 40))
            data[place:place] = data[place:stop] * rng.choice((1, 1, 3, 30))
        elif kind == 4:
            data[place : place + 1] = bytes((data[place] ^ 1 << rng.randrange(8),)) if place < len(data) else b""
        elif kind == 5:
            other = rng.choice(CORPUS)
            data[place:] = other[rng.randrange(len(other)) :]
        elif not rng.randrange(3):
            del data[place:]
    return bytes(data[:6000])


def case(seed, index):
    """The bytes that a client sends in case `index` of run `seed`."""
    rng = random.Random(f"{seed}/{index}")
    data = b"".join(request(rng) for _ in range(rng.choice((1, 1, 1, 2, 3))))
    if not rng.randrange(4):
        data = rng.choice(CORPUS)
    if rng.randrange(2):
        data = mutate(rng, data)
    return data


def cuts(seed, index, size):
    """Sizes of the parts that a case arrives in, and how many bytes the client takes at a time (0: all)."""
    rng = random.Random(f"cut {seed}/{index}")
    if not rng.randrange(40):
        return [1] * min(size, 600), rng.choice((0, 1))
    most = max(1, rng.choice((3, 30, size)))
    return [rng.randint(1, most) for _ in range(rng.choice((1, 2, 5)))], rng.choice((0, 0, 100, 7))
