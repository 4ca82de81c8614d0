"""A protocol Gatecrash does not know, over TCP: of its answers only the length can be known."""

from __future__ import annotations

from typing import ClassVar

from gatecrash.language import marked
from gatecrash.model.verdicts import Plain
from gatecrash.protocols.base import ApplicationProtocol
from gatecrash.protocols.http.requests import get_request


class UnknownProtocol(ApplicationProtocol):
    """What a plain GET is answered with is a word like any other; its length, when it is known, says when it is all."""

    spoken: ClassVar[str] = marked("neither HTTP nor an echo")

    @property
    def plain_request(self) -> bytes:
        return get_request(self.contract.http.path)

    @property
    def speaks(self) -> bool:
        return self.contract.unknown.size > 0

    @property
    def is_silent_unpromised(self) -> bool:
        return self.contract.unknown.silence == "seen"

    def complete(self, sent: bytes, received: bytes) -> bool:
        return sent == self.plain_request and 0 < self.contract.unknown.size <= len(received)

    def owes_nothing(self, sent: int, received: int) -> bool:
        return received >= self.contract.unknown.size

    def meant(self, sent: bytes, whole: bytes) -> bytes:
        return whole

    def served(self, sent: bytes, received: bytes, *, ended: bool, alone: Plain | None, unasked: Plain | None) -> bool:
        """What it says may change with what it has seen; that it answers may not."""
        return bool(received) or sent != self.plain_request
