"""The head of an HTTP/1.x answer: its status line and its field lines (RFC 9112, sections 3 to 5)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gatecrash.language import stated

_STATUS_LINE = re.compile(rb"HTTP/\d\.\d \d{3} [\t\x20-\x7e\x80-\xff]*")  # RFC 9112, section 4
_LENIENT_STATUS_LINE = re.compile(rb"HTTP/(\d+(?:\.\d+)?)[ \t]*(\d{3})[ \t]*(.*)", re.DOTALL)
_FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)")  # RFC 9110, section 5
_LENIENT_FIELD_LINE = re.compile(rb"([^:]+):(.*)", re.DOTALL)
_BODY_STARTS = (b"<", b"{", b"[")


@dataclass(frozen=True)
class Problem:
    """One thing that is not as the protocol wants it. `offset` counts from the first byte received."""

    kind: str
    offset: int
    got: bytes
    expected: str


@dataclass
class Head:
    """A head as far as it came. `end` is where the body begins; `complete` says that the head came whole."""

    start: int
    end: int
    version: str = ""
    status: int = 0
    reason: bytes = b""
    complete: bool = False
    field_list: list[tuple[bytes, bytes]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def fields(self) -> tuple[tuple[bytes, bytes], ...]:
        return tuple(self.field_list)

    def note(self, kind: str, offset: int, got: bytes, expected: str) -> None:
        """Keeps the first problem of each kind: one bare LF is the same mistake as twenty."""
        if all(problem.kind != kind for problem in self.problems):
            self.problems.append(Problem(kind, offset, got, expected))


def read_head(received: bytes, start: int, *, ended: bool) -> Head:
    """Reads the head that begins at `start`; one that just ends, or runs into its body: "no-empty-line"."""
    head = Head(start, len(received))
    stray: int | None = None  # where the first line stands that is no field line
    position = start
    while position < len(received):
        newline = received.find(b"\n", position)
        last = newline < 0
        if last and not ended:
            return head
        line = received[position:] if last else received[position:newline]
        content = line.removesuffix(b"\r")
        if not last and content == line:
            head.note("bare-lf", newline, received[position : newline + 1], stated("CRLF at the end of every line"))
        if not content:
            head.end, head.complete = newline + 1, True
            return head
        if position == start:
            _read_status_line(head, content)
        elif not _read_field_line(head, content, position):
            stray = position if stray is None else stray
            if content.startswith(_BODY_STARTS):
                return _without_empty_line(head, received, stray)
        position = len(received) if last else newline + 1
    return _without_empty_line(head, received, stray) if ended else head


def _without_empty_line(head: Head, received: bytes, body_start: int | None) -> Head:
    """The head ends where the first line stands that can only be body, or with the last byte."""
    head.end = len(received) if body_start is None else body_start
    head.complete = True
    head.problems = [problem for problem in head.problems if problem.offset < head.end]
    head.note(
        "no-empty-line",
        head.end,
        received[head.end : head.end + 40],
        stated("an empty line (CRLF) behind the header lines"),
    )
    return head


def _read_status_line(head: Head, line: bytes) -> None:
    if not _STATUS_LINE.fullmatch(line):
        head.note("status-line", head.start, line, stated("a status line like HTTP/1.1 200 OK"))
    match = _LENIENT_STATUS_LINE.fullmatch(line)
    if match:
        head.version, head.status, head.reason = match[1].decode(), int(match[2]), match[3]


def _read_field_line(head: Head, line: bytes, offset: int) -> bool:
    """Takes the field in; False when the line has none."""
    strict = _FIELD_LINE.fullmatch(line)
    if not strict:
        head.note("field-line", offset, line, stated("a header line like Content-Type: text/html"))
    match = strict or _LENIENT_FIELD_LINE.fullmatch(line)
    if match is None or line.startswith((b" ", b"\t")):
        return False
    head.field_list.append((match[1].strip(), match[2].strip(b" \t\r")))
    return True
