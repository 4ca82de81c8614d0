"""Steps: one act each, as plain data that prints as one line. Here: those of clients; server_steps.py has the others.

Nothing here touches a socket: `gatecrash.player.play` plays them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gatecrash.language import marked, stated
from gatecrash.text import shown, size_of

Until = Literal["message", "announced", "end", "silence"]


@dataclass(frozen=True)
class Step:
    """One act. `line()` is the sentence a reader sees; `kind` is its name in a saved scenario."""

    kind: ClassVar[str] = ""
    #: It is done to the server itself, as no client can.
    on_server: ClassVar[bool] = False
    #: It makes a call of the server's fail, or something lack.
    injects: ClassVar[bool] = False

    def line(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True)
class Connect(Step):
    """`client` opens a connection (the kernel completes it, whatever the server does)."""

    kind: ClassVar[str] = "connect"
    client: str
    small_window: bool = False

    def line(self) -> str:
        if self.small_window:
            return stated("{client} connects with a small receive window", client=self.client)
        return stated("{client} connects", client=self.client)


@dataclass(frozen=True)
class Send(Step):
    """`client` sends one segment; with `until_read`, waits until the server has read it or provably will not."""

    kind: ClassVar[str] = "send"
    client: str
    data: bytes
    until_read: bool = True
    read_meanwhile: bool = True  # take what comes while the send queue is full, so that neither side waits for ever

    def line(self) -> str:
        waits = stated(", waits until it is read") if self.until_read else ""
        return stated(
            "{client} sends {data} ({size}){waits}",
            client=self.client,
            data=shown(self.data),
            size=size_of(self.data),
            waits=waits,
        )


def optional_send(client: str, data: bytes, *, until_read: bool = True) -> tuple[Send, ...]:
    """`client` sends `data`, or no step at all where there is none: a server may be asked nothing, and then speaks."""
    return (Send(client, data, until_read=until_read),) if data else ()


@dataclass(frozen=True)
class Receive(Step):
    """`client` reads: until the protocol's message is complete, until the connection ends, or to proven silence.

    "announced": the message, and on to the end of the connection if the message announces it (HTTP).
    """

    kind: ClassVar[str] = "receive"
    client: str
    until: Until = "message"
    at_most: int | None = None

    def line(self) -> str:
        if self.at_most is not None:
            return stated(
                "{client} reads at most {at_most} byte{s}",
                client=self.client,
                at_most=self.at_most,
                s="" if self.at_most == 1 else "s",
            )
        said = {
            "message": marked("{client} waits for its answer"),
            "announced": marked("{client} waits for its answer, and for the end if the answer announces it"),
            "end": marked("{client} reads until the server closes"),
            "silence": marked("{client} reads until nothing more can come"),
        }
        return stated(said[self.until], client=self.client)


@dataclass(frozen=True)
class HalfClose(Step):
    """`client` says it will send no more (FIN) and goes on reading."""

    kind: ClassVar[str] = "half-close"
    client: str

    def line(self) -> str:
        return stated("{client} half-closes (sends FIN, goes on reading)", client=self.client)


@dataclass(frozen=True)
class Close(Step):
    """`client` closes; unread input makes the kernel send RST instead of FIN."""

    kind: ClassVar[str] = "close"
    client: str

    def line(self) -> str:
        return stated("{client} closes", client=self.client)


@dataclass(frozen=True)
class Reset(Step):
    """`client` aborts the connection (RST, by SO_LINGER with zero seconds)."""

    kind: ClassVar[str] = "reset"
    client: str

    def line(self) -> str:
        return stated("{client} resets the connection", client=self.client)


@dataclass(frozen=True)
class SendDatagram(Step):
    """`client` sends one datagram from its own port."""

    kind: ClassVar[str] = "send-datagram"
    client: str
    data: bytes

    def line(self) -> str:
        return stated(
            "{client} sends the datagram {data} ({size})",
            client=self.client,
            data=shown(self.data),
            size=size_of(self.data),
        )


@dataclass(frozen=True)
class ReceiveDatagrams(Step):
    """`client` takes the datagrams that came for it: `count` of them, or all there are at proven silence."""

    kind: ClassVar[str] = "receive-datagrams"
    client: str
    count: int | None = 1

    def line(self) -> str:
        if self.count is None:
            return stated("{client} takes every datagram that comes", client=self.client)
        return stated(
            "{client} waits for {count} datagram{s}",
            client=self.client,
            count=self.count,
            s="s" if self.count != 1 else "",
        )


@dataclass(frozen=True)
class AskWithRequests(Step):
    """`client` is the library requests: it asks `times` times, each on its own or all in one `session`."""

    kind: ClassVar[str] = "ask-with-requests"
    client: str
    path: str
    method: str = "GET"
    times: int = 1
    session: bool = False

    def line(self) -> str:
        often: str = "" if self.times == 1 else stated(" {times} times", times=self.times)
        if self.times > 1 and self.session:
            often = stated(" {times} times, in one session", times=self.times)
        return stated(
            "{client}, the library requests, asks {method} {path}{often}",
            client=self.client,
            method=self.method,
            path=self.path,
            often=often,
        )
