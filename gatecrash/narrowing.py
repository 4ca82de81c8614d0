"""Smaller scenarios than one that broke a rule, where what others do does not matter: fewer clients, fewer bytes.

Hypothesis shrinks what it drew, one play each, and a build with the sanitizers takes long to start. One client of a
crowd is nearly always enough, so that is tried first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gatecrash.scenario import Scenario, Send, SendDatagram, Settle, Step, played_by

_SHORT = 8  # bytes: less is not worth a play


def smaller(played: Scenario) -> Iterator[Scenario]:
    """Each of its clients alone; then, its payloads cut: by half first, at last by a byte."""
    if len(played.clients) > 1:
        yield from (_alone(played, client) for client in played.clients)
    for at, step in enumerate(played.steps):
        if isinstance(step, Send | SendDatagram) and len(step.data) > _SHORT:
            size = len(step.data)
            for length in dict.fromkeys((size // 2, size * 3 // 4, size * 7 // 8, size - 1)):
                yield _with_step(played, at, replace(step, data=step.data[:length]))


def _alone(played: Scenario, client: str) -> Scenario:
    """As client A; of looks with nothing between them the last one is left."""
    own = [step for step in played.steps if getattr(step, "client", client) == client]
    behind = [*own[1:], None]
    started = False
    kept: list[Step] = []
    for step, following in zip(own, behind, strict=True):
        started = started or hasattr(step, "client")
        idle = isinstance(step, Settle) and (not started or isinstance(following, Settle))
        if not idle:
            kept.append(played_by("A", step))
    return replace(played, steps=tuple(kept))


def _with_step(played: Scenario, at: int, step: Step) -> Scenario:
    return replace(played, steps=(*played.steps[:at], step, *played.steps[at + 1 :]))
