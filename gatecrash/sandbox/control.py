"""The broker's end of its line to the tester: requests come, replies and descriptors go.

A SOCK_SEQPACKET socket: JSON, descriptors by SCM_RIGHTS. Standard library only, as all that the broker imports.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
from collections.abc import Mapping
from typing import Any

MESSAGE_SIZE = 200_000  # below the default SO_SNDBUF of a Unix socket (212992)


class TesterGone(Exception):
    """Nobody is left to work for."""


class Control:
    """`private`: this process is in a pid namespace of its own."""

    def __init__(self, line: socket.socket, *, private: bool) -> None:
        self._line = line
        self._private = private

    def fileno(self) -> int:
        """Readable when there is a request, or the tester is gone."""
        return self._line.fileno()

    def request(self) -> dict[str, Any] | None:
        """The next one; None when the tester is gone."""
        try:
            message = self._line.recv(MESSAGE_SIZE)
        except ConnectionResetError:
            return None
        return dict(json.loads(message)) if message else None

    def give(self, descriptors: list[int]) -> None:
        """Hand descriptors over and close ours, before the reply that lets the tester use them.

        A socket is closed by its last descriptor: with a copy left here, the tester's close(2) would send no FIN.
        """
        rights = struct.pack(f"{len(descriptors)}i", *descriptors)
        self._line.sendmsg([b'{"more": true}'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        for descriptor in descriptors:
            os.close(descriptor)

    def reply(self, message: Mapping[str, Any], speak_for: int = 0) -> None:
        """Answer the tester. With `speak_for`, the kernel tells it that process's pid as the tester sees it.

        unix(7), SCM_CREDENTIALS: a privileged sender may name another pid, and the kernel translates it into
        the receiver's pid namespace. It stays true when the process is already dead and reaped.
        """
        ancillary: list[tuple[int, int, bytes]] = []
        if speak_for and self._private:
            credentials = struct.pack("3i", speak_for, os.geteuid(), os.getegid())
            ancillary.append((socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials))
        self._line.sendmsg([json.dumps({"pid": speak_for, **message}).encode()], ancillary)

    def hear(self, hear: socket.socket) -> tuple[dict[str, Any] | None, str | None, list[int]]:
        """Of a child that was started: its failure, or None where it was executed; why it is not traced; its listener.

        It may say first that it cannot be traced, then comes the listener, then the end of file. Raises TesterGone.
        """
        listener: list[int] = []
        untraced: str | None = None
        poll = select.poll()
        poll.register(hear, select.POLLIN)
        poll.register(self._line, 0)  # 0: only its hang-up
        while True:
            if any(ready == self._line.fileno() for ready, _ in poll.poll()):
                raise TesterGone
            data, received, _, _ = socket.recv_fds(hear, 4096, 1, socket.MSG_CMSG_CLOEXEC)
            listener += received
            if not data:
                return None, untraced, listener
            message = json.loads(data)
            untraced = message.get("clock", untraced)
            if "stage" in message:
                return message, untraced, listener
