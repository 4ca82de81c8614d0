"""What clients do in a scenario: they connect, send, receive and leave."""

from __future__ import annotations

import socket
from collections.abc import Callable

from gatecrash.model.scenario import (
    AskWithRequests,
    Close,
    Connect,
    HalfClose,
    Receive,
    ReceiveDatagrams,
    Reset,
    Send,
    SendDatagram,
    Until,
)
from gatecrash.model.transcript import Connected, Flooded, Got, NotConnected, NotSent, Sent, Silent
from gatecrash.player.client import DatagramClient, StreamClient
from gatecrash.player.playback import Stage, act

#: Datagrams that one step of a client takes: more than any scenario sends.
_MOST_DATAGRAMS = 1 << 12


@act.register
def _connect(step: Connect, stage: Stage) -> None:
    while True:
        client = StreamClient(step.client, stage.server.arena.tcp(), small_window=step.small_window)
        outcome = client.connect(stage.server.address)
        if outcome == "connected":
            break
        client.close()
        # A dropped SYN is retried by the kernel after a second: that is no slowness of the server's, so
        # wait for room in the queue instead, unless there provably never will be any.
        if outcome == "refused" or stage.frozen or not stage.waiter.until(lambda: _room(stage)).reached:
            stage.record(NotConnected(stage.index, step.client, "refused" if outcome == "refused" else "queue full"))
            return
    stage.streams[step.client] = client
    stage.record(Connected(stage.index, step.client))


def _room(stage: Stage) -> bool:
    listener = stage.server.listener()
    return listener is None or listener.depth <= listener.backlog


@act.register
def _send(step: Send, stage: Stage) -> None:
    client = stage.streams.get(step.client)
    if client is None or not client.open:
        stage.record(NotSent(stage.index, step.client, step.data, "ENOTCONN"))
        return
    rest = step.data
    while rest:
        taken, error = client.send(rest)
        rest = rest[taken:]
        if error is not None:
            stage.take(client)
            stage.record(NotSent(stage.index, step.client, step.data, error))
            return
        if rest and not _drained(stage, client, step.read_meanwhile):
            break
    _record_sent(stage, client, step, unsent=len(rest))


def _drained(stage: Stage, client: StreamClient, read_meanwhile: bool) -> bool:
    """Room in the send queue, or something read: a client that only writes would lock an echo server up."""

    def moved() -> bool:
        return client.writable() or (read_meanwhile and stage.take(client)) or client.end is not None

    # Who does not read does not expect to be read: a server that waits for it need not be watched to its tick.
    waited = stage.waiter.until(moved, client.sock, writable=True, owed=read_meanwhile)
    return waited.reached and client.end is None


def _record_sent(stage: Stage, client: StreamClient, step: Send, unsent: int) -> None:
    look = stage.server.watch_reading(client.address) if step.until_read and not stage.frozen else None
    if look is None:
        stage.record(Sent(stage.index, step.client, step.data, None, None))
        return
    outcome = stage.waiter.until(lambda: _read_or_gone(stage, client, look))
    consumed = look()
    read = not unsent and consumed is not None and consumed >= len(client.sent)
    stage.record(Sent(stage.index, step.client, step.data, read, consumed, outcome.proven, outcome.where))


def _read_or_gone(stage: Stage, client: StreamClient, look: Callable[[], int | None]) -> bool:
    stage.take(client)
    if client.end is not None:
        return True
    consumed = look()
    return consumed is None or consumed >= len(client.sent)


@act.register
def _receive(step: Receive, stage: Stage) -> None:
    client = stage.streams.get(step.client)
    if client is None or not client.open:
        return
    wanted, judged = step.at_most, -1
    while client.end is None and not client.flooded:
        got = stage.take(client, wanted)
        if wanted is not None and got:
            return
        if client.end is not None or client.flooded:
            return
        if _worth_judging(len(client.received), judged, more=got):
            if _has_all(stage, client, step.until):
                return
            judged = len(client.received)
        if got:
            continue
        outcome = stage.waiter.until_readable(
            client.sock, at_once=step.until == "silence", owed=not _owes_nothing(stage, client, step.until)
        )
        if not outcome.reached:
            stage.record(Silent(stage.index, client.name, outcome.proven, outcome.still, outcome.where))
            return


