"""What a valid request is understood as, whatever its form: properties, by hypothesis."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import answers
from tests.fuzz.vm import Vm

TOKEN = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=12)
VALUE = st.lists(st.integers(1, 255).filter(lambda byte: byte not in b"\r\n"), max_size=30).map(bytes)
SPACE = st.sampled_from([b"", b" ", b"\t", b"  \t "])
FRAMING = {"host", "content-length", "transfer-encoding", "connection", "expect"}
FIELDS = st.lists(st.tuples(TOKEN.filter(lambda name: name.lower() not in FRAMING), SPACE, VALUE, SPACE), max_size=6)
QUERY = st.text(string.ascii_letters + "=&%20/?:@", max_size=12)
PROPERTY = settings(max_examples=400, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def vm(tmp_path_factory):
    with Vm(tmp_path_factory.mktemp("parser")) as vm:
        yield vm


def write(method, target, fields, framing=b""):
    """The bytes of a head."""
    lines = [f"{method} {target} HTTP/1.1".encode(), b"hOST:x"]
    lines += [name.encode() + b":" + before + value + after for name, before, value, after in fields]
    return b"\r\n".join(lines) + b"\r\n" + framing + b"\r\n"


def one(vm, data, cuts=()):
    """The only answer to data."""
    [output] = vm.run([(data, cuts, 0)])
    [answer] = [answer for answer in answers.read(output, False) if answer.status >= 200]
    return answer


@PROPERTY
@given(method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]), query=QUERY, fields=FIELDS)
def test_head(vm, method, query, fields):
    target = "/a?" + query
    answer = one(vm, write(method, target, fields))
    assert answer.status == 200
    assert answer.fields[b"x-saw"] == f"{method} {target}".encode()


@PROPERTY
@given(fields=FIELDS, body=st.binary(max_size=300), cuts=st.lists(st.integers(1, 80), max_size=5))
def test_body_of_known_length(vm, fields, body, cuts):
    data = write("POST", "/a", fields, b"content-LENGTH: \t%d \r\n" % len(body)) + body
    assert one(vm, data, cuts).body == body


@PROPERTY
@given(
    parts=st.lists(st.binary(min_size=1, max_size=90), max_size=6),
    form=st.sampled_from([b"%x\r\n", b"%X\r\n", b"0%x\r\n", b"%x;a=b\r\n", b'%x ;a="b;c"\r\n']),
    trailers=FIELDS,
    cuts=st.lists(st.integers(1, 80), max_size=5),
)
def test_chunked_body(vm, parts, form, trailers, cuts):
    data = write("PUT", "/x/y/z", [], b"Transfer-Encoding: CHUNKED\r\n")
    for part in parts:
        data += form % len(part) + part + b"\r\n"
    data += b"0\r\n" + write("", "", trailers).partition(b"hOST:x\r\n")[2]
    assert one(vm, data, cuts).body == b"".join(parts)


@PROPERTY
@given(name=st.text(string.printable, min_size=1, max_size=8), value=st.binary(max_size=10))
def test_any_field_line_is_taken_or_refused(vm, name, value):
    """200 if RFC 9112 section 5 allows the line, else 400; nothing else, and never the body of it as a request."""
    line = name.encode() + b":" + value
    if b"\n" in line or name.partition(":")[0].lower() in FRAMING:
        return
    name, _, value = line.partition(b":")
    tchar = set((string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~").encode())
    # A CR right before the CRLF is bare as well.
    valid = name and set(name) <= tchar and not set(value) & set(b"\r\0")
    answer = one(vm, b"GET /a HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n\r\n")
    assert answer.status == (200 if valid else 400), line


def test_several_requests_in_one_piece_or_byte_by_byte(vm):
    data = b"".join(
        b"POST /a/%d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (n, n) + b"x" * n for n in range(30)
    )
    [whole, single] = vm.run([(data, (), 0), (data, [1] * len(data), 1)])
    assert whole == single
    got = answers.read(whole, False)
    assert [answer.fields[b"x-saw"] for answer in got] == [b"POST /a/%d" % n for n in range(30)]
    assert [answer.body for answer in got] == [b"x" * n for n in range(30)]


@pytest.mark.parametrize("size, status", [(1023, 200), (1024, 200), (1025, 431), (5000, 431)])
def test_largest_head(vm, size, status):
    """A head of maxHead bytes, its empty line included, is taken, however it comes; one byte more is not."""
    head = write("GET", "/a", [("X", b" ", b"", b"")])
    data = head.replace(b"X: ", b"X: " + b"y" * (size - len(head)))
    assert len(data) == size
    for cuts in ((), (500,), (1000, 20)):
        assert one(vm, data, cuts).status == status


def test_largest_body(vm):
    assert one(vm, write("PUT", "/a", [], b"Content-Length: 2048\r\n") + b"x" * 2048).body == b"x" * 2048
    assert one(vm, write("PUT", "/a", [], b"Content-Length: 2049\r\n") + b"x" * 2049).status == 413
    chunked = write("PUT", "/a", [], b"Transfer-Encoding: chunked\r\n")
    assert one(vm, chunked + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 2 + b"0\r\n\r\n").body == b"x" * 2048
    assert one(vm, chunked + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 2 + b"1\r\nx\r\n0\r\n\r\n").status == 413
