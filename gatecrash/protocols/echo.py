"""A TCP echo: every byte comes back, unchanged, in order, and nothing else (RFC 862, with any port)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gatecrash.language import marked, stated
from gatecrash.model.verdicts import Plain
from gatecrash.protocols.base import ApplicationProtocol
from gatecrash.text import shown, size_of

#: 64 bytes that end a line: who echoes lines or small records answers it too, and one small buffer holds it.
ECHO_PAYLOAD = b"gatecrash says hello and would like to have this line back now.\n"

_LINES = 12

DifferenceKind = Literal["missing", "changed", "extra"]


@dataclass(frozen=True)
class StreamDifference:
    """The first place where what came is not what was sent. `offset` counts bytes from 0."""

    kind: DifferenceKind
    offset: int
    expected: bytes  # what should have come from `offset` on; empty for "extra"
    got: bytes  # what came from `offset` on; empty for "missing"

    def line(self) -> str:
        """The difference as one sentence without a full stop."""
        if self.kind == "missing":
            return stated(
                "{size} did not come back: {expected}", size=size_of(self.expected), expected=shown(self.expected)
            )
        if self.kind == "extra":
            return stated("{size} came that it did not send: {got}", size=size_of(self.got), got=shown(self.got))
        return stated(
            "byte {offset} of what came back is {got}, and of what was sent {expected}",
            offset=self.offset,
            expected=shown(self.expected[:1]),
            got=shown(self.got[:1]),
        )


def complete(sent: bytes, received: bytes) -> bool:
    """True when as many bytes came back as were sent; whether they are the same, `difference` tells."""
    return len(received) >= len(sent)


def difference(expected: bytes, got: bytes) -> StreamDifference | None:
    """The first difference between what should have come and what came; None when they are equal."""
    if expected == got:
        return None
    offset = _common_prefix(expected, got)
    kind: DifferenceKind = "changed"
    if offset == len(got):
        kind = "missing"
    elif offset == len(expected):
        kind = "extra"
    return StreamDifference(kind, offset, expected[offset:], got[offset:])


def _common_prefix(one: bytes, other: bytes) -> int:
    """The length of the longest common prefix, by halving: comparing two slices is one memcmp."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class StreamEcho(ApplicationProtocol):
    """Every byte of a connection comes back. Who sends lines of text only is fitted in `line_echo`."""

    spoken: ClassVar[str] = marked("TCP echo")
    basic_rules: ClassVar[tuple[str, ...]] = ("ACC-01", "STREAM-01")
    amount_is_known: ClassVar[bool] = True
    server_may_close_first: ClassVar[bool] = False

    @property
    def plain_request(self) -> bytes:
        return ECHO_PAYLOAD

    @property
    def wordy_request(self) -> bytes:
        return b"".join(b"gatecrash knocks, line %d\n" % number for number in range(_LINES))

    def complete(self, sent: bytes, received: bytes) -> bool:
        return complete(sent, received)

    def falls_short(self, sent: bytes, received: bytes) -> bool:
        return 0 < len(received) < len(sent)

    def is_whole(self, sent: bytes, received: bytes, *, ended: bool) -> bool:
        return complete(sent, received)

    def served(self, sent: bytes, received: bytes, *, ended: bool, alone: Plain | None, unasked: Plain | None) -> bool:
        """All came back, or all that a lone client gets back: what is missing of that, the rules of an echo judge."""
        if complete(sent, received):
            return True
        if alone is None or not alone.received or alone.answered:
            return False
        return bool(received) if alone.body_changes else len(received) >= len(alone.received)

    def owes_nothing(self, sent: int, received: int) -> bool:
        return received >= sent

    def may_expect(self, sent: bytes) -> bool:
        return bool(sent)

    def meant(self, sent: bytes, whole: bytes) -> bytes:
        return whole
