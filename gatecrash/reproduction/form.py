"""How a script sees that an answer is not well-formed: for each rule about that, the few lines that find it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

#: From all that came for each judged client in Gatecrash's own run (b"" where it was not kept) to the lines.
Finder = Callable[[Sequence[bytes]], tuple[str, ...]]

_SPLIT = 'head, _, body = got.partition(b"\\r\\n\\r\\n")'
_LENGTH = 'length = re.search(rb"(?i)\\ncontent-length: *(\\d+)", head)'
_CHUNKS = 'chunks = re.search(rb"(?i)\\ntransfer-encoding:.*chunked", head)'
#: The beginnings of the answers in what came.
COUNT = 'count = len(re.findall(rb"HTTP/1\\.[01] \\d\\d\\d ", got))'


def failing(wrong: str, expected: str, got: str) -> tuple[str, ...]:
    """The lines that fail where `wrong`; `expected` and `got` are string literals."""
    return (wrong, f"    fail({expected}, {got})")


def _status_line(_: Sequence[bytes]) -> tuple[str, ...]:
    line = 'line = got.split(b"\\n")[0].rstrip(b"\\r")'
    wrong = 'if not re.fullmatch(rb"HTTP/1\\.[01] [1-5]\\d\\d( .*)?", line):'
    return (line, *failing(wrong, '"a status line like HTTP/1.1 200 OK"', 'f"{line}"'))


def _bare_line_feed(_: Sequence[bytes]) -> tuple[str, ...]:
    bare = 'bare = re.search(rb"[^\\n]*(?<!\\r)\\n", re.match(rb"(?s).*?\\n\\r?\\n|.*", got)[0])'
    return (bare, *failing("if bare:", '"lines of the head that end with CRLF"', 'f"{bare[0]}"'))


def _header_section(_: Sequence[bytes]) -> tuple[str, ...]:
    head = 'head, *body = re.split(rb"\\r?\\n\\r?\\n", got, maxsplit=1)'
    field = 'rb"[!#$%&\'*+.^_`|~0-9A-Za-z-]+:"'
    lines = f'wrong = [line for line in head.split(b"\\n")[1:] if not re.match({field}, line)]'
    expected = '"header lines with a name and a colon, and an empty line behind them"'
    return (head, lines, *failing("if wrong or not body:", expected, 'f"{(wrong or [got])[0]}"'))


def _body_short(came: Sequence[bytes]) -> tuple[str, ...]:
    if any(map(_is_chunked, came)):
        return _behind_chunks(came)
    expected = 'f"{int(length[1])} bytes of body, as Content-Length says"'
    wrong = "if length and len(body) < int(length[1]):"
    return (_SPLIT, _LENGTH, *failing(wrong, expected, 'f"{len(body)}, then {end}"'))


def _body_long(came: Sequence[bytes]) -> tuple[str, ...]:
    if any(map(_is_chunked, came)):
        return _behind_chunks(came)
    wrong = "if length and len(body) > int(length[1]):"
    expected = '"nothing behind the end of the answer"'
    return (_SPLIT, _LENGTH, *failing(wrong, expected, 'f"{body[int(length[1]) :]}"'))


def _behind_chunks(_: Sequence[bytes]) -> tuple[str, ...]:
    rest = "rest = behind_the_chunks(body)"
    return (_SPLIT, rest, *failing("if rest:", '"nothing behind the last chunk"', 'f"{rest}"'))


def _end_unknown(came: Sequence[bytes]) -> tuple[str, ...]:
    lengths = 'lengths = set(re.findall(rb"(?i)\\ncontent-length: *([^\\r\\n]*)", head))'
    if any(_is_chunked(one) and not _lengths(one) for one in came):
        expected = '"chunks: a hexadecimal size and so many bytes each, and a 0 at the end"'
        return (_SPLIT, _CHUNKS, *failing("if chunks and behind_the_chunks(body) is None:", expected, 'f"{body}"'))
    if any(not length.strip().isdigit() for one in came for length in _lengths(one)):
        wrong = "if any(not one.strip().isdigit() for one in lengths):"
        return (_SPLIT, lengths, *failing(wrong, '"a Content-Length in digits"', 'f"{lengths}"'))
    wrong = 'if len(lengths) + bool(chunks) > 1 or (got and not lengths and not chunks and end == "timed out"):'
    expected = '"one Content-Length, or chunks, or the end of the connection"'
    return (_SPLIT, lengths, _CHUNKS, *failing(wrong, expected, 'f"{head}, then {end}"'))


def chunks_for_the_old(came: bytes) -> tuple[str, ...]:
    """The lines that find chunks, in what came for a client of HTTP/1.0; none where it got none."""
    if not _is_chunked(came):
        return ()
    return (_SPLIT, _CHUNKS, *failing("if chunks:", '"no chunks for a client of HTTP/1.0"', 'f"{head}"'))


def _body_of_head(_: Sequence[bytes]) -> tuple[str, ...]:
    return (_SPLIT, *failing("if body:", '"no body in an answer to HEAD"', 'f"{body}"'))


def _says_close(_: Sequence[bytes]) -> tuple[str, ...]:
    says = 'says = re.search(rb"(?i)\\nconnection:.*close", got)'
    expected, seen = '"the end of the connection, as announced"', '"an answer, and the connection stays open"'
    return (says, *failing('if says and end == "timed out":', expected, seen))


def _stays_open(_: Sequence[bytes]) -> tuple[str, ...]:
    expected = '"the end of the connection behind the answer to an HTTP/1.0 request"'
    return failing('if got and end == "timed out":', expected, '"an answer, and the connection stays open"')


def _two_answers(_: Sequence[bytes]) -> tuple[str, ...]:
    return (COUNT, *failing("if count > 1:", '"one answer to one request"', 'f"{count}: {got}"'))


#: By rule.
FINDERS: Mapping[str, Finder] = {
    "RESP-04": _status_line,
    "RESP-05": _bare_line_feed,
    "RESP-06": _header_section,
    "RESP-07": _body_short,
    "RESP-08": _body_long,
    "RESP-09": _end_unknown,
    "RESP-10": _body_of_head,
    "RESP-14": _says_close,
    "RESP-15": _stays_open,
    "RESP-23": _two_answers,
}


def _is_chunked(came: bytes) -> bool:
    return re.search(rb"(?i)\ntransfer-encoding:.*chunked", came.partition(b"\r\n\r\n")[0]) is not None


def _lengths(came: bytes) -> list[bytes]:
    return re.findall(rb"(?i)\ncontent-length: *([^\r\n]*)", came.partition(b"\r\n\r\n")[0])
