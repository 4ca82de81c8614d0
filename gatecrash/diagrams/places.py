"""Where a task is, said short: a call with its descriptor, and what that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gatecrash.language import marked, say, spoken
from gatecrash.model.blocked import BlockedTask, Descriptor, as_called
from gatecrash.text import duration

_STATES = {"blocked": marked("blocked"), "stopped": marked("stopped"), "running": marked("running")}
_UNSEEN = marked("a call the kernel does not let us see")


def in_words(task: BlockedTask, descriptors: Mapping[tuple[int, int], str]) -> str:
    """What a task does, short: "blocked in accept(3): the listening socket". `descriptors`: what is known of them."""
    state = spoken(_STATES[task.state])
    if task.state == "running" or not task.call:
        return state
    on = task.descriptor
    if on is None:
        call = spoken(_UNSEEN) if task.call == "?" else as_called(task.call)
        more = "" if task.call == "?" else _more(task, descriptors)
        return say("{verb} in {call}{more}", verb=state, call=call, more=more)
    call, what = f"{task.call}({on.number})", descriptors.get((task.pid, on.number))
    if what is None:
        return say("{verb} in {call}", verb=state, call=call)
    return say("{verb} in {call}: {what}", verb=state, call=call, what=what)


def _more(task: BlockedTask, descriptors: Mapping[tuple[int, int], str]) -> str:
    """What a call on no single descriptor watches or waits for, and for how long."""
    more = "" if task.watched is None else say(", watching nothing")
    if task.watched:
        more = say(", watching {named}", named=_watched(task, task.watched, descriptors))
    if task.waits_for:
        more += f", {spoken(task.waits_for)}"
    if task.limit is None:
        return more
    if task.limit == float("inf"):
        return more + say(", for a time we cannot read")
    return more + say(", for at most {time}", time=duration(task.limit))


def _watched(task: BlockedTask, watched: Sequence[Descriptor], descriptors: Mapping[tuple[int, int], str]) -> str:
    """The descriptors of a set, each with what it is, where a look has told."""
    named = [f"{one.number} ({descriptors.get((task.pid, one.number)) or spoken(one.kind)})" for one in watched]
    listed = ", ".join(named)
    return listed if not task.more else say("{named} and {more} more", named=listed, more=task.more)
