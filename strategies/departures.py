"""Clients that leave at a chosen point of the server's life: queued, before a byte, in the middle."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gatecrash.model import labels
from gatecrash.model.scenario import (
    AwaitHeld,
    Close,
    Connect,
    HalfClose,
    Hold,
    Receive,
    Release,
    Reset,
    Settle,
    Step,
    optional_send,
)
from strategies.options import at_least, known
from strategies.segments import telling_offsets

PHASES = ("queue", "before", "mid-request", "after-request", "mid-response")
#: Those of a client that was accepted.
ACCEPTED = PHASES[1:]
KINDS = ("close", "reset", "half-close", "half-close-reset", "vanish")


def departures(
    request: bytes,
    *,
    phases: Collection[str] = PHASES,
    kinds: Collection[str] = KINDS,
    client: str = "A",
    gates: bool = True,
) -> SearchStrategy[tuple[Step, ...]]:
    """The steps of one client that leaves.

    Phases: "queue" (not accepted yet: the caller freezes the server first), "before" it said anything,
    "mid-request", "after-request" (the server has read it all) and "mid-response" (held at its first send;
    without `gates`, after the first byte of the answer). Kinds: "close" (FIN), "reset" (RST), "half-close"
    (FIN, and reads on), "half-close-reset" (FIN, then RST: the first write fails with EPIPE), and "vanish"
    (stays, and says no more). Raises UsageError for an unknown phase or kind, and for a request of less
    than 2 bytes.
    """
    at_least("request's length", len(request), 2)
    chosen_kinds = known("kinds", kinds, KINDS)
    by_phase = [
        st.sampled_from([(phase, kind, sent) for kind in chosen_kinds for sent in _sent_sizes(request, phase)])
        for phase in known("phases", phases, PHASES)
    ]
    return st.one_of(by_phase).map(lambda drawn: departure(request, *drawn, client=client, gates=gates))


def departures_in_body(request: bytes, *, kinds: Collection[str] = KINDS) -> SearchStrategy[tuple[Step, ...]]:
    """The steps of one client, A, that leaves in its body: before the first byte, in the middle, before the last byte.

    Nothing at all where the request has no body (RFC 9112 6). Raises UsageError for an unknown kind.
    """
    start = request.find(b"\r\n\r\n") + 4
    offsets = sorted({start, (start + len(request)) // 2, len(request) - 1}) if start < len(request) else []
    chosen = [(kind, sent) for kind in known("kinds", kinds, KINDS) for sent in offsets]
    return (
        st.sampled_from(chosen).map(lambda drawn: departure(request, "mid-request", *drawn)) if chosen else st.nothing()
    )


def departure(
    request: bytes, phase: str, kind: str, sent: int, *, client: str = "A", gates: bool = True
) -> tuple[Step, ...]:
    """One departure: `sent` is how many bytes of the request the client sends before it leaves."""
    leave = _leave(kind, client)
    reads_on = (Receive(client, "silence"),) if kind == "half-close" else ()
    said = optional_send(client, request[:sent], until_read=phase != "queue")
    match phase:
        case "queue":
            return (Connect(client), *said, *leave)
        case "before":
            return (Connect(client), Settle(labels.ACCEPTED), *leave, *reads_on)
        case "mid-response" if gates:
            return (Hold("send"), Connect(client), *said, AwaitHeld(), *leave, Release(), *reads_on)
        case "mid-response":
            return (Connect(client), *said, Receive(client, at_most=1), *leave, *reads_on)
        case _:
            return (Connect(client), *said, *leave, *reads_on)


def _sent_sizes(request: bytes, phase: str) -> tuple[int, ...]:
    match phase:
        case "queue":
            return (0, len(request))
        case "before":
            return (0,)
        case "mid-request":
            return telling_offsets(request)
        case _:
            return (len(request),)


def _leave(kind: str, client: str) -> tuple[Step, ...]:
    ways: dict[str, tuple[Step, ...]] = {
        "close": (Close(client),),
        "reset": (Reset(client),),
        "half-close": (HalfClose(client),),
        "half-close-reset": (HalfClose(client), Reset(client)),
        "vanish": (),
    }
    return ways[kind]
