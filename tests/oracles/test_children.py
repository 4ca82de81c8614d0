"""Rules about children, on transcripts made by hand: what they call held, broken, and not put to the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from signal import SIGALRM, SIGCHLD

import pytest

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Close, Connect, Freeze, ReceiveDatagrams, Reset, Send, SendDatagram, Signal, Thaw
from gatecrash.model.transcript import Connected, Ended, Got, HeldAt, NotConnected, Sent, ServerEnded, Silent, Snapshot
from tests.oracles.forked import connects, looked, moving, reads, ruling, said, side, visits, with_signals
from tests.sequences import Part, asked, look, nothing

RULES = ("FORK-02", "FORK-03", "FORK-07", "FORK-10", "FORK-11", "FORK-12", "FORK-13", "FORK-15")


@pytest.mark.parametrize("rule", RULES)
def test_nothing_says_nothing(rule: str) -> None:
    assert said(rule, []) == "not exercised"
    assert nothing().events == ()


@pytest.mark.parametrize("rule", RULES)
def test_clients_that_connect_and_are_not_looked_at_say_nothing(rule: str) -> None:
    assert said(rule, connects("A", "B")) == "not exercised"


# -- twice as many clients: FORK-02, FORK-07, FORK-12 ---------------------------------------------------------------


def twice(once: Snapshot, after: Snapshot, *, last: Sequence[Part] | None = None) -> list[Part]:
    """Two clients that are served, a look, two more, a look."""
    return [
        *visits("A", "B"),
        looked("once", once),
        *visits("C"),
        *(visits("D") if last is None else last),
        looked("twice", after),
    ]


@pytest.mark.parametrize(
    ("once", "after", "outcome"),
    [
        pytest.param(look(), look(), "held", id="none is left"),
        pytest.param(look(zombies=(11,)), look(zombies=(12,)), "held", id="who reaps with the next client has one"),
        pytest.param(look(zombies=(11,)), look(zombies=(12, 13)), "held", id="one more is chance"),
        pytest.param(look(zombies=(11, 12)), look(zombies=(11, 12, 13, 14)), "broken", id="one for each"),
        pytest.param(look(), look(children=(21,)), "not exercised", id="a child still lives"),
        pytest.param(look(), look(still="restless"), "unproven", id="it moves"),
        pytest.param(look(still="resting"), look(), "unproven", id="it would have moved"),
        pytest.param(look(), look(zombies=(1, 2), still="restless"), "broken by time alone", id="it may yet reap"),
        pytest.param(look(), look(running=False), "not exercised", id="it is gone"),
        pytest.param(
            look(),
            with_signals(look(zombies=(11, 12)), 7, caught=SIGALRM),
            "broken by time alone",
            id="a clock may make it reap",
        ),
        pytest.param(
            look(),
            replace(with_signals(look(zombies=(11, 12)), 7, caught=SIGALRM), clocked=True),
            "broken",
            id="no clock makes it reap",
        ),
    ],
)
def test_of_finished_children_none_stays_for_each_client(once: Snapshot, after: Snapshot, outcome: str) -> None:
    assert said("FORK-02", twice(once, after)) == outcome


def test_a_few_zombies_more_are_neither_chance_nor_one_for_each() -> None:
    parts = [*visits(*"ABCD"), looked("once", look()), *visits(*"EFGH"), looked("twice", look(zombies=(1, 2, 3)))]
    assert said("FORK-02", parts) == "unproven"


@pytest.mark.parametrize("rule", ["FORK-02", "FORK-07"])
@pytest.mark.parametrize(
    "last",
    [
        pytest.param(asked("D", None), id="nothing came"),
        pytest.param([(Connect("D"), [NotConnected(0, "D", "refused")])], id="nobody listens"),
    ],
)
def test_children_of_clients_that_were_not_served_are_not_counted(rule: str, last: list[Part]) -> None:
    assert said(rule, twice(look(), look(), last=last)) == "not exercised"


@pytest.mark.parametrize(("answered", "outcome"), [(True, "held"), (False, "not exercised")])
def test_over_udp_who_gets_a_datagram_is_served(answered: bool, outcome: str) -> None:
    came = [Got(0, "A", b"x")] if answered else [Silent(0, "A", True, "quiet")]
    asks: list[Part] = [(SendDatagram("A", b"x"), []), (ReceiveDatagrams("A"), came)]
    parts = [*asks, looked("once", look()), *asks, looked("twice", look())]
    assert said("FORK-02", parts, Contract(protocol="udp", concurrency="fork")) == outcome


@pytest.mark.parametrize("rule", ["FORK-07", "FORK-12"])
@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        pytest.param(look(), "held", id="all have left"),
        pytest.param(look(zombies=(21, 22)), "held", id="a zombie has left"),
        pytest.param(look(children=(21, 22)), "broken", id="two more live"),
        pytest.param(look(children=(21, 22), still="spinning"), "not exercised", id="one that spins is another rule's"),
        pytest.param(look(children=(21,), still="resting"), "broken by time alone", id="one may leave when it wakes"),
        pytest.param(look(still="restless"), "unproven", id="it moves"),
        pytest.param(look(running=False), "not exercised", id="it is gone"),
    ],
)
def test_children_leave_with_their_clients(rule: str, after: Snapshot, outcome: str) -> None:
    assert said(rule, twice(look(), after)) == outcome


def rude(*came: Connected | NotConnected) -> list[Part]:
    """One that resets in the middle of its request."""
    return [(Connect("A"), list(came)), (Send("A", b"GET"), []), (Reset("A"), [])]


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param([*rude(Connected(0, "A")), looked("twice", look())], "held", id="they need not be served"),
        pytest.param([*rude(Connected(0, "A")), looked("twice", look(depth=1))], "not exercised", id="one waits"),
        pytest.param([*rude(NotConnected(0, "A", "refused")), looked("twice", look())], "not exercised", id="refused"),
        pytest.param([*rude(), looked("twice", look())], "not exercised", id="not connected at all"),
    ],
)
def test_rude_clients_have_to_be_accepted(parts: list[Part], outcome: str) -> None:
    assert said("FORK-12", [*rude(Connected(0, "A")), looked("once", look()), *parts]) == outcome


# -- children that end together -------------------------------------------------------------------------------------


def together(
    gone: Snapshot, after: Snapshot, *, start: Snapshot | None = None, read: bool = True, last: bool = True
) -> list[Part]:
    """Two children end while the parent is stopped; a client before and one after."""
    said_once: list[Part] = [(Send(name, b"G"), [Sent(0, name, b"G", read, 1)]) for name in "AB"]
    return [
        *visits("F"),
        looked("start", start or look()),
        *connects("A", "B"),
        *said_once,
        (Freeze("parent"), []),
        *((Close(name), []) for name in "AB"),
        looked("all have gone", gone),
        (Thaw(), []),
        *(visits("L") if last else asked("L", None)),
        looked("after", after),
    ]


TWO = look(zombies=(11, 12))


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param(together(TWO, look()), "held", id="both are reaped"),
        pytest.param(together(TWO, look(zombies=(12,))), "broken", id="one stays"),
        pytest.param(together(look(), look()), "held", id="the kernel reaps for who ignores SIGCHLD"),
        pytest.param(together(look(), look(), read=False), "not exercised", id="there never were any"),
        pytest.param(together(look(children=(11, 12)), look()), "not exercised", id="they have not ended"),
        pytest.param(together(look(zombies=(11,), children=(12,)), look()), "not exercised", id="one has ended"),
        pytest.param(together(TWO, look(), last=False), "not exercised", id="nobody was served afterwards"),
        pytest.param(together(TWO, look(running=False)), "not exercised", id="it is gone"),
        pytest.param(together(TWO, look(), start=look(still="restless")), "unproven", id="it moved before"),
        pytest.param(together(TWO, look(still="resting")), "unproven", id="it moves after"),
        pytest.param(together(TWO, look(zombies=(12,), still="restless")), "broken by time alone", id="may yet reap"),
    ],
)
def test_children_that_end_together_are_reaped(parts: list[Part], outcome: str) -> None:
    assert said("FORK-03", parts) == outcome


def test_children_held_as_they_speak_first_were_there() -> None:
    parts = together(look(), look(), read=False)
    assert said("FORK-03", [*parts[:5], (Freeze(), [HeldAt(0, "send", True)]), *parts[5:]]) == "held"


# -- a child that is killed, a signal, workers ----------------------------------------------------------------------

SERVING = look(children=(9,), connections=(side("A", 9),))
DEAD = look(zombies=(9,))


def killed(serving: Snapshot, after: Snapshot, last: list[Part]) -> list[Part]:
    kill: Part = (Signal("serving", "SIGKILL"), [])
    return [*connects("A"), looked("serving", serving), kill, looked("killed", after), *last]


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param(killed(SERVING, DEAD, visits("L")), "held", id="the next is served"),
        pytest.param(killed(replace(SERVING, still="resting"), DEAD, visits("L")), "held", id="it read with a limit"),
        pytest.param(killed(SERVING, DEAD, asked("L", None)), "broken", id="the next is not served"),
        pytest.param(killed(look(), look(), visits("L")), "not exercised", id="nobody was at work"),
        pytest.param(killed(SERVING, SERVING, visits("L")), "not exercised", id="nobody died"),
        pytest.param(killed(replace(SERVING, still="restless"), DEAD, visits("L")), "unproven", id="it may have left"),
        pytest.param(
            [*killed(SERVING, DEAD, visits("L")), (Close("L"), [ServerEnded(0, 1)])], "not exercised", id="it is gone"
        ),
    ],
)
def test_a_killed_child_harms_nobody_else(parts: list[Part], outcome: str) -> None:
    assert said("FORK-10", parts) == outcome


READING = look(children=(9,), connections=(side("B", 9),))
HANDLED = with_signals(READING, 9, caught=SIGCHLD)


def signalled(reading: Snapshot, *, first: list[Part] | None = None, answered: bool = True) -> list[Part]:
    came = [] if answered else [Silent(0, "B", True, "quiet")]
    return [
        *(visits("A") if first is None else first),
        *connects("B"),
        looked("reading", reading),
        (Signal("serving", "SIGCHLD"), []),
        looked("signalled", reading),
        (Send("B", b"GET / HTTP/1.1\r\n\r\n"), []),
        *reads("B", *came),
    ]


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param(signalled(HANDLED), "held", id="it reads on"),
        pytest.param(signalled(replace(HANDLED, still="resting")), "held", id="it reads with a limit"),
        pytest.param(signalled(HANDLED, answered=False), "broken", id="it drops the connection"),
        pytest.param(signalled(READING), "not exercised", id="nobody handles it"),
        pytest.param(
            signalled(with_signals(READING, 9, caught=SIGCHLD, blocked=SIGCHLD)), "not exercised", id="it is blocked"
        ),
        pytest.param(signalled(with_signals(READING, 7, caught=SIGCHLD)), "not exercised", id="the parent handles it"),
        pytest.param(signalled(look()), "not exercised", id="nobody is at work"),
        pytest.param(signalled(HANDLED, first=asked("A", None)), "not exercised", id="nor is who gets no signal"),
        pytest.param(moving(signalled(HANDLED)), "unproven", id="it was not asleep in a call"),
    ],
)
def test_a_signal_does_not_drop_the_connection(parts: list[Part], outcome: str) -> None:
    assert said("FORK-11", parts) == outcome


WORKERS, NEW = look(children=(8, 9)), look(children=(18, 19))


def workers_die(start: Snapshot, deaths: list[Snapshot], last: list[Part]) -> list[Part]:
    kill: Part = (Signal("child", "SIGKILL"), [])
    return [looked("start", start), *(part for after in deaths for part in (kill, looked("killed", after))), *last]


REFUSED: list[Part] = [*connects("A"), *reads("A", Ended(0, "A", "FIN"))]


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param(workers_die(WORKERS, [NEW], visits("A")), "held", id="both have a successor"),
        pytest.param(workers_die(WORKERS, [NEW, look(children=(28, 29))], visits("A")), "held", id="twice"),
        pytest.param(workers_die(WORKERS, [look()], asked("A", None)), "broken", id="nobody accepts"),
        pytest.param(workers_die(WORKERS, [look(children=(18,))], visits("A")), "not exercised", id="one has none"),
        pytest.param(workers_die(WORKERS, [NEW, look()], visits("A")), "not exercised", id="the second time none has"),
        pytest.param(workers_die(WORKERS, [WORKERS], visits("A")), "not exercised", id="nobody died"),
        pytest.param(workers_die(look(), [look()], visits("A")), "not exercised", id="there are no workers"),
        pytest.param(workers_die(WORKERS, [NEW], REFUSED), "not exercised", id="it was accepted, and not served"),
        pytest.param(moving(workers_die(WORKERS, [NEW], visits("A"))), "unproven", id="it moves"),
    ],
)
def test_dead_workers_are_replaced(parts: list[Part], outcome: str) -> None:
    assert said("FORK-13", parts) == outcome


def test_how_many_workers_have_a_successor_is_said() -> None:
    ruled = ruling("FORK-13", workers_die(WORKERS, [look(children=(18,))], visits("A")))
    assert "1 of 2 killed workers" in str(ruled)


def one_dies(start: Snapshot, after: Snapshot, last: list[Part]) -> list[Part]:
    return [looked("serving", start), (Signal("accepting", "SIGKILL"), []), looked("killed", after), *last]


POOL = replace(WORKERS, listener_holders=(7, 8, 9))


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        pytest.param(one_dies(POOL, look(children=(9,)), visits("A")), "held", id="the other one serves"),
        pytest.param(one_dies(POOL, look(children=(9, 18)), asked("A", None)), "broken", id="both wait for a lock"),
        pytest.param(one_dies(POOL, look(children=(9,)), REFUSED), "broken", id="it was accepted, and not served"),
        pytest.param(one_dies(POOL, POOL, asked("A", None)), "not exercised", id="nobody died"),
        pytest.param(
            one_dies(look(children=(8,)), look(), asked("A", None)), "not exercised", id="it was the only one"
        ),
        pytest.param(
            one_dies(replace(POOL, listener_holders=(7, 8)), look(children=(9,)), asked("A", None)),
            "not exercised",
            id="the other one is a helper that has no listening socket",
        ),
        pytest.param(moving(one_dies(POOL, look(children=(9,)), visits("A"))), "unproven", id="it moves"),
    ],
)
def test_a_worker_that_dies_costs_its_own_client_alone(parts: list[Part], outcome: str) -> None:
    assert said("FORK-15", parts) == outcome
