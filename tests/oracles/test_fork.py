"""Rules about fork itself, on transcripts made by hand: what they call held, broken, and not put to the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import pytest

from gatecrash.model import calls as fates
from gatecrash.model.blocked import BlockedTask, Descriptor
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Close, Fail, ReadOutput, StartOnTerminal
from gatecrash.model.transcript import CallTrace, Ended, Event, Got, Printed, ServerEnded, Snapshot, Started, TracedCall
from tests.oracles.forked import ANSWER, connects, doing, failed, knocks, looked, moving, said, side, visits
from tests.sequences import Part, asked, look

RULES = ("FORK-01", "FORK-04", "FORK-05", "FORK-06", "FORK-08", "FORK-09", "FORK-14")
MUTE = Contract(protocol="none", concurrency="fork")


@pytest.mark.parametrize("rule", RULES)
def test_nothing_says_nothing(rule: str) -> None:
    assert said(rule, []) == "not exercised"


@pytest.mark.parametrize("rule", RULES)
def test_clients_that_connect_and_are_not_looked_at_say_nothing(rule: str) -> None:
    assert said(rule, connects("A", "B")) == "not exercised"


# -- one child for a connection -------------------------------------------------------------------------------------

ONE = look(children=(9,), connections=(side("A", 9),))
TWO = look(children=(9, 10), connections=(side("A", 9, 10),))
POLLS_A_PIPE = BlockedTask(9, 9, "server", "blocked", "poll", watched=(Descriptor(7, "pipe"),))
NOBODY = look(connections=(side("A", 7),))


def serving(seen: Snapshot, start: Snapshot | None = None) -> list[Part]:
    return [looked("start", start or look()), *connects("A"), looked("serving", seen)]


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        pytest.param(ONE, "held", id="one child"),
        pytest.param(look(children=(9, 10), connections=(side("A", 9),)), "held", id="a child, and a helper of its"),
        pytest.param(doing(TWO, (9, "read", None), (10, "recvfrom", None)), "broken", id="two children"),
        pytest.param(doing(TWO, (9, "poll", None), (10, "read", None)), "broken", id="one polls, on what nobody knows"),
        pytest.param(doing(TWO, (9, "read", None), (10, "accept", None)), "broken", id="one takes the next client"),
        pytest.param(doing(TWO, (9, "wait4", None), (10, "read", None)), "not exercised", id="a child, and its helper"),
        pytest.param(
            replace(doing(TWO, (9, "poll", None), (10, "read", None)), where=(POLLS_A_PIPE,)),
            "not exercised",
            id="its helper waits for the child",
        ),
        pytest.param(look(children=(9,), connections=(side("A", 9, 10),)), "not exercised", id="a copy left open"),
        pytest.param(NOBODY, "not exercised", id="no child"),
        pytest.param(look(), "not exercised", id="no connection"),
        pytest.param(replace(ONE, still="restless"), "unproven", id="it moves"),
        pytest.param(replace(ONE, still="resting"), "unproven", id="it may yet fork"),
    ],
)
def test_one_child_serves_one_connection(seen: Snapshot, outcome: str) -> None:
    assert said("FORK-01", serving(seen)) == outcome


def test_processes_that_were_there_before_are_not_counted() -> None:
    two = look(children=(9, 10), connections=(side("A", 9, 10),))
    assert said("FORK-01", serving(two, start=look(children=(10,)))) == "not exercised"


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        pytest.param(ONE, "held", id="the child alone has it"),
        pytest.param(look(children=(9,), connections=(side("A", 7, 9),)), "broken", id="both have it"),
        pytest.param(NOBODY, "not exercised", id="the parent alone has it"),
        pytest.param(look(), "not exercised", id="nobody is connected"),
        pytest.param(replace(ONE, still="restless"), "unproven", id="it moves"),
        pytest.param(replace(ONE, still="resting"), "unproven", id="nobody knows where the parent is"),
    ],
)
def test_the_parent_closes_its_copy(seen: Snapshot, outcome: str) -> None:
    assert said("FORK-05", serving(seen)) == outcome


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        pytest.param(ONE, "held", id="the parent alone has it"),
        pytest.param(replace(ONE, listener_holders=(7, 9)), "broken", id="the child has it, too"),
        pytest.param(replace(look(children=(9,)), listener_holders=(7, 9)), "not exercised", id="a worker has it"),
        pytest.param(NOBODY, "not exercised", id="no child"),
        pytest.param(replace(ONE, still="restless"), "unproven", id="it moves"),
    ],
)
def test_the_child_closes_the_listening_socket(seen: Snapshot, outcome: str) -> None:
    assert said("FORK-06", serving(seen)) == outcome


KEPT = replace(ONE, listener_holders=(7, 9))
SHARED = look(children=(9,), connections=(side("A", 7, 9),))


def limited(seen: Snapshot, call: str = "recvfrom", parent: tuple[str, float | None] = ("accept", None)) -> Snapshot:
    """The parent accepts, and the child waits in a call for ten seconds."""
    return replace(doing(seen, (7, *parent), (9, call, 10.0)), still="resting")


@pytest.mark.parametrize(
    ("rule", "seen", "outcome"),
    [
        pytest.param("FORK-06", limited(ONE), "held", id="it was closed before the child reads"),
        pytest.param("FORK-06", limited(KEPT), "broken", id="it is open while the child reads"),
        pytest.param("FORK-06", limited(KEPT, "poll"), "broken", id="it is open while the child polls"),
        pytest.param("FORK-06", limited(KEPT, "clock_nanosleep"), "unproven", id="the child sleeps before all that"),
        pytest.param("FORK-01", limited(ONE), "held", id="it is the only child"),
        pytest.param("FORK-01", limited(ONE, "clock_nanosleep"), "unproven", id="it may yet fork"),
        pytest.param("FORK-05", limited(ONE), "held", id="the parent is back in accept"),
        pytest.param("FORK-05", limited(SHARED), "broken", id="the parent is back in accept with its copy"),
        pytest.param(
            "FORK-05",
            limited(SHARED, parent=("clock_nanosleep", 10.0)),
            "unproven",
            id="the parent sleeps before it closes",
        ),
    ],
)
def test_a_child_that_reads_with_a_time_limit_is_at_its_work(rule: str, seen: Snapshot, outcome: str) -> None:
    assert said(rule, serving(seen)) == outcome


# -- who knocks while a child is at work ----------------------------------------------------------------------------

ACCEPTED = look(children=(9, 10), connections=(side("A", 9), side("B", 10)))
QUEUED = look(children=(9,), connections=(side("A", 9), side("B", accepted=False)), depth=1)
NO_HANG = 1


def knocking(seen: Snapshot, *came: Event) -> list[Part]:
    return [*connects("A"), *knocks("B", *came), looked("knocking", seen)]


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param(knocking(ACCEPTED), "held", id="it has its child"),
        pytest.param(knocking(ONE, Got(0, "B", ANSWER)), "held", id="it was served, and its child has left"),
        pytest.param(moving(knocking(ACCEPTED)), "held", id="accepted is accepted"),
        pytest.param(knocking(doing(QUEUED, (7, "wait4", None), args=(0, 0, 0))), "broken", id="blocked in wait4"),
        pytest.param(
            knocking(doing(QUEUED, (7, "wait4", None), args=(0, 0, NO_HANG))), "not exercised", id="wait4, WNOHANG"
        ),
        pytest.param(knocking(doing(QUEUED, (7, "recvfrom", None))), "not exercised", id="blocked in something else"),
        pytest.param(moving(knocking(QUEUED)), "unproven", id="it moves"),
        pytest.param(moving(knocking(QUEUED), "spinning"), "unproven", id="it asks for ever"),
        pytest.param(knocking(look(connections=(side("B", 7),))), "not exercised", id="no child is at work"),
        pytest.param([*connects("A"), looked("knocking", ONE)], "not exercised", id="nobody knocks"),
        pytest.param(knocking(replace(ACCEPTED, running=False)), "not exercised", id="it is gone"),
    ],
)
def test_the_parent_does_not_wait_while_others_knock(parts: list[Part], outcome: str) -> None:
    assert said("FORK-04", parts) == outcome


# -- fork fails -----------------------------------------------------------------------------------------------------

LET_GO = (Ended(0, "A", "FIN"),)
HELD_ON = look(connections=(side("A", 7),))


def fork_fails(
    *,
    calls: Sequence[TracedCall] | None = None,
    came: Sequence[Event] = LET_GO,
    seen: Snapshot | None = None,
    last: list[Part] | None = None,
) -> list[Part]:
    """A's fork fails; B comes when A has been let go, or has not."""
    trace = CallTrace(0, failed("fork") if calls is None else tuple(calls))
    return [
        (Fail("fork", "EAGAIN"), []),
        *knocks("A", *came),
        looked("failed", seen or look()),
        (Close("A"), []),
        *(visits("B") if last is None else last),
        (Close("B"), [trace]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param(fork_fails(), "held", id="the next is served"),
        pytest.param(moving(fork_fails()), "held", id="served is served"),
        pytest.param(fork_fails(last=asked("B", None)), "broken", id="the next is not"),
        pytest.param(fork_fails(calls=()), "not exercised", id="it never forks"),
        pytest.param(fork_fails(calls=[TracedCall(7, "fork", "clone", 0, fates.RAN)]), "not exercised", id="it worked"),
        pytest.param(fork_fails(calls=failed("thread")), "not exercised", id="it was another call that failed"),
        pytest.param([*fork_fails(), (Close("B"), [ServerEnded(0, 0)])], "not exercised", id="it leaves later"),
    ],
)
def test_a_failed_fork_is_survived(parts: list[Part], outcome: str) -> None:
    assert said("FORK-08", parts) == outcome


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param(fork_fails(), "held", id="its connection is closed"),
        pytest.param(fork_fails(came=[Got(0, "A", ANSWER)]), "held", id="it is answered all the same"),
        pytest.param(moving(fork_fails()), "held", id="an end is an end"),
        pytest.param(fork_fails(came=[], seen=HELD_ON), "broken", id="the parent keeps it"),
        pytest.param(
            fork_fails(came=[], seen=doing(HELD_ON, (7, "recvfrom", None))), "not exercised", id="the parent serves it"
        ),
        pytest.param(fork_fails(came=[], seen=ONE), "not exercised", id="a child has it all the same"),
        pytest.param(moving(fork_fails(came=[], seen=HELD_ON)), "unproven", id="it moves"),
        pytest.param(fork_fails(calls=()), "not exercised", id="it never forks"),
        pytest.param(fork_fails(seen=look(running=False)), "not exercised", id="it let go of everything"),
    ],
)
def test_the_client_is_let_go_when_fork_fails(parts: list[Part], outcome: str) -> None:
    assert said("FORK-09", parts) == outcome


