"""h11 as the judge of what a valid request is: reads a case with it and compares that with the server's answers.

Where the two differ for a reason, the reason has a name, a rule here and a line in README.md.
"""

import re

import h11

# What the server of device.py is set to.
MAX_HEAD = 1024
MAX_BODY = 2048

BLANK_LINE = re.compile(rb"\n\r?\n")
# The strict reading of a chunked body (RFC 9112 section 7.1), with the limits that the server has.
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
HOST = re.compile(rb"(?i)(\[[0-9a-f:.]+\]|([-a-z0-9._~!$&'()*+,;=]|%[0-9a-f]{2})*)(:[0-9]*)?")
TRAILER = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+:[^\r\n\0]*\r\n")


class Difference(AssertionError):
    """The server and h11 disagree, and no rule explains it."""


class Seen:
    """A request as h11 reads it."""

    def __init__(self, raw):
        self.raw = raw  # from its first byte to the end of the case
        end = BLANK_LINE.search(raw)
        self.head = raw[: end.end()] if end else raw
        self.valid = self.complete = False
        self.error = ""
        self.method = self.target = self.version = self.body = b""
        self.fields = {}

    def __repr__(self):
        return f"<{self.method} {self.target} {self.body[:50]} {'complete' if self.complete else self.error}>"


def requests(data):
    """Read a case and its end with h11: a list of Seen; the last may be incomplete or in error."""
    seen = []
    while True:
        while data[:2] == b"\r\n":  # see the rule "empty-line-first"
            data = data[2:]
        if not data:
            return seen
        seen.append(Seen(data))
        conn = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        conn.receive_data(data)
        conn.receive_data(b"")
        rest = _one(conn, seen[-1])
        if rest is None:
            return seen
        data = rest


def _one(conn, seen):
    # The bytes after the request, or None if the connection ends with it.
    while True:
        try:
            event = conn.next_event()
        except h11.RemoteProtocolError as error:
            seen.error = str(error)
            return None
        if isinstance(event, h11.Request):
            seen.valid = True
            seen.method, seen.target, seen.version = event.method, event.target, event.http_version
            seen.fields = dict(event.headers)
        elif isinstance(event, h11.Data):
            seen.body += event.data
        elif isinstance(event, h11.EndOfMessage):
            seen.complete = True
            conn.send(h11.Response(status_code=405, headers=[("Content-Length", "0")]))
            if seen.method != b"HEAD":
                conn.send(h11.EndOfMessage())
            closes = conn.their_state is h11.MUST_CLOSE
            return None if closes else conn.trailing_data[0]
        else:
            seen.error = repr(event)
            return None


def _incomplete(seen):
    return "peer closed" in seen.error or "ConnectionClosed" in seen.error or "unexpected" in seen.error


def _undecodable(target):
    path = target.partition(b"#")[0].partition(b"?")[0]
    if re.search(rb"%(?![0-9A-Fa-f]{2})|%00", path):
        return True
    try:
        re.sub(rb"%(..)", lambda match: bytes.fromhex(match[1].decode()), path).decode()
    except UnicodeDecodeError:
        return True
    return False


def _last_chunk(seen, limits=True):
    # Where the trailers of a strictly read chunked body begin, or None.
    raw = seen.raw[len(seen.head) :]
    place = total = 0
    while line := CHUNK_LINE.match(raw, place):
        size = int(line[1], 16)
        total += size
        if limits and (len(line[0]) > 256 or total > MAX_BODY):
            return None
        if not size:
            return len(seen.head) + line.end()
        place = line.end() + size + 2
    return None


def _chunked_is_strict(seen):
    place = _last_chunk(seen)
    count = 0
    while place and (line := TRAILER.match(seen.raw, place)):
        if len(line[0]) > 256:
            return False
        place = line.end()
        count += 1
    return place and count <= 16 and seen.raw[place : place + 2] == b"\r\n"


