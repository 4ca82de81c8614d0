"""A UDP echo: one datagram, one answer with the same bytes. They may overtake each other.

RFC 768 keeps no order, so answers are matched whatever the order they come in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from gatecrash.language import joined, marked, stated
from gatecrash.model.scenario import ReceiveDatagrams, Scenario, SendDatagram, Step
from gatecrash.model.transcript import Transcript
from gatecrash.protocols import echo
from gatecrash.protocols.base import UPPER_CASE, ApplicationProtocol
from gatecrash.protocols.echo import ECHO_PAYLOAD, DifferenceKind
from gatecrash.protocols.line_echo import as_text
from gatecrash.protocols.upper_echo import in_upper_case
from gatecrash.text import shown, size_of


@dataclass(frozen=True)
class DatagramDifference:
    """One datagram that is missing, changed or extra. `index` is its place in the list it stands in."""

    kind: DifferenceKind
    index: int
    expected: bytes | None  # None for "extra": nobody should have got anything
    got: bytes | None  # None for "missing": nothing came. b"" is an empty datagram that did come
    #: For "changed": where, and whether it was cut short ("missing") or padded ("extra").
    detail: echo.StreamDifference | None

    def line(self) -> str:
        """The difference as one sentence without a full stop."""
        if self.expected is None:
            return stated("a datagram came that nobody is owed: {named}", named=_named(self.got))
        if self.detail is None:
            return stated("no answer came to the datagram {named}", named=_named(self.expected))
        if self.got is not None and self.detail.kind == "extra":
            line, size = self.detail.line(), size_of(self.got)
            return stated("the answer to {named} has {size}: {line}", named=_named(self.expected), size=size, line=line)
        return stated(
            "the answer to {named} is {came}: {line}",
            named=_named(self.expected),
            came=_named(self.got) if self.got else stated("an empty one"),
            line=self.detail.line(),
        )


def complete(sent: Sequence[bytes], received: Sequence[bytes]) -> bool:
    """True when as many datagrams came back as were sent."""
    return len(received) >= len(sent)


def difference(expected: Sequence[bytes], got: Sequence[bytes]) -> DatagramDifference | None:
    """The first datagram that is wrong, whatever the order they came in; None when all are right.

    Datagrams that came unchanged are matched first; what is left over is compared in order.
    """
    owed = _left_over(expected, got)
    came = _left_over(got, expected)
    if owed and came:
        (_, wanted), (index, datagram) = owed[0], came[0]
        return DatagramDifference("changed", index, wanted, datagram, echo.difference(wanted, datagram))
    if owed:
        return DatagramDifference("missing", owed[0][0], owed[0][1], None, None)
    if came:
        return DatagramDifference("extra", came[0][0], None, came[0][1], None)
    return None


def _left_over(these: Sequence[bytes], others: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Those of `these` that have no equal in `others`, each with its index."""
    free = Counter(others)
    left: list[tuple[int, bytes]] = []
    for index, datagram in enumerate(these):
        if free[datagram] > 0:
            free[datagram] -= 1
        else:
            left.append((index, datagram))
    return left


def _named(data: bytes | None) -> str:
    return stated("nothing") if data is None else joined((shown(data), " (", size_of(data), ")"), "")


class DatagramEcho(ApplicationProtocol):
    """Datagrams come back: as they are, or, where the contract promises text, with its letters large."""

    spoken: ClassVar[str] = marked("UDP echo")
    basic_rules: ClassVar[tuple[str, ...]] = ("DGRAM-01", "DGRAM-09")
    connectionless: ClassVar[bool] = True

    @property
    def plain_request(self) -> bytes:
        return ECHO_PAYLOAD

    def come(self, client: str) -> tuple[Step, ...]:
        return ()

    def request(self, client: str) -> tuple[Step, ...]:
        return (SendDatagram(client, self.plain_request),)

    def ask(self, client: str) -> tuple[Step, ...]:
        return self.say(client, self.plain_request)

    def say(self, client: str, data: bytes) -> tuple[Step, ...]:
        return (SendDatagram(client, data), ReceiveDatagrams(client))

    def complete(self, sent: bytes, received: bytes) -> bool:
        """Never: a datagram is whole by itself, and whether another one comes is for silence to decide."""
        return False

    def fitted(self, scenario: Scenario) -> Scenario:
        if self.contract.echo.unit not in ("lines", "upper"):
            return scenario
        return Scenario(tuple(_as_text(step) for step in scenario.steps))

    def owed(self, transcript: Transcript) -> Transcript:
        return in_upper_case(transcript) if self.contract.echo.unit == "upper" else transcript

    @property
    def described(self) -> tuple[str, ...]:
        if self.contract.echo.unit == "other":
            return (stated(_OTHER_DATAGRAMS),)
        return (*super().described, *((stated(UPPER_CASE),) if self.contract.echo.unit == "upper" else ()))


_OTHER_DATAGRAMS = marked("UDP, but no echo")


def _as_text(step: Step) -> Step:
    return replace(step, data=as_text(step.data)) if isinstance(step, SendDatagram) else step