def test_who_never_gets_anything_may_be_let_go_but_not_left_waiting() -> None:
    assert said("FORK-09", fork_fails(), MUTE) == "held"
    assert said("FORK-09", fork_fails(came=[], seen=HELD_ON), MUTE) == "not exercised"


# -- what is printed again ------------------------------------------------------------------------------------------


def prints(*shares: str, whole: bool = True, seen: Sequence[Snapshot] = (), served: bool = True) -> list[Part]:
    """What is read at the start, and with each client, who is looked for."""
    texts = list(accumulate(shares))
    parts: list[Part] = [(ReadOutput("start"), [Printed(0, "start", texts[0].encode(), whole)])]
    for name, text in zip("ABCDEF", texts[1:], strict=False):
        at = seen[ord(name) - ord("A")] if seen else look()
        parts += [*(visits(name) if served else asked(name, None)), looked("", at)]
        parts.append((ReadOutput(name), [Printed(0, name, text.encode(), whole)]))
    return parts


def on_terminal(*shares: str) -> list[Part]:
    """The same on a terminal."""
    return [(StartOnTerminal(), [Started(0, "terminal", True, (9157,), None, "")]), *prints(*shares)]


QUIET, UP = ("",) * 4, ("up\n", "", "", "")


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param([*prints(*QUIET), *on_terminal(*UP)], "held", id="what the parent kept back stays there"),
        pytest.param([*prints(*UP), *on_terminal(*UP)], "held", id="printed once"),
        pytest.param(prints(*UP), "held", id="printed once, and there is no terminal"),
        pytest.param([*prints("", "up\n", "up\n", "up\n"), *on_terminal(*UP)], "broken", id="with each client again"),
        pytest.param(prints("", "a\n", "a\nb\n", "a\nb\nc\n"), "broken", id="more with each client"),
        pytest.param(prints("", "up\n", "up\n", "up\n"), "broken by time alone", id="it may be the child's own"),
        pytest.param([*prints(*QUIET), *on_terminal(*QUIET)], "not exercised", id="it prints nothing"),
        pytest.param([*prints("", "x\n", "x\n", "x\n"), *on_terminal(*UP)], "unproven", id="on a terminal never"),
        pytest.param(prints(*UP, whole=False), "not exercised", id="not all was kept"),
        pytest.param(prints(*UP, served=False), "not exercised", id="nobody was served"),
        pytest.param(prints("up\n", "", ""), "not exercised", id="two clients"),
        pytest.param(moving(prints(*UP)), "unproven", id="it moves"),
        pytest.param(
            prints(*UP, seen=[look(), look(children=(9,)), look(children=(9, 10))]),
            "not exercised",
            id="the children have not ended",
        ),
        pytest.param(prints(*UP, seen=[look(), look(), look(running=False)]), "not exercised", id="it is gone"),
    ],
)
def test_what_the_parent_printed_is_not_printed_again(parts: list[Part], outcome: str) -> None:
    assert said("FORK-14", parts) == outcome
