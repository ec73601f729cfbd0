"""Reads what a server has sent, strictly: one well-formed HTTP/1.1 answer after another (RFC 9112)."""

import re

STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\x20-\x7e]*)\r\n")
FIELD = re.compile(rb"([-!#$%&'*+.^_`|~0-9A-Za-z]+): ([\x21-\xff]|[\x21-\xff][\t\x20-\xff]*[\x21-\xff])\r\n")
CHUNK = re.compile(rb"([0-9a-f]+)\r\n")


class Malformed(AssertionError):
    """The output is not a sequence of complete answers."""


class Answer:
    """Status (int), fields (names in lower case) and body of an answer."""

    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    @property
    def last(self):
        """The server has said that it closes the connection."""
        return self.fields.get(b"connection") == b"close"


def read(output, head_possible):
    """Split the whole output of a connection into a list of Answer; Malformed if that does not work.

    Answers to HEAD have no body, and only the client knows which these are. head_possible: where a body is missing,
    take the answer for one of them.
    """
    answers = []
    place = 0
    while place < len(output):
        if answers and answers[-1].last and answers[-1].status >= 200:
            raise Malformed(f"more after 'Connection: close': {output[place:]!r}")
        answer, place = _one(output, place, head_possible)
        answers.append(answer)
    return answers


def _one(output, place, head_possible):
    match = STATUS.match(output, place)
    if not match:
        raise Malformed(f"no status line at {place}: {output[place:]!r}")
    status = int(match[1])
    fields = {}
    place = match.end()
    while output[place : place + 2] != b"\r\n":
        match = FIELD.match(output, place)
        if not match:
            raise Malformed(f"no field line at {place}: {output[place:]!r}")
        name = match[1].lower()
        if name in fields and name != b"set-cookie":
            raise Malformed(f"{name} twice")
        fields[name] = match[2]
        place = match.end()
    place += 2
    if status < 200 or status in (204, 304):
        if b"content-length" in fields or b"transfer-encoding" in fields:
            raise Malformed(f"framing in a {status}")
        return Answer(status, fields, b""), place
    if b"content-length" in fields:
        if b"transfer-encoding" in fields or not fields[b"content-length"].isdigit():
            raise Malformed(f"framing {fields}")
        body = output[place : place + int(fields[b"content-length"])]
        end = place + int(fields[b"content-length"])
        if head_possible and (place == len(output) or STATUS.match(output, place)):
            return Answer(status, fields, b""), place
        if end > len(output):
            raise Malformed(f"body ends early: {body!r}")
        return Answer(status, fields, body), end
    if fields.get(b"transfer-encoding") == b"chunked":
        if head_possible and not CHUNK.match(output, place):
            return Answer(status, fields, b""), place
        body, place = _chunks(output, place)
        return Answer(status, fields, body), place
    if fields.get(b"connection") != b"close":
        raise Malformed(f"no framing: {fields}")
    return Answer(status, fields, output[place:]), len(output)


def _chunks(output, place):
    body = b""
    while True:
        match = CHUNK.match(output, place)
        if not match:
            raise Malformed(f"no chunk size at {place}: {output[place:]!r}")
        size = int(match[1], 16)
        part = output[match.end() : match.end() + size]
        place = match.end() + size + 2
        if len(part) < size or output[place - 2 : place] != b"\r\n":
            raise Malformed(f"chunk ends early: {part!r}")
        body += part
        if not size:
            return body, place