# Refused by the server, valid for h11: name → (statuses, rule).
STRICTER = {
    "bare-lf": ({400, 431}, lambda seen: re.search(rb"(?<!\r)\n", seen.head)),
    "obs-fold": ({400}, lambda seen: re.search(rb"\n[ \t]", seen.head)),
    "two-framings": ({400}, lambda seen: seen.fields.keys() >= {b"content-length", b"transfer-encoding"}),
    "length-list": ({400}, lambda seen: re.search(rb"(?i)\ncontent-length:[^\r]*,", seen.head)),
    "chunked-in-1.0": ({400}, lambda seen: b"transfer-encoding" in seen.fields and seen.version < b"1.1"),
    "version": ({505}, lambda seen: seen.version[:2] != b"1."),
    "no-host": ({400}, lambda seen: b"host" not in seen.fields and seen.version > b"1.1"),
    "host-value": ({400}, lambda seen: not HOST.fullmatch(seen.fields.get(b"host", b""))),
    "target-form": ({400}, lambda seen: not re.match(rb"/|(?i:https?)://[^/?#]|\*$", seen.target)),
    "target-encoding": ({400}, lambda seen: _undecodable(seen.target)),
    "long-head": ({414, 431}, lambda seen: len(seen.head) > MAX_HEAD - 3),
    "long-body": (
        {413},
        lambda seen: len(seen.body) > MAX_BODY or int(seen.fields.get(b"content-length", 0)) > MAX_BODY,
    ),
    "chunk-limits": (
        {400, 413, 431},
        # Where the server does not read the body for its answer, it closes after that.
        lambda seen: b"transfer-encoding" in seen.fields and not _chunked_is_strict(seen),
    ),
}

# Answered by the server, refused by h11: name → rule.
LOOSER = {
    "control-in-value": lambda seen: re.search(rb"[\x0b\x0c]", seen.head),
    "trailers": lambda seen: b"transfer-encoding" in seen.fields and _last_chunk(seen, limits=False),
    "length-as-number": lambda seen: "Content-Length" in seen.error and re.search(rb":[ \t]*0", seen.head),
    "early-answer": lambda seen: seen.valid,
}


def compare(data, answers):
    """Compare h11's reading of a case with a list of Answer. Returns the names of the rules that were needed;
    Difference if none fits."""
    answers = [answer for answer in answers if answer.status >= 200]
    used = set()
    before = None
    for number, seen in enumerate(requests(data)):
        answer = answers[number] if number < len(answers) else None
        if answer is None:
            # The server may close after any answer that says so.
            if before and b"transfer-encoding" in before.fields and not _chunked_is_strict(before):
                used.add("chunk-limits")
            elif seen.complete and not (before and answers[number - 1].last):
                raise Difference(f"no answer to valid request {number}: {seen}")
            break
        reason = _one_differs(seen, answer)
        if reason:
            used.add(reason)
            # From here on the two need not be at the same byte.
            break
        if not seen.complete:
            break
        before = seen
    else:
        if len(answers) > number + 1 if data.strip(b"\r\n") else answers:
            raise Difference(f"{len(answers)} answers to {number + 1} requests")
    return used


def _one_differs(seen, answer):
    saw = answer.fields.get(b"x-saw")
    status = answer.status
    refused = status in (400, 408, 413, 414, 431, 503, 505) or (status == 501 and b"allow" not in answer.fields)
    application = status == 400 and re.match(rb"(?:(?i:https?)://[^/]*)?/(form|json)", seen.target)
    if seen.complete:
        if refused and not application:
            for name, (statuses, rule) in STRICTER.items():
                if status in statuses and rule(seen):
                    return name
            raise Difference(f"{status} for a valid request: {seen}")
        if saw is not None:
            if saw != seen.method + b" " + seen.target:
                raise Difference(f"server saw {saw}, h11 {seen}")
            reads_body = status == 200 and answer.fields.get(b"content-type") == b"application/octet-stream"
            if reads_body and seen.method != b"HEAD" and answer.body != seen.body:
                raise Difference(f"server read body {answer.body}, h11 {seen.body}")
        return None
    if refused or (_incomplete(seen) and not _reads_body(saw, answer)):
        return None
    for name, rule in LOOSER.items():
        if rule(seen) and not (name == "early-answer" and _reads_body(saw, answer)):
            return name
    raise Difference(f"{status} (saw {saw}) for what h11 refuses: {seen}")


def _reads_body(saw, answer):
    # The answer can only have come after the whole body.
    return saw is not None and answer.fields.get(b"content-type") == b"application/octet-stream"
