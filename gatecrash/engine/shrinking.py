"""Smaller scenarios than one that broke a rule: fewer segments, fewer clients, fewer bytes.

Hypothesis shrinks what it drew, one play each, and has little time for it: a build with the sanitizers takes long to
start, a loaded machine is slow. What is nearly always enough is tried here: two segments, one client of a crowd.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from gatecrash.model.scenario import (
    Close,
    Connect,
    HalfClose,
    Reset,
    Scenario,
    Send,
    SendDatagram,
    Settle,
    Step,
    played_by,
)

_SHORT, _TWO = 8, 2  # bytes: less is not worth a play; segments
_CROWD = 16  # clients


def fewer_segments(scenario: Scenario) -> Iterator[Scenario]:
    """Of a crowd of several kinds, one; without what may be needless; then, of many segments in a row, the same in two.

    Many are three or more of one client.
    """
    yield from _of_one_kind(scenario)
    yield from _without_needless(scenario)
    for first, last in _runs(scenario.steps):
        run = [step for step in scenario.steps[first:last] if isinstance(step, Send)]
        for cut in dict.fromkeys((1, len(run) - 1, len(run) // 2)):
            two = (_as_one(run[:cut]), _as_one(run[cut:]))
            yield replace(scenario, steps=(*scenario.steps[:first], *two, *scenario.steps[last:]))


def _of_one_kind(scenario: Scenario) -> Iterator[Scenario]:
    """The clients of one kind of a crowd that has several of each kind."""
    kinds: dict[tuple[Step, ...], set[str]] = {}
    for client in scenario.clients if len(scenario.clients) >= _CROWD else ():
        own = tuple(played_by("A", step) for step in scenario.steps if getattr(step, "client", None) == client)
        kinds.setdefault(own, set()).add(client)
    if len(kinds) > 1 and min(map(len, kinds.values())) > 1:
        for chosen in kinds.values():
            steps = (step for step in scenario.steps if getattr(step, "client", None) in {None, *chosen})
            yield replace(scenario, steps=tuple(steps))


def _without_needless(scenario: Scenario) -> Iterator[Scenario]:
    """Without one step more of a client that has left already, or a half-close that it resets at once.

    Such a half-close may be what it takes: a write fails with EPIPE where both have come, and with ECONNRESET else.
    """
    left = set[str]()
    for at, step in enumerate(scenario.steps):
        if isinstance(step, Connect):
            left.discard(step.client)
        elif isinstance(step, Close | Reset):
            if step.client in left:
                yield _without_step(scenario, at)
            left.add(step.client)
        elif isinstance(step, HalfClose) and scenario.steps[at + 1 : at + 2] == (Reset(step.client),):
            yield _without_step(scenario, at)


def _without_step(scenario: Scenario, at: int) -> Scenario:
    return replace(scenario, steps=(*scenario.steps[:at], *scenario.steps[at + 1 :]))


def _runs(steps: Sequence[Step]) -> Iterator[tuple[int, int]]:
    """Where runs of three sends or more of one client begin and end."""
    at = 0
    for key, group in groupby(steps, lambda step: step.client if isinstance(step, Send) else None):
        size = len(list(group))
        if key is not None and size > _TWO:
            yield at, at + size
        at += size


def _as_one(run: Sequence[Send]) -> Send:
    return replace(run[-1], data=b"".join(step.data for step in run))


def smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Each of its clients alone; then, its payloads cut: by half first, at last by a byte."""
    if len(scenario.clients) > 1:
        yield from (alone(scenario, client) for client in scenario.clients)
    for at, step in enumerate(scenario.steps):
        if isinstance(step, Send | SendDatagram) and len(step.data) > _SHORT:
            size = len(step.data)
            for length in dict.fromkeys((size // 2, size * 3 // 4, size * 7 // 8, size - 1)):
                yield _with_step(scenario, at, replace(step, data=step.data[:length]))


def alone(scenario: Scenario, client: str) -> Scenario:
    """What one client does, as client A; of looks with nothing between them the last one is left."""
    own = [step for step in scenario.steps if getattr(step, "client", client) == client]
    behind = [*own[1:], None]
    started = False
    kept: list[Step] = []
    for step, following in zip(own, behind, strict=True):
        started = started or hasattr(step, "client")
        idle = isinstance(step, Settle) and (not started or isinstance(following, Settle))
        if not idle:
            kept.append(played_by("A", step))
    return replace(scenario, steps=tuple(kept))


def _with_step(scenario: Scenario, at: int, step: Step) -> Scenario:
    return replace(scenario, steps=(*scenario.steps[:at], step, *scenario.steps[at + 1 :]))
