"""What the rules of the accept queue say of transcripts made by hand."""

from __future__ import annotations

from dataclasses import replace
from signal import SIGPIPE
from typing import Any

import pytest

from gatecrash.model.contract import Contract
from gatecrash.model.labels import IN_THE_QUEUE
from gatecrash.model.scenario import AwaitHeld, Close, Connect, Freeze, Receive, Reset, Settle, Step, Thaw
from gatecrash.model.sockets import Listener
from gatecrash.model.transcript import Connected, Ended, Got, HeldAt, ServerEnded, Snapshot
from gatecrash.model.verdicts import Case
from tests.oracles.visits import ECHO, SILENT, Came, Cases, Said, case, process, ruling, seen, side, unseen, visit
from tests.sequences import Part, look

LISTENER = look().listener
assert LISTENER is not None


def listener(**facts: Any) -> Listener:
    assert LISTENER is not None
    return replace(LISTENER, **facts)


def frozen(depth: int, state: str = "T") -> Part:
    return seen(IN_THE_QUEUE, processes=(process(state=state),), listener=listener(depth=depth))


def arrived(came: Came, client: str) -> tuple[list[Part], list[Part]]:
    """What a client does before the server goes on, and afterwards."""
    first, *rest = visit(client, came)
    return [first, rest[0]], rest[1:]


def together(
    *came: Came,
    queue: Part | None = None,
    rest: Part | None = None,
    contract: Contract = ECHO,
    more: tuple[ServerEnded, ...] = (),
) -> Case:
    """Clients that come while the server is frozen."""
    parts = [arrived(how, client) for how, client in zip(came, "ABC", strict=False)]
    before, after = [p for one, _ in parts for p in one], [p for _, one in parts for p in one]
    stopped: Part = (Freeze(), [])
    thawed: Part = (Thaw(), [])
    ends = rest or seen("rest")
    return case(stopped, before, queue or frozen(len(came)), thawed, after, ends, contract=contract, more=more)


LEFT = seen("rest", look(depth=1))
ACC_02: Cases = {
    "all who waited are served": ("held", together("served", "served")),
    "one is left in the queue": ("broken", together("served", "silence", rest=LEFT)),
    "one is left in the queue of a server in motion": (
        "suspected",
        together("served", "silence", rest=seen("rest", look(depth=1, still="restless"))),
    ),
    "the server dies of them": ("broken", together("served", "reset", more=(ServerEnded(9, 1),))),
    "one is not answered, and nobody is left in the queue": ("not exercised", together("served", "silence")),
    "they were not all in the queue": ("not exercised", together("served", "served", queue=frozen(1))),
    "the server was not frozen": ("not exercised", together("served", "served", queue=frozen(2, state="S"))),
    "nobody looked at the queue": ("not exercised", together("served", "served", queue=unseen(IN_THE_QUEUE))),
    "nobody looked at the end": ("not exercised", together("served", "served", rest=unseen("rest"))),
    "one client came": ("not exercised", together("served")),
    "nobody came": ("not exercised", together("never", "never")),
    "who answers nobody takes all": ("held", together("silence", "silence", contract=SILENT)),
    "who answers nobody leaves one": ("broken", together("silence", "silence", rest=LEFT, contract=SILENT)),
    "who answers nobody is never still": (
        "unproven",
        together("silence", "silence", rest=seen("rest", still="restless"), contract=SILENT),
    ),
}


def ordered(*sides: object, reached: bool = True, proven: bool = True, looks: bool = True) -> Case:
    parts = [arrived("served", client) for client in "AB"]
    before, after = [p for one, _ in parts for p in one], [p for _, one in parts for p in one]
    waits: Part = (AwaitHeld(), [HeldAt(0, "sendto", reached, proven)])
    first = seen("first answer", connections=sides) if looks else unseen("first answer")
    return case(before, waits, first, after)


A_READ, B_READ = side("A", consumed=6), side("B", consumed=6)
A_WAITS, B_WAITS = side("A", unread=6), side("B", unread=6)
ACC_03: Cases = {
    "the first is read while the second waits": ("held", ordered(A_READ, B_WAITS)),
    "the second is read while the first waits": ("broken", ordered(A_WAITS, B_READ)),
    "both were read": ("not exercised", ordered(A_READ, B_READ)),
    "nobody was read": ("not exercised", ordered(A_WAITS, B_WAITS)),
    "one client is there": ("not exercised", ordered(A_READ)),
    "no answer was sent": ("not exercised", ordered(A_READ, B_WAITS, reached=False)),
    "whether an answer would be sent is not proven": (
        "unproven",
        ordered(A_READ, B_WAITS, reached=False, proven=False),
    ),
    "nobody looked": ("not exercised", ordered(looks=False)),
}


