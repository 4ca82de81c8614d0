"""The clients' side of the wire: one connection or one datagram socket each, non-blocking, nothing decided here."""

from gatecrash.player.client.connection import StreamClient
from gatecrash.player.client.datagram import DatagramClient

__all__ = ["DatagramClient", "StreamClient"]
