"""An echo that promises text, not bytes: its clients send lines of text, and everybody who waits has ended one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from gatecrash.model.scenario import HalfClose, Receive, Scenario, Send, Step
from gatecrash.protocols.echo import StreamEcho

#: Bytes in the longest line, newline included: what a text line of a mail may have (RFC 5321 4.5.3.1.6).
LONGEST = 1000
_NEWLINE, _CRLF, _FILL = b"\n", b"\r\n", ord(".")
_BLANKS = b" \t"
#: A zero byte ends a C string, half a UTF-8 sequence is no text, and what ends a line besides a newline is disputed.
_NO_TEXT = frozenset({*range(0x80, 0x100), 0x00, *b"\r\x0b\x0c\x1c\x1d\x1e\x1f"})
_AS_TEXT = bytes(_FILL if byte in _NO_TEXT else byte for byte in range(256))


class LineEcho(StreamEcho):
    """What comes back is what was sent, a line at a time: a line ends as the contract says, with LF or with CR LF."""

    @property
    def plain_request(self) -> bytes:
        return self._ended(super().plain_request)

    @property
    def wordy_request(self) -> bytes:
        return self._ended(super().wordy_request)

    def may_expect(self, sent: bytes) -> bool:
        return sent.endswith(_CRLF if self._ends_with_crlf else _NEWLINE)

    def fitted(self, scenario: Scenario) -> Scenario:
        steps = list(scenario.steps)
        for client in scenario.clients:
            own = [(at, step) for at, step in enumerate(steps) if getattr(step, "client", None) == client]
            run: list[tuple[int, Send]] = []
            for at, step in [*own, (len(steps), None)]:
                if isinstance(step, Send):
                    run.append((at, step))
                elif run:  # one that leaves in the middle of a line may do so
                    self._say(steps, run, ends=step is None or isinstance(step, Receive | HalfClose))
                    run = []
        return Scenario(tuple(steps))

    def _say(self, steps: list[Step], run: Sequence[tuple[int, Send]], *, ends: bool) -> None:
        """Put lines of text into these segments; the last may become longer."""
        said = b"".join(send.data for _, send in run)
        longest = LONGEST - len(_CRLF) if self._ends_with_crlf else LONGEST
        text = self._ended(as_lines(said, ends=ends, longest=longest))
        edges = [0, *accumulate(len(send.data) for _, send in run[:-1]), len(text)]
        for (at, send), start, end in zip(run, edges, edges[1:], strict=False):
            steps[at] = replace(send, data=text[start:end])

    @property
    def _ends_with_crlf(self) -> bool:
        return self.contract.echo.line_end == "crlf"

    def _ended(self, lines: bytes) -> bytes:
        return with_crlf(lines) if self._ends_with_crlf else lines


def as_text(data: bytes) -> bytes:
    """The data as ASCII text with nothing in it that ends a line but newlines; as many bytes."""
    return data.translate(_AS_TEXT)


def as_lines(data: bytes, *, ends: bool, longest: int = LONGEST) -> bytes:
    """The data as lines of ASCII text: none empty, too long, or with blanks at its edges, which some would strip.

    Every byte stays where it was, or another takes its place. `ends`: the last line has its newline. `longest`: bytes
    of a line with its newline.
    """
    text = as_text(data)
    body = bytearray(text.removesuffix(_NEWLINE) if ends else text)
    if ends and (not body or body.endswith(_NEWLINE)):
        body[-1:] = bytes([_FILL])
    start = 0
    while start < len(body):
        end = body.find(_NEWLINE, start, start + longest)
        if end == start:
            body[start] = _FILL
            continue
        if end < 0 and len(body) - start < longest:
            end = len(body)
        elif end < 0:
            end = min(start + longest - 1, len(body) - 2)  # something is left for the last line
            body[end : end + 1] = _NEWLINE
        for edge in (start, end - 1):
            if body[edge] in _BLANKS:
                body[edge] = _FILL
        start = end + 1
    return bytes(body) + (_NEWLINE if ends else b"")


def with_crlf(lines: bytes) -> bytes:
    """The lines with CR LF at their ends, the CR in the place of a line's last byte, so that all stays where it was.

    A line of one byte would be empty then: it goes on in the next one; the last one has its CR besides. No line has a
    blank before its CR.
    """
    *whole, rest = lines.split(_NEWLINE)
    text = bytearray()
    for number, line in enumerate(whole):
        goes_on = bool(text) and not text.endswith(_CRLF)
        if len(line) > 1 or goes_on:
            text += line[:-1]
            text[-1:] = bytes([_FILL]) if text[-1] in _BLANKS else text[-1:]
            text += _CRLF
        else:
            last = number == len(whole) - 1 and not rest
            text += line + (_CRLF if last else bytes([_FILL]))
    return bytes(text + rest)