def at_the_start(snapshot: Snapshot | None = None, **facts: Any) -> Case:
    return case([seen("start", snapshot, **facts)])


ACC_04: Cases = {
    "the backlog is as asked": ("held", at_the_start()),
    "the backlog is too small": ("broken", at_the_start(listener=listener(backlog=1))),
    "the server is never still": ("unproven", at_the_start(still="restless")),
    "the server sleeps for a while": ("held", at_the_start(still="resting")),
    "nobody listens": ("not exercised", at_the_start(listener=None)),
    "nobody looked": ("not exercised", case([unseen("start")])),
}


def harmless(
    leave: type[Step],
    *came: Came,
    queue: Part | None = None,
    leaves: bool = True,
    more: tuple[ServerEnded, ...] = (),
) -> Case:
    """A client that comes and leaves while the server is frozen, and others that stay."""
    parts = [arrived(how, client) for how, client in zip(came, "AB", strict=False)]
    before, after = [p for one, _ in parts for p in one], [p for _, one in parts for p in one]
    left: list[Part] = [(Connect("X"), [Connected(0, "X")]), (leave("X"), [])] if leaves else []  # type: ignore[call-arg]
    steps = ((Freeze(), []), *left, *before, queue or frozen(len(came) + leaves), (Thaw(), []), *after)
    return case(steps, more=more)


def harm(leave: type[Step], other: type[Step]) -> Cases:
    return {
        "the others are served": ("held", harmless(leave, "served", "served")),
        "one of the others is not served": ("broken", harmless(leave, "served", "silence")),
        "silence for the others is not proven": ("suspected", harmless(leave, "served", "unproven")),
        "the server dies": ("broken", harmless(leave, "served", "reset", more=(ServerEnded(9, 1),))),
        "the server dies of sending to the one that left": (
            "not exercised",
            harmless(leave, "served", "reset", more=(ServerEnded(9, -SIGPIPE),)),
        ),
        "nobody left": ("not exercised", harmless(leave, "served", "served", leaves=False)),
        "somebody left in another way": ("not exercised", harmless(other, "served", "served")),
        "who left was not in the queue": ("not exercised", harmless(leave, "served", "served", queue=frozen(2))),
        "nobody looked at the queue": ("not exercised", harmless(leave, "served", queue=unseen(IN_THE_QUEUE))),
        "nobody stayed": ("not exercised", harmless(leave, "never")),
    }


CASES: dict[str, Cases] = {
    "ACC-02": ACC_02,
    "ACC-03": ACC_03,
    "ACC-04": ACC_04,
    "ACC-05": harm(Reset, Close),
    "ACC-06": harm(Close, Reset),
}


@pytest.mark.parametrize(
    ("rule", "said", "judged"),
    [
        pytest.param(rule, said, judged, id=f"{rule}-{name}")
        for rule, cases in CASES.items()
        for name, (said, judged) in cases.items()
    ],
)
def test_an_oracle_of_the_queue_says_what_was_seen(rule: str, said: Said, judged: Case) -> None:
    assert ruling(rule, judged) == said


def test_who_answers_nobody_is_seen_to_take_the_others_by_a_look() -> None:
    played = [
        (Freeze(), []),
        (Connect("X"), [Connected(0, "X")]),
        (Reset("X"), []),
        (Connect("A"), [Connected(0, "A")]),
        frozen(2),
        (Thaw(), []),
        (Receive("A"), []),
    ]
    assert ruling("ACC-05", case(played, contract=SILENT)) == "not exercised"
    looked = [*played, seen("A is there", connections=(side("A"),))]
    assert ruling("ACC-05", case(looked, contract=SILENT)) == "held"
    assert isinstance(looked[-1][0], Settle)


def test_who_is_turned_away_in_words_of_the_servers_own_was_not_harmed() -> None:
    reset = harmless(Close, "served", "reset")
    events = reset.transcript.events
    at = next(number for number, event in enumerate(events) if isinstance(event, Ended))
    refused = (*events[:at], Got(events[at].step, "B", b"busy\n"), *events[at:])
    told = replace(reset, transcript=replace(reset.transcript, events=refused))
    assert ruling("ACC-06", reset) == "broken"
    assert ruling("ACC-06", told) == "not exercised"
