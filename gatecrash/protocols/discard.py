"""A server that answers nothing, and is meant to (RFC 863, with any port)."""

from __future__ import annotations

from gatecrash.protocols.unknown import UnknownProtocol


class Discard(UnknownProtocol):
    """An unknown protocol whose contract promises silence: nobody misses an answer."""

    @property
    def is_silent_unpromised(self) -> bool:
        return False