def _worth_judging(size: int, judged: int, *, more: bool) -> bool:
    """Whether `size` bytes may be all, when `judged` were not. While `more` comes, only when it is much more.

    Each judgement reads everything anew: of a long answer that comes in small pieces, not each piece is one's last.
    """
    return size != judged and (not more or size > judged + judged // 8)


def _owes_nothing(stage: Stage, client: StreamClient, until: Until) -> bool:
    """Whether silence is what a correct server says now; else it is only believed when it was waited out."""
    if until == "silence":
        return True
    return not client.half_closed and stage.protocol.owes_nothing(len(client.sent), len(client.received))


def _has_all(stage: Stage, client: StreamClient, until: Until) -> bool:
    if until not in ("message", "announced"):
        return False
    sent, received = bytes(client.sent), bytes(client.received)
    if not stage.protocol.complete(sent, received):
        return False
    return until == "message" or not stage.protocol.announces_end(sent, received)


@act.register
def _half_close(step: HalfClose, stage: Stage) -> None:
    client = stage.streams.get(step.client)
    if client is None:
        return
    if client.received and stage.protocol.complete(bytes(client.sent), bytes(client.received)):
        client.satisfied = len(client.received)
    client.half_close()


@act.register
def _close(step: Close, stage: Stage) -> None:
    if step.client in stage.streams:
        stage.streams[step.client].close()


@act.register
def _reset(step: Reset, stage: Stage) -> None:
    if step.client in stage.streams:
        stage.streams[step.client].reset()


def _datagram_client(stage: Stage, name: str) -> DatagramClient:
    if name not in stage.datagrams:
        stage.datagrams[name] = DatagramClient(name, stage.server.arena.udp())
    return stage.datagrams[name]


@act.register
def _send_datagram(step: SendDatagram, stage: Stage) -> None:
    error = _datagram_client(stage, step.client).send(step.data, stage.server.address)
    if error is not None:
        stage.record(NotSent(stage.index, step.client, step.data, error))
    else:
        stage.record(Sent(stage.index, step.client, step.data, None, None, port=stage.server.address[1]))


@act.register
def _receive_datagrams(step: ReceiveDatagrams, stage: Stage) -> None:
    client = _datagram_client(stage, step.client)
    count = size = 0
    while step.count is None or count < step.count:
        taken = client.take()
        if taken is not None and count >= _MOST_DATAGRAMS:
            stage.record(Flooded(stage.index, client.name, size))
            return
        if taken is not None:
            size += len(taken[0])
            stage.record(Got(stage.index, client.name, taken[0], source_port=taken[1]))
            count += 1
            continue
        outcome = stage.waiter.until_readable(client.sock, at_once=step.count is None)
        if not outcome.reached:
            stage.record(Silent(stage.index, client.name, outcome.proven, outcome.still, outcome.where))
            return


@act.register
def _ask_with_requests(step: AskWithRequests, stage: Stage) -> None:
    from gatecrash.player.client.library import answers_of  # requests takes 0.1 s to import, and one rule needs it

    def wait(sock: socket.socket) -> None:
        outcome = stage.waiter.until_readable(sock)
        if not outcome.reached:
            stage.record(Silent(stage.index, step.client, outcome.proven, outcome.still, outcome.where))
            raise TimeoutError("the server sends nothing more")

    arena, address = stage.server.arena, stage.server.address
    for answer in answers_of(step, stage.index, arena.tcp, address, wait, stage.patience):
        stage.record(answer)
        stage.waiter.settle(wait_out=False)  # a close that is under way is seen by the next request
