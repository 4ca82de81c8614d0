"""Bytes that test whether a server keeps within its memory: overlong, unterminated, misleading, or not text at all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Scenario, SendDatagram, Settle, scenario
from gatecrash.protocols import ApplicationProtocol, protocol_of
from gatecrash.protocols.datagram import DatagramEcho
from gatecrash.protocols.http import MISSING, Http, get_request, post_request
from strategies.names import client_names
from strategies.payloads import echo_payloads
from strategies.requests import MALFORMED, SIZES, filled_request, large_requests, malformed_requests

_METHODS = ("POST", "PUT", "GET", "DELETE", "OPTIONS", "FOO")
#: What a number in a header may claim: limits of int, long and size_t, with their neighbours, and no numbers.
_LENGTHS = (
    "0", "1", "7", "-1", "-2147483648", "127", "128", "255", "256", "32768", "65535", "65536", "1000000",
    "2147483647", "2147483648", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808",
    "18446744073709551615", "99999999999999999999999", "", " ", "x", "0x10", "1e3", "+5", "%s%n", "7,7",
)  # fmt: skip
_BODIES = (b"", b"knock=1", b"\x00" * 7, b"a" * 300, b"%s%n%x" * 20, b"\xff" * 64)
_SIZES = (15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 2048, 4096)
#: Round and beyond the largest of the usual buffers: a line that was cut to fit one may still not fit the next.
_HUGE = (8191, 8192, 8193, 16385, 20000)
_FILLINGS = ("a", "%s", "../", "%41", "/", "?", "&a=", "\xff", "\x00", " ", ":", "\t")
_MOST_FIELDS = 300
_LARGEST_HEAD = 16385  # bytes
#: Fields that servers look at, and copy.
_READ = ("Connection", "Content-Type", "Cookie", "Expect", "If-None-Match", "Range", "User-Agent")


@singledispatch
def rude_words(protocol: ApplicationProtocol) -> SearchStrategy[bytes]:
    """Bytes that try the memory of a server that speaks this protocol."""
    return rude_payloads()


@rude_words.register
def _rude_http(protocol: Http) -> SearchStrategy[bytes]:
    return rude_requests(path=protocol.contract.http.path)


@rude_words.register
def _rude_datagrams(protocol: DatagramEcho) -> SearchStrategy[bytes]:
    return rude_payloads(max_size=protocol.contract.datagram.max)


@singledispatch
def nonsense(protocol: ApplicationProtocol) -> SearchStrategy[bytes]:
    """What is no request in this protocol; nothing where any bytes are one."""
    return st.nothing()


@nonsense.register
def _nonsense_http(protocol: Http) -> SearchStrategy[bytes]:
    return malformed_requests()


@singledispatch
def known_nonsense(protocol: ApplicationProtocol) -> tuple[bytes, ...]:
    """What is no request in this protocol, and has crashed real servers: little enough to try all of it."""
    return ()


@known_nonsense.register
def _known_http(protocol: Http) -> tuple[bytes, ...]:
    return tuple(start + b"\r\n\r\n" for start in MALFORMED)


@singledispatch
def known_sizes(protocol: ApplicationProtocol) -> tuple[bytes, ...]:
    """What is as long as buffers often are, or says that it is: little enough to try all of it."""
    return tuple(b"a" * size for size in (*_SIZES, *_HUGE, 65536))


@known_sizes.register
def _sizes_of_http(protocol: Http) -> tuple[bytes, ...]:
    path = protocol.contract.http.path
    heads = (filled_request(path, "localhost", size, "field") for size in SIZES if size <= _LARGEST_HEAD)
    values = (get_request(path, extra=f"{name}: {'a' * size}\r\n".encode()) for name in _READ for size in (300, 9000))
    targets = (get_request("/" + "a" * size) for size in (*_SIZES[10:], *_HUGE[-1:]))
    bodies = (_claiming(path, length, _BODIES[3]) for length in _LENGTHS)
    return (*heads, *values, *targets, *bodies)


@known_sizes.register
def _sizes_of_datagrams(protocol: DatagramEcho) -> tuple[bytes, ...]:
    return tuple(b"a" * size for size in (*_SIZES, *_HUGE) if size <= protocol.contract.datagram.max)


@singledispatch
def refusable(protocol: ApplicationProtocol) -> tuple[bytes, ...]:
    """Whole requests that a server may refuse, each on a way of its own; none where any bytes are answered alike."""
    return ()


@refusable.register
def _refusable_http(protocol: Http) -> tuple[bytes, ...]:
    """RFC 9110 15.5: not there, no such method, no length, too large, a target too long; RFC 9112 3.2: no Host."""
    path = protocol.contract.http.path
    methods = (get_request(path).replace(b"GET", method, 1) for method in (b"DELETE", b"GATECRASH"))
    return (
        *(get_request(MISSING), *methods, post_request(MISSING), post_request(path)),
        *(_claiming(path, length, b"") for length in ("99999999999", "-1", "x")),
        *(get_request("/" + "a" * 9000), f"GET {path} HTTP/1.1\r\n\r\n".encode()),
    )


def rude_requests(*, path: str = "/") -> SearchStrategy[bytes]:
    """HTTP requests: bodies whose length is wrong or missing, overlong parts, many fields, cut-off and odd ones."""
    return st.one_of(
        st.builds(_with_body, st.sampled_from(_METHODS), st.just(path), st.sampled_from(_BODIES)),
        st.builds(_claiming, st.just(path), st.sampled_from(_LENGTHS), st.sampled_from(_BODIES)),
        st.builds(_overlong, st.sampled_from(_FILLINGS), st.sampled_from(_SIZES), st.integers(0, 3)),
        st.builds(_overlong, st.sampled_from("a/"), st.sampled_from(_HUGE), st.integers(0, 3)),
        st.integers(1, _MOST_FIELDS).map(_many_fields),
        large_requests(path=path, largest=16384),
        malformed_requests(),
        malformed_requests().map(lambda request: request[:-4]),
    )


def rude_payloads(*, max_size: int = 16384) -> SearchStrategy[bytes]:
    """Bytes for servers that speak no HTTP: every size round the usual buffers, of everything but plain text."""
    return echo_payloads(max_size=max_size)


#: What a line of words, or of a number, may lack: the word, the number, the text, the end.
_ODD = (
    b"\n", b"x\n", b"x", b" ", b"\r\n", b"a b\n", b"-1\n", b"99999999999999999999\n", b"{\n", b"{}\n", b"[]\n",
    b"/\n", b":\n", b",\n", b"GET\n", b"%s%n\n", b"\xff\n", b"\xff", b"\xc3\x28\n", b"\xe2\x82", b"\x00", b"\x00\n",
    b"\x16\x03\x01\x00\x05",
)  # fmt: skip


def odd_bytes(*, max_size: int = 4096) -> SearchStrategy[bytes]:
    """Bytes that mean nothing to a server of words or numbers, short ones above all; none that end a session."""
    short = [odd for odd in _ODD if len(odd) <= max_size]
    return st.one_of(st.sampled_from(short), st.sampled_from(short), echo_payloads(max_size=max_size))


def _with_body(method: str, path: str, body: bytes) -> bytes:
    """A body that nothing announces."""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() + body


def _claiming(path: str, length: str, body: bytes) -> bytes:
    """A body with a Content-Length that need not be its length."""
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode() + body


def _overlong(filling: str, size: int, place: int) -> bytes:
    """One part of a request is `size` bytes of `filling`: the target, the query, a field's name or its value."""
    part = (filling * size)[:size]
    lines = (
        f"GET /{part} HTTP/1.1\r\n",
        f"GET /?{part} HTTP/1.1\r\n",
        f"GET / HTTP/1.1\r\n{part}: x\r\n",
        f"GET / HTTP/1.1\r\nX: {part}\r\n",
    )
    return f"{lines[place]}Host: localhost\r\n\r\n".encode("latin-1")


def _many_fields(count: int) -> bytes:
    fields = "".join(f"X-{number}: {number}\r\n" for number in range(count))
    return f"GET / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode()


def odd_words(contract: Contract, said: Sequence[bytes]) -> Scenario:
    """A client for each: it takes what it is answered, so that nobody is written to who has gone, and leaves.

    Of datagrams the last one is empty, which is odd as well.
    """
    protocol = protocol_of(contract)
    words = (protocol.say(name, data) for name, data in zip(client_names(len(said)), said, strict=True))
    nothing = (SendDatagram("Z", b""),) if protocol.connectionless else ()
    return scenario(*words, nothing, Settle(labels.SAID))
