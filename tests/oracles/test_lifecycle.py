"""Starting, stopping and resting, on transcripts made by hand: held, broken, or not put to the test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatecrash.model.processes import ProcessEntry
from gatecrash.model.scenario import Connect, Freeze, Settle, Signal, StartOnTakenPort
from gatecrash.model.transcript import ClientSide, Connected, ServerEnded, Snapshot, Started, Transcript
from gatecrash.model.verdicts import Finding, NotExercised
from tests.oracles.played import GET, Word, asks, closes, comes, ends, finishes, looks, played, ruled, sends, word
from tests.sequences import Part, look, nothing

RULES = ("LIFE-01", "LIFE-02", "LIFE-03", "LIFE-07", "LIFE-08")
GONE = ServerEnded(0, -15)


@pytest.mark.parametrize("rule", RULES)
def test_where_nothing_happened_nothing_held(rule: str) -> None:
    for made in (nothing(), played(comes("A"), closes("A")), played(asks("A"), closes("A"))):
        assert isinstance(ruled(rule, made), NotExercised)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("label", ["", "before SIGTERM", "after SIGTERM", "A has left", "nobody is there"])
def test_one_look_at_a_server_that_is_never_still_proves_nothing(rule: str, label: str) -> None:
    made = played(comes("A"), closes("A"), looks(label, look(still="restless")))
    assert isinstance(ruled(rule, made), NotExercised)


def start(*, listening: bool = False, status: int | None = None, proven: bool = True) -> Transcript:
    came = Started(0, "taken", listening, (9158,) if listening else (), status, "bind: taken", proven, wanted=9157)
    return played((StartOnTakenPort(), [came]))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(start(status=1), "held", id="it exits with 1"),
        pytest.param(start(status=-6), "held", id="an assertion ends it"),
        pytest.param(start(status=0), "broken", id="it exits with 0"),
        pytest.param(start(status=-11), "not exercised", id="it dies of a memory fault"),
        pytest.param(start(listening=True), "not exercised", id="it listens elsewhere"),
        pytest.param(start(), "not exercised", id="it sits there for good"),
        pytest.param(start(proven=False), "not proven", id="it has neither ended nor come to rest"),
        pytest.param(played((StartOnTakenPort(), [])), "not exercised", id="it was not started"),
    ],
)
def test_a_failed_start_is_told_by_the_status(made: Transcript, expected: Word) -> None:
    assert word(ruled("LIFE-01", made)) == expected


def test_whose_status_it_is_may_be_unknown() -> None:
    assert word(ruled("LIFE-01", start(status=0), background="unknown")) == "perhaps broken"


def told(before: Snapshot, after: Snapshot, *, how: str = "SIGTERM", ended: ServerEnded | None = GONE) -> Transcript:
    signal: Part = (Signal("parent", how), [])
    return played(looks("before SIGTERM", before), signal, looks("after SIGTERM", after), ends=ended)


DEAD = replace(look(running=False), listener=None)
SURVIVES = told(look(), look(), ended=None)
NEVER_STILL = told(look(), look(still="restless"), ended=None)
DEAD_BEFORE = told(DEAD, DEAD)
NOT_TOLD = told(look(), DEAD, how="SIGHUP")
NOT_LOOKED = played((Settle("before SIGTERM"), []), (Signal("parent", "SIGTERM"), []), looks("after SIGTERM", DEAD))
CRASHES = told(look(), DEAD, ended=ServerEnded(0, -11))


@pytest.mark.parametrize(
    ("made", "main", "everything"),
    [
        pytest.param(told(look(), DEAD), "held", "held", id="it ends"),
        pytest.param(told(look(children=(8,)), DEAD), "held", "held", id="it ends with its child"),
        pytest.param(SURVIVES, "broken", "not exercised", id="it sleeps on"),
        pytest.param(NEVER_STILL, "perhaps broken", "not exercised", id="it is about to do something"),
        pytest.param(DEAD_BEFORE, "not exercised", "not exercised", id="it had died before"),
        pytest.param(NOT_TOLD, "not exercised", "not exercised", id="it was not told"),
        pytest.param(NOT_LOOKED, "not exercised", "not exercised", id="nobody looked before"),
        pytest.param(CRASHES, "not exercised", "held", id="it dies of a memory fault"),
    ],
)
def test_sigterm_ends_it(made: Transcript, main: Word, everything: Word) -> None:
    assert (word(ruled("LIFE-02", made)), word(ruled("LIFE-03", made))) == (main, everything)


def left(*entries: tuple[int, int], still: str = "quiet") -> Snapshot:
    """The first process has gone, and of these (pid, parent) something is left."""
    processes = tuple(ProcessEntry(pid, parent, "S", "server", 1, 0, 0, 0) for pid, parent in entries)
    return replace(look(running=False), processes=processes, still=still)  # type: ignore[arg-type]


def family(*entries: tuple[int, int]) -> Snapshot:
    processes = tuple(ProcessEntry(pid, parent, "S", "server", 1, 0, 0, 0) for pid, parent in entries)
    return replace(look(), processes=processes)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(family((7, 1), (8, 7)), left((8, 1)), "broken", id="a child lives on"),
        pytest.param(family((7, 1), (8, 7)), left((8, 1), still="restless"), "perhaps broken", id="it may be ending"),
        pytest.param(family((7, 1), (8, 1)), left((8, 1)), "held", id="who lives on was started by somebody else"),
        pytest.param(family((6, 1), (7, 6)), left((6, 1)), "not exercised", id="the signal went to a child"),
    ],
)
def test_sigterm_ends_what_it_started(before: Snapshot, after: Snapshot, expected: Word) -> None:
    assert word(ruled("LIFE-03", told(before, after))) == expected


def test_whoever_outlives_sigterm_is_named() -> None:
    finding = ruled("LIFE-03", told(family((7, 1), (8, 7), (9, 7)), left((8, 1), (9, 1))))
    assert isinstance(finding, Finding)
    assert finding.got.startswith("the first process has gone; still there: process 8, 9")


SPINS = replace(look(still="spinning"), share=0.97)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(played(looks("nobody is there", look())), "held", id="it sleeps"),
        pytest.param(played(looks("nobody is there", look(still="resting"))), "held", id="it wakes up now and then"),
        pytest.param(
            played(looks("nobody is there", look()), comes("A"), looks("idle", SPINS)), "broken", id="it spins"
        ),
        pytest.param(
            played(looks("nobody is there", look()), looks("idle", look(still="restless"))), "not proven", id="it works"
        ),
        pytest.param(played(looks("nobody is there", DEAD), ends=GONE), "not exercised", id="it has died"),
    ],
)
def test_an_idle_server_sleeps(made: Transcript, expected: Word) -> None:
    assert word(ruled("LIFE-07", made)) == expected


THERE = look(connections=[ClientSide("A", "ESTABLISHED", True, 0, 0, 0, ((7, 4),))])
QUEUED = look(connections=[ClientSide("A", "ESTABLISHED", False, 0, 0, 0, ())])


def leaving(there: Snapshot, after: Snapshot, *said: Part, dies: ServerEnded | None = None) -> Transcript:
    return played(comes("A"), looks("accepted", there), *said, closes("A"), looks("A has left", after), ends=dies)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(leaving(THERE, look()), "held", id="it comes to rest"),
        pytest.param(leaving(THERE, look(still="resting")), "held", id="it wakes up now and then"),
        pytest.param(leaving(look(), look(), sends("A", b"GE")), "held", id="half a request was read"),
        pytest.param(
            played(comes("A"), finishes("A", ends("A")), looks("A has left", look())), "held", id="it half-closes"
        ),
        pytest.param(leaving(THERE, SPINS), "broken", id="it spins"),
        pytest.param(leaving(SPINS, SPINS), "not exercised", id="it spins before"),
        pytest.param(leaving(THERE, look(still="restless")), "not proven", id="it is never still"),
        pytest.param(leaving(QUEUED, look()), "not exercised", id="it was not accepted"),
        pytest.param(leaving(look(), look(), sends("A", b"GE", read=False)), "not exercised", id="it was not heard"),
        pytest.param(leaving(THERE, DEAD, dies=GONE), "not exercised", id="the server dies of it"),
        pytest.param(
            played(comes("A"), looks("accepted", THERE), closes("A")), "not exercised", id="nobody looks after it"
        ),
        pytest.param(played(comes("A"), (Freeze(), []), looks("", THERE)), "not exercised", id="nobody leaves"),
    ],
)
def test_a_client_that_left_is_forgotten(made: Transcript, expected: Word) -> None:
    assert word(ruled("LIFE-08", made)) == expected


def test_who_spins_while_output_waits_is_told_so() -> None:
    """A client that has room for little, and reads nothing of it; it may have finished."""
    comes_small = (Connect("A", small_window=True), [Connected(0, "A")])
    full = played(comes_small, sends("A", GET), looks("full", SPINS), closes("A"), looks("A has left", look()))
    ruling = ruled("LIFE-08", full)
    assert isinstance(ruling, Finding)
    assert ruling.expected == "the server comes to rest while a client reads nothing"
    gone = played(comes_small, sends("A", GET), looks("full", look()), closes("A"), looks("A has left", SPINS))
    ruling = ruled("LIFE-08", gone)
    assert isinstance(ruling, Finding)
    assert ruling.expected == "the server comes to rest after a client has left"


def test_that_it_spins_while_another_client_stays_is_told() -> None:
    two = look(connections=[replace(THERE.connections[0], client=name) for name in ("A", "B")])
    asks_and_leaves = (comes("A"), sends("A", GET), looks("here", two), closes("A"))
    stays = ruled("LIFE-08", played(comes("B"), *asks_and_leaves, looks("A has left", replace(two, still="spinning"))))
    assert isinstance(stays, Finding)
    assert stays.expected == "the server comes to rest after a client has left, while another one stays"


def test_who_spins_only_while_a_client_reads_nothing_is_another_rules_affair() -> None:
    reads = (comes("A"), sends("A", GET), looks("full", SPINS))
    assert word(ruled("LIFE-07", played(*reads, looks("A stays", look())))) == "not exercised"
    drained = (comes("A"), sends("A", GET), looks("full", look()))
    assert word(ruled("LIFE-07", played(*drained, looks("A stays", SPINS)))) == "broken"
    assert word(ruled("LIFE-07", played(*drained, looks("A stays", look())))) == "held"
