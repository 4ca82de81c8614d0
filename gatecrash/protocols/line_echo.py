"""An echo that promises text, not bytes: its clients send lines of text, and everybody who waits has ended one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from gatecrash.model.scenario import HalfClose, Receive, Scenario, Send, Step
from gatecrash.protocols.echo import StreamEcho

#: Bytes in the longest line, newline included: what a text line of a mail may have (RFC 5321 4.5.3.1.6).
LONGEST = 1000
_NEWLINE, _FILL = b"\n", ord(".")
_BLANKS = b" \t"
#: A zero byte ends a C string, half a UTF-8 sequence is no text, and what ends a line besides a newline is disputed.
_NO_TEXT = frozenset({*range(0x80, 0x100), 0x00, *b"\r\x0b\x0c\x1c\x1d\x1e\x1f"})
_AS_TEXT = bytes(_FILL if byte in _NO_TEXT else byte for byte in range(256))


class LineEcho(StreamEcho):
    """What comes back is what was sent, a line at a time."""

    def may_expect(self, sent: bytes) -> bool:
        return sent.endswith(_NEWLINE)

    def fitted(self, scenario: Scenario) -> Scenario:
        steps = list(scenario.steps)
        for client in scenario.clients:
            own = [(at, step) for at, step in enumerate(steps) if getattr(step, "client", None) == client]
            run: list[tuple[int, Send]] = []
            for at, step in [*own, (len(steps), None)]:
                if isinstance(step, Send):
                    run.append((at, step))
                elif run:  # one that leaves in the middle of a line may do so
                    _say(steps, run, ends=step is None or isinstance(step, Receive | HalfClose))
                    run = []
        return Scenario(tuple(steps))


def as_text(data: bytes) -> bytes:
    """The data as ASCII text with nothing in it that ends a line but newlines; as many bytes."""
    return data.translate(_AS_TEXT)


def _say(steps: list[Step], run: Sequence[tuple[int, Send]], *, ends: bool) -> None:
    """Put lines of text into these segments; the last may become longer."""
    text = as_lines(b"".join(send.data for _, send in run), ends=ends)
    edges = [0, *accumulate(len(send.data) for _, send in run[:-1]), len(text)]
    for (at, send), start, end in zip(run, edges, edges[1:], strict=False):
        steps[at] = replace(send, data=text[start:end])


def as_lines(data: bytes, *, ends: bool) -> bytes:
    """The data as lines of ASCII text: none empty, too long, or with blanks at its edges, which some would strip.

    Every byte stays where it was, or another takes its place. `ends`: the last line has its newline.
    """
    text = as_text(data)
    body = bytearray(text.removesuffix(_NEWLINE) if ends else text)
    if ends and (not body or body.endswith(_NEWLINE)):
        body[-1:] = bytes([_FILL])
    start = 0
    while start < len(body):
        end = body.find(_NEWLINE, start, start + LONGEST)
        if end == start:
            body[start] = _FILL
            continue
        if end < 0 and len(body) - start < LONGEST:
            end = len(body)
        elif end < 0:
            end = min(start + LONGEST - 1, len(body) - 2)  # something is left for the last line
            body[end : end + 1] = _NEWLINE
        for edge in (start, end - 1):
            if body[edge] in _BLANKS:
                body[edge] = _FILL
        start = end + 1
    return bytes(body) + (_NEWLINE if ends else b"")
