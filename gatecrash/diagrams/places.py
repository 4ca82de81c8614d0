"""Where a task is: read back from the English sentence of gatecrash.instruments.blocked, and said short."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gatecrash.language import marked, say, spoken

_SENTENCE = re.compile(r"(?:thread (\d+) of )?process (\d+) (?:\((.*)\) )?is (blocked|stopped|running)(?: in (.*))?")
_DESCRIPTOR = re.compile(r" on descriptor (\d+).*", re.DOTALL)
_UNSEEN = marked("a call the kernel does not let us see")
_CALL = re.compile(
    r"(?P<name>[^,]*)"
    r"(?:, watching (?:(?P<nothing>nothing)|descriptors? (?P<watched>.*?)(?: and (?P<more>\d+) more)?))?"
    r"(?:, (?P<why>waiting for [a-z ]+|sleeping))?"
    r"(?:, for (?:at most (?P<seconds>\d+(?:\.\d+)?(?:e[+-]?\d+)?) s|(?P<unread>a time we cannot read)))?",
    re.DOTALL,
)
_WATCHED = re.compile(r"(\d+) \((a socket|a pipe|a kernel object)\)")


@dataclass(frozen=True)
class Place:
    """Where a task is. `call`: the call it is in, and on what, as the sentence has it."""

    sentence: str
    pid: int
    tid: int
    name: str
    verb: str
    call: str


def place_of(sentence: str) -> Place | None:
    """The parts of "process 7 (server) is blocked in accept on descriptor 3 (a socket)"; None for other words."""
    match = _SENTENCE.fullmatch(sentence)
    if match is None:
        return None
    thread, pid, name, verb, call = match.groups()
    return Place(sentence, int(pid), int(thread or pid), name or "", verb, call or "")


def in_words(place: Place, descriptors: Mapping[tuple[int, int], str]) -> str:
    """What a task does, short: "blocked in accept(3): the listening socket". `descriptors`: what is known of them."""
    if place.verb == "running":
        return say("running")
    verb = spoken(place.verb)
    if not place.call:
        return verb
    match = _DESCRIPTOR.search(place.call)
    if match is None:
        call, more = _parts(place, descriptors)
        return say("{verb} in {call}{more}", verb=verb, call=call, more=more)
    call, what = f"{place.call[: match.start()]}({match[1]})", descriptors.get((place.pid, int(match[1])))
    if what is None:
        return say("{verb} in {call}", verb=verb, call=call)
    return say("{verb} in {call}: {what}", verb=verb, call=call, what=what)


def _parts(place: Place, descriptors: Mapping[tuple[int, int], str]) -> tuple[str, str]:
    """A call on no single descriptor, and what it watches or waits for; words that are not ours stay as they are."""
    match = _CALL.fullmatch(place.call)
    if match is None or place.call == _UNSEEN:
        return spoken(place.call), ""
    more = say(", watching nothing") if match["nothing"] else ""
    if match["watched"] is not None:
        more = say(", watching {named}", named=_watched(match, place.pid, descriptors))
    if match["why"]:
        more += f", {spoken(match['why'])}"
    if match["seconds"]:
        more += say(", for at most {seconds:g} s", seconds=float(match["seconds"]))
    return match["name"], more + (say(", for a time we cannot read") if match["unread"] else "")


def _watched(match: re.Match[str], pid: int, descriptors: Mapping[tuple[int, int], str]) -> str:
    """The descriptors of a set, each with what it is, where a look has told."""

    def named(found: re.Match[str]) -> str:
        return f"{found[1]} ({descriptors.get((pid, int(found[1]))) or spoken(found[2])})"

    listed = _WATCHED.sub(named, match["watched"])
    return listed if match["more"] is None else say("{named} and {more} more", named=listed, more=match["more"])
