"""A long scenario as a reader wants it: what a hundred clients do alike is told once."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import fields

from gatecrash.language import marked, stated
from gatecrash.model.server_steps import LetTimePass
from gatecrash.model.steps import Send, Step
from gatecrash.text import duration, shown

#: Steps of a block that is looked for again behind itself; lines that a fold must save to be worth its words.
_LONGEST_BLOCK, _LEAST_SAVED = 48, 5
_FEWEST_PIECES = 3  # that are told in one line
_NAMED = 3  # clients that are named before "..."


def folded_lines(steps: Sequence[Step]) -> list[tuple[int, str]]:
    """The lines of a scenario with the numbers of their steps; repetitions of a block are one line behind it.

    In a block that is repeated, repetitions are told so, too; then the line says from which step on it is the same.
    """
    lines: list[tuple[int, str]] = []
    names = {_client(step) for step in steps} - {""}
    who = [_client(step, names) for step in steps]
    alike = [_but_for_the_client(step, names) for step in steps]
    at = 0
    while at < len(steps):
        if (drip := _drip(steps, at)) > 1:
            lines.append((at + 1, _drips(steps[at : at + 2 * drip], at + 2 * drip)))
            at += 2 * drip
            continue
        size, times = best_block(who, alike, at)
        end = at + size
        if times == 1:
            lines.append((end, steps[at].line()))
        else:
            block = [(at + number, line) for number, line in folded_lines(steps[at:end])]
            again = who[end : end + size * (times - 1)]
            since = at + 1 if len(block) < size else None
            lines += [*block, (end + 1, _again(who[at:end], again, times - 1, end + len(again), since))]
            end += len(again)
        at = end
    return lines


def _drip(steps: Sequence[Step], at: int) -> int:
    """How many pieces one client sends from here on, each after the same pause; 0 where so few are as well told."""
    pieces = 0
    for pause, send in zip(steps[at::2], steps[at + 1 :: 2], strict=False):
        first = steps[at + 1]
        if pause != steps[at] or not isinstance(pause, LetTimePass):
            break
        if not (isinstance(send, Send) and isinstance(first, Send) and send.client == first.client):
            break
        pieces += 1
    return pieces if pieces >= _FEWEST_PIECES else 0


def _drips(steps: Sequence[Step], last: int) -> str:
    sends = [step for step in steps if isinstance(step, Send)]
    pauses = [step.seconds for step in steps if isinstance(step, LetTimePass)]
    return stated(
        "to {last}: {client} sends {data} in {count} pieces, each after a pause of {time} of the server's time",
        last=last,
        client=sends[0].client,
        data=shown(b"".join(step.data for step in sends)),
        count=len(sends),
        time=duration(pauses[0]),
    )


def best_block(who: Sequence[str], alike: Sequence[Hashable], at: int, least: int = _LEAST_SAVED) -> tuple[int, int]:
    """The block here that saves the most steps, and how often it comes; (1, 1) where none saves `least` of them.

    `who` acts in each step, "" for nobody; two steps are the same but for that where `alike` is.
    """
    best, most = (1, 1), least - 1
    for size in range(1, min(_LONGEST_BLOCK, (len(who) - at) // 2) + 1):
        times = 1
        while _same(who, alike, at, at + size * times, size):
            times += 1
        saved = size * (times - 1) - 1
        if saved > most:
            best, most = (size, times), saved
    return best


def _same(who: Sequence[str], alike: Sequence[Hashable], first: int, second: int, size: int) -> bool:
    if second + size > len(who) or alike[first : first + size] != alike[second : second + size]:
        return False
    return _roles(who[first : first + size]) == _roles(who[second : second + size])


def _but_for_the_client(step: Step, names: Collection[str]) -> Hashable:
    values = (getattr(step, one.name) for one in fields(step) if one.name != "client")
    return type(step), tuple(None if isinstance(value, str) and value in names else value for value in values)


def _roles(who: Sequence[str]) -> tuple[int, ...]:
    """Who acts, as a number by first appearance; -1 for nobody."""
    seen: dict[str, int] = {}
    return tuple(seen.setdefault(name, len(seen)) if name else -1 for name in who)


def _client(step: Step, names: Collection[str] = ()) -> str:
    """Whose step it is: its client's, or whose name its label is (a look when B has left)."""
    label = str(getattr(step, "label", ""))
    return str(getattr(step, "client", "")) or (label if label in names else "")


def _again(block: Sequence[str], again: Sequence[str], times: int, last: int, since: int | None) -> str:
    before, names = set(block) - {""}, list(dict.fromkeys(name for name in again if name))
    if len(before) == 1 and before.isdisjoint(names):
        shown = names if len(names) <= _NAMED + 1 else [*names[:_NAMED], "...", names[-1]]
        listed, number = ", ".join(shown), len(names)
        if since is not None:
            same = marked("to {last}: the same as from {since} on, for {listed} ({number} clients)")
            return stated(same, last=last, since=since, listed=listed, number=number)
        return stated("to {last}: the same for {listed} ({number} clients)", last=last, listed=listed, number=number)
    if since is not None and times == 1:
        return stated("to {last}: the same as from {since} on, once more", last=last, since=since)
    if since is not None:
        return stated("to {last}: the same as from {since} on, {times} times more", last=last, since=since, times=times)
    if times == 1:
        return stated("to {last}: the same once more", last=last)
    return stated("to {last}: the same {times} times more", last=last, times=times)
