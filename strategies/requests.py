"""HTTP requests: well-formed ones in every dress, large ones, and malformed ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from strategies.options import at_least, known

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
_WITH_BODY = frozenset({"POST", "PUT"})
_EXTRA_FIELDS = (
    ("Accept", "*/*"),
    ("User-Agent", "gatecrash"),
    ("Accept-Language", "en, de;q=0.5"),
    ("Accept-Encoding", "identity"),
    ("Cache-Control", "no-cache"),
    ("Cookie", "a=1; b=2"),
    ("Referer", "http://localhost/index.html?q=1#top"),
    ("X-Empty", ""),
    ("X-Colons", "a: b: c"),
    ("X-Long", "x" * 200),
)
_BODIES = (b"a=1", b"", b"GET / HTTP/1.1\r\nHost: body\r\n\r\n", b"\x00\xff" * 8, b"x" * 1024)
_CASES = (str, str.lower, str.upper)
_SPACES = (" ", "", "  ", "\t")  # optional white space behind the colon: RFC 9112, section 5
SIZES = tuple(size + by for size in (1024 << n for n in range(7)) for by in (-1, 0, 1))
PLACES = ("field", "target", "fields")


def http_requests(
    *, path: str = "/", methods: Collection[str] = ("GET",), host: str = "localhost", max_fields: int = 6
) -> SearchStrategy[bytes]:
    """Well-formed HTTP/1.1 requests for `path` that all mean the same: fields added, moved, respelt.

    At most `max_fields` fields are added to Host (and Content-Length, where there is a body). Raises
    UsageError for a method not in METHODS.
    """
    at_least("max_fields", max_fields, 0)
    return st.builds(
        _request,
        st.sampled_from(known("methods", methods, METHODS)),
        st.just(path),
        st.just(host),
        st.lists(st.sampled_from(_EXTRA_FIELDS), max_size=max_fields, unique=True),
        st.integers(0, 2),
        st.sampled_from(_CASES),
        st.sampled_from(_SPACES),
        st.sampled_from(_BODIES),
    )


def _request(
    method: str,
    path: str,
    host: str,
    extra: Sequence[tuple[str, str]],
    host_place: int,
    case: type[str],
    space: str,
    body: bytes,
) -> bytes:
    body = body if method in _WITH_BODY else b""
    fields = list(extra)
    fields.insert(host_place, ("Host", host))
    if method in _WITH_BODY:
        fields.append(("Content-Length", str(len(body))))
    behind = space[1:]  # as much may be behind a value
    lines = [f"{method} {path} HTTP/1.1", *(f"{case(name)}:{space}{value}{behind}" for name, value in fields)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def large_requests(
    *, path: str = "/", host: str = "localhost", largest: int = 65536, places: Collection[str] = PLACES
) -> SearchStrategy[bytes]:
    """GET requests of exactly 1, 2, 4 ... KiB, one byte less and one more, up to `largest` + 1 bytes.

    The filling is one long "field", a long query in the "target", or many short "fields".
    """
    at_least("largest", largest, 1024)
    sizes = [size for size in SIZES if size <= largest + 1]
    where = known("places", places, PLACES)
    return st.builds(lambda size, place: filled_request(path, host, size, place),
                     st.sampled_from(sizes), st.sampled_from(where))  # fmt: skip


def filled_request(path: str, host: str, size: int, place: str) -> bytes:
    """A GET request whose head is `size` bytes long."""
    start, end = f"GET {path}", f" HTTP/1.1\r\nHost: {host}\r\n"
    room = size - len(start) - len(end) - 2
    at_least(f"size of a request for {path!r}", room, 16)
    if place == "target":
        return f"{start}?{'a' * (room - 1)}{end}\r\n".encode("latin-1")
    if place == "field":
        return f"{start}{end}X-Filling: {'a' * (room - 13)}\r\n\r\n".encode("latin-1")
    lines = "X-F: aaaaaaa\r\n" * (room // 14 - 1)
    last = room - len(lines)  # 14 to 27 bytes, so that a whole field line always fits
    return f"{start}{end}{lines}X-F: {'b' * (last - 7)}\r\n\r\n".encode("latin-1")


_REQUEST_LINE = b"GET / HTTP/1.1"
_ODD_BYTES = (
    b"\x00",
    b"\r",
    b"\n",
    b"\t",
    b"\x7f",
    b"\xff",
    b"%",
    b"%n%s%n%s",
    b"..",
    b"\\",
    b":",
    b" ",
    b"\x1b[2J",
)
#: What crashed real servers: first lines of requests that an empty line ends.
MALFORMED = (
    b"GET",
    b"GET /",
    b"GET / ",
    b"GET / HTTP/",
    b" / HTTP/1.1",
    b" ",
    b":",
    b"get / http/1.1",
    b"GET  /  HTTP/1.1",
    b"GET\t/\tHTTP/1.1",
    b"GET / HTTP/1.1 extra",
    b"GET relative HTTP/1.1",
    b"GET /../../../../etc/passwd HTTP/1.1",
    b"GET /%00%ff%zz% HTTP/1.1",
    b"GET /%s%s%s%n HTTP/1.1",
    b"GET / HTTP/1.1\r\nNoColon",
    b"GET / HTTP/1.1\r\n: no name",
    b"GET / HTTP/1.1\r\nHost : space",
    b"GET / HTTP/1.1\r\n folded",
    b"GET / HTTP/1.1\r\nContent-Length: -1",
    b"GET / HTTP/1.1\r\nContent-Length: abc",
    b"GET / HTTP/1.1\r\nContent-Length:",
    b"POST / HTTP/1.1",
)
#: Bytes that are no UTF-8, in the target and in a field: who decodes a head strictly has an exception to catch.
NO_TEXT = (b"GET /\xff HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nX: \xff\r\n\r\n")
_LONG_SIZES = (100, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 2048, 4096, 8192, 16384)
_LONG_PARTS = ("target", "method", "version", "name")


def malformed_requests() -> SearchStrategy[bytes]:
    """Requests no server should choke on, none of them right, each ended by an empty line (CRLFCRLF).

    Prefixes of a request line, what crashed real servers, one odd byte anywhere, overlong parts. HTTP/1.1
    wants a Host field (RFC 9112, section 3.2), so even those that look well are to be refused.
    """
    return st.one_of(
        st.sampled_from(MALFORMED),
        st.integers(1, len(_REQUEST_LINE) - 1).map(lambda size: _REQUEST_LINE[:size]),
        st.builds(_with_odd_bytes, st.integers(0, len(_REQUEST_LINE)), st.sampled_from(_ODD_BYTES)),
        st.builds(_overlong, st.sampled_from(_LONG_PARTS), st.sampled_from(_LONG_SIZES)),
    ).map(lambda start: start + b"\r\n\r\n")


def _with_odd_bytes(offset: int, odd: bytes) -> bytes:
    return _REQUEST_LINE[:offset] + odd + _REQUEST_LINE[offset:]


def _overlong(part: str, size: int) -> bytes:
    filling = b"a" * size
    parts = {
        "target": b"GET /" + filling + b" HTTP/1.1",
        "method": filling + b" / HTTP/1.1",
        "version": b"GET / HTTP/" + filling,
        "name": b"GET / HTTP/1.1\r\n" + filling + b": x",
    }
    return parts[part]
