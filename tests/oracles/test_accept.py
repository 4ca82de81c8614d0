"""What the rules of the accept loop say of transcripts made by hand."""

from __future__ import annotations

from dataclasses import replace
from signal import SIGCHLD

import pytest

from gatecrash.model import calls as fates
from gatecrash.model.contract import Contract
from gatecrash.model.processes import Task
from gatecrash.model.scenario import (
    Connect,
    Fail,
    LiftLimit,
    LimitDescriptors,
    Receive,
    Send,
    Signal,
    Watch,
)
from gatecrash.model.transcript import (
    CallTrace,
    Connected,
    End,
    Ended,
    Event,
    Got,
    Sent,
    ServerEnded,
    TimePassed,
    TracedCall,
)
from gatecrash.model.verdicts import Case, NotExercised
from gatecrash.oracles import oracle_of
from tests.oracles.visits import (
    SILENT,
    WORD,
    Cases,
    Said,
    case,
    process,
    ruling,
    seen,
    side,
    task,
    unseen,
    visit,
)
from tests.sequences import Part, look

TWO = (*visit("A"), *visit("B"))


def taken(client: str, *, accepted: bool = True, still: str = "quiet") -> Part:
    """A look at a server that has this client, or has it in its queue."""
    return seen(f"{client} is there", connections=(side(client, accepted=accepted),), still=still)


def silent_pair(*, accepted: bool = True, still: str = "quiet") -> list[Part]:
    second = visit("B", "silence", left=[taken("B", accepted=accepted, still=still)])
    return [*visit("A", "silence"), *second]


ACC_01: Cases = {
    "the second client is served": ("held", case(TWO)),
    "the second client is not served": ("broken", case(visit("A"), visit("B", "silence"))),
    "the second client waited in vain, and nothing proves it": ("suspected", case(visit("A"), visit("B", "unproven"))),
    "the second client is refused": ("broken", case(visit("A"), visit("B", "refused"))),
    "the second client never came": ("not exercised", case(visit("A"), visit("B", "never"))),
    "the first client was not served": ("not exercised", case(visit("A", "silence"), visit("B"))),
    "there is no second client": ("not exercised", case(visit("A"))),
    "who answers nobody is seen to take both": ("held", case(silent_pair(), contract=SILENT)),
    "who answers nobody is not looked at": (
        "not exercised",
        case(visit("A", "silence"), visit("B", "silence"), contract=SILENT),
    ),
    "who answers nobody leaves the second in the queue": ("broken", case(silent_pair(accepted=False), contract=SILENT)),
    "who answers nobody has not yet taken the second": (
        "suspected",
        case(silent_pair(accepted=False, still="restless"), contract=SILENT),
    ),
    "who answers nobody is gone with its first client": (
        "broken",
        case(visit("A", "silence"), visit("B", "refused"), contract=SILENT, more=[ServerEnded(9, 0)]),
    ),
}


def beside(*others: Part, idle: tuple[object, ...] = (side("I"),), look_at_end: bool = True) -> Case:
    stays: list[Part] = [(Connect("I"), [Connected(0, "I")])]
    return case(stays, others, [seen("end", connections=idle)] if look_at_end else [])


ACC_16: Cases = {
    "somebody is served beside an idle client": ("held", beside(*visit("B"))),
    "nobody is served beside an idle client": ("broken", beside(*visit("B", "silence"))),
    "silence beside an idle client is not proven": ("suspected", beside(*visit("B", "unproven"))),
    "who is turned away is not kept waiting": ("not exercised", beside(*visit("B", "reset"))),
    "the idle client was never accepted": ("not exercised", beside(*visit("B"), idle=(side("I", accepted=False),))),
    "the idle client is gone": ("not exercised", beside(*visit("B"), idle=())),
    "nobody looked whether the idle client is there": ("not exercised", beside(*visit("B"), look_at_end=False)),
    "nobody came beside the idle client": ("not exercised", beside()),
    "the idle client came last": (
        "not exercised",
        case(visit("B"), [(Connect("I"), [Connected(0, "I")])], [seen("end", connections=(side("I"),))]),
    ),
    "the one that asked never came": ("not exercised", beside(*visit("B", "never"))),
}

ACC_17: Cases = {
    "it listens after a client was served": ("held", case(visit("A"), seen("after"))),
    "it listens, and sleeps for a while": ("held", case(visit("A"), seen("after", still="resting"))),
    "it runs on and does not listen": ("broken", case(visit("A"), seen("after", listener=None))),
    "it does not listen at the moment": ("unproven", case(visit("A"), seen("after", listener=None, still="restless"))),
    "it is never still": ("unproven", case(visit("A"), seen("after", still="restless"))),
    "it was gone": ("not exercised", case(visit("A"), seen("after", look(running=False)))),
    "nobody was served": ("not exercised", case(visit("A", "silence"), seen("after"))),
    "nobody came": ("not exercised", case(visit("A", "never"), seen("after"))),
    "nobody looked": ("not exercised", case(visit("A"), unseen("after"))),
    "who answers nobody listens": ("held", case(visit("A", "silence", left=[taken("A")]), contract=SILENT)),
    "who answers nobody was not seen to take anybody": (
        "not exercised",
        case(visit("A", "silence"), seen("after"), contract=SILENT),
    ),
}


def called(*calls: tuple[str, fates.CallOutcome] | tuple[str, fates.CallOutcome, int]) -> list[CallTrace]:
    """The trace of these calls: family, what became of it, and its first argument."""
    made = [TracedCall(7, one[0], one[0], one[2] if len(one) == 3 else 3, one[1]) for one in calls]
    return [CallTrace(99, tuple(made))]


FAILED, RAN = ("accept", fates.failed("ECONNABORTED")), ("accept", fates.RAN)
FAILS: Part = (Fail("accept", "ECONNABORTED", 1), [])

AFTER_FAILURE: Cases = {
    "a client is served after the failure": ("held", case(FAILS, TWO, more=called(FAILED, RAN))),
    "a client is not served after the failure": (
        "broken",
        case(FAILS, visit("A"), visit("B", "silence"), more=called(FAILED, RAN)),
    ),
    "the server dies of the failure": (
        "broken",
        case(FAILS, visit("A"), visit("B", "refused"), more=[*called(FAILED), ServerEnded(99, 1)]),
    ),
    "silence after the failure is not proven": (
        "suspected",
        case(FAILS, visit("A"), visit("B", "unproven"), more=called(FAILED, RAN)),
    ),
    "accept was never made to fail": ("not exercised", case(FAILS, TWO, more=called(RAN))),
    "accept was never made to fail, and nobody is served": (
        "not exercised",
        case(FAILS, visit("A"), visit("B", "silence"), more=called(RAN)),
    ),
    "accept is not called again": ("not exercised", case(FAILS, TWO, more=called(RAN, FAILED))),
    "the calls were not traced": ("not exercised", case(FAILS, TWO)),
    "the last client never came": (
        "not exercised",
        case(FAILS, visit("A"), visit("B", "never"), more=called(FAILED, RAN)),
    ),
}


def shortage(last: Part | list[Part], *, waiting: bool = True, still: str = "quiet", looks: bool = True) -> Case:
    limited = seen("limited", connections=(side("C", accepted=not waiting),), still=still)
    lowered: list[Part] = [(LimitDescriptors(0), []), (Connect("C"), [Connected(0, "C")])]
    return case(visit("A"), lowered, limited if looks else unseen("limited"), (LiftLimit(), []), last)


ACC_08: Cases = {
    "a client is served after the shortage": ("held", shortage(visit("Z"))),
    "a client is not served after the shortage": ("broken", shortage(visit("Z", "silence"))),
    "silence after the shortage is not proven": ("suspected", shortage(visit("Z", "unproven"))),
    "nobody had to wait in the shortage": ("not exercised", shortage(visit("Z"), waiting=False)),
    "whether somebody has to wait is not settled": ("unproven", shortage(visit("Z"), still="restless")),
    "nobody looked in the shortage": ("not exercised", shortage(visit("Z"), looks=False)),
    "nobody came after the shortage": ("not exercised", shortage(visit("Z", "never"))),
}


def short(
    *stills: str,
    used: float = 0.001,
    waiting: bool = True,
    before: str = "quiet",
    measured: bool = True,
    slept: float = 0.0,
) -> Case:
    """The looks before the shortage and in it; `used` seconds of a processor pass between the last two.

    `slept`: seconds that were skipped between these.
    """
    connections = (side("C", accepted=not waiting, state="CLOSE_WAIT"),)
    labels = ("limited", "still limited")
    parts = [
        seen(
            label,
            still=still,
            share=0.95,
            skipped=number * slept,
            connections=connections,
            tasks=(task(cpu=number * used),) if measured else (),
        )
        for number, (label, still) in enumerate(zip(labels, stills, strict=False))
    ]
    return case(visit("A"), [seen("unlimited", still=before)], parts)


ACC_09: Cases = {
    "it sleeps while somebody waits": ("held", short("quiet", "quiet")),
    "it wakes now and then while somebody waits": ("held", short("restless", "restless")),
    "it spins": ("broken", short("spinning", "spinning")),
    "it spins later": ("broken", short("quiet", "spinning")),
    "it is busy for a moment, and sleeps then": ("held", short("spinning", "quiet", used=1.1)),
    "it sleeps between two tries that take their time": ("held", short("spinning", "restless", used=3.0, slept=1.0)),
    "it was busy for long, and sleeps then": ("held", short("restless", "resting", used=0.4)),
    "it is never still, and uses a processor": ("broken", short("restless", "restless", used=0.4)),
    "nobody knows what it used": ("unproven", short("restless", "restless", measured=False)),
    "nobody had to wait": ("not exercised", short("quiet", "quiet", waiting=False)),
    "it was never still before either": ("unproven", short("quiet", "quiet", before="restless")),
    "it was not looked at in the shortage": ("not exercised", short()),
    "it was looked at once": ("not exercised", short("quiet")),
}

HANDLES = 1 << (SIGCHLD - 1)


def interrupted(
    came: list[Part],
    *,
    call: str = "accept",
    caught: int = HANDLES,
    blocked: int = 0,
    still: str = "quiet",
    switches: int = 6,
    after: Part | None = None,
    gone: bool = False,
    others: tuple[Task, ...] = (),
) -> Case:
    main = process(caught=caught, blocked=blocked)
    waits = seen("waiting", processes=(main,), tasks=(task(call), *others), still=still)
    told: Part = (Signal("parent", "SIGCHLD"), [])
    handled = seen("handled", tasks=(task(call, switches=switches),))
    more = [ServerEnded(99, 1)] if gone else []
    return case(visit("A"), waits, told, handled, came, after or seen("after", connections=(side("B"),)), more=more)


STAYS = visit("B", leaves=False)
WORKER = replace(task("accept"), pid=2, tid=2)
IN_QUEUE = seen("after", connections=(side("B", accepted=False),))
ACC_10: Cases = {
    "a client is accepted after the handler": ("held", interrupted(STAYS)),
    "a client is accepted after the handler and not answered": ("held", interrupted(visit("B", "silence"))),
    "the wait in poll is interrupted": ("held", interrupted(STAYS, call="poll")),
    "the server dies of the handler": ("broken", interrupted(visit("B", "refused"), gone=True)),
    "nobody listens after the handler": ("broken", interrupted(visit("B", "refused"))),
    "the client is left in the queue": ("broken", interrupted(visit("B", "silence"), after=IN_QUEUE)),
    "the client may yet be taken from the queue": ("suspected", interrupted(visit("B", "unproven"), after=IN_QUEUE)),
    "the server does not handle the signal": ("not exercised", interrupted(STAYS, caught=0)),
    "the server blocks the signal": ("not exercised", interrupted(STAYS, blocked=HANDLES)),
    "the server was not waiting for a client": ("not exercised", interrupted(STAYS, call="recvfrom")),
    "it has workers that wait for clients": ("not exercised", interrupted(STAYS, call="wait4", others=(WORKER,))),
    "the handler was not seen to run": ("not exercised", interrupted(STAYS, switches=5)),
    "the server was never still": ("unproven", interrupted(STAYS, still="restless")),
    "the client never came": ("not exercised", interrupted(visit("B", "never"), after=seen("after"))),
    "nobody looked before the signal": (
        "not exercised",
        case(unseen("waiting"), (Signal("parent", "SIGCHLD"), []), visit("B")),
    ),
    "the client was not seen to be accepted": (
        "not exercised",
        interrupted(visit("B", "silence"), after=seen("after")),
    ),
}

WATCHED: list[Part] = [(Watch(family), []) for family in ("fork", "thread", "recv", "send")]
FORK = ("fork", fates.RAN)
ACC_18: Cases = {
    "accept is called again at once": ("held", case(WATCHED, FAILS, TWO, more=called(FAILED, RAN, FORK))),
    "a child is started for nobody": ("broken", case(WATCHED, FAILS, TWO, more=called(FAILED, FORK, RAN))),
    "a thread is started for nobody": (
        "broken",
        case(WATCHED, FAILS, TWO, more=called(FAILED, ("thread", fates.RAN), RAN)),
    ),
    "something is received from nobody": (
        "broken",
        case(WATCHED, FAILS, TWO, more=called(FAILED, ("recv", fates.RAN, -1), RAN)),
    ),
    "accept is not called again": ("not exercised", case(WATCHED, FAILS, TWO, more=called(RAN, FAILED))),
    "accept was never made to fail": ("not exercised", case(WATCHED, FAILS, TWO, more=called(RAN, FORK))),
    "its calls were not watched": ("not exercised", case(FAILS, TWO, more=called(FAILED, RAN))),
}

CASES: dict[str, Cases] = {
    "ACC-01": ACC_01,
    "ACC-07": AFTER_FAILURE,
    "ACC-08": {**AFTER_FAILURE, **ACC_08},
    "ACC-09": ACC_09,
    "ACC-10": ACC_10,
    "ACC-16": ACC_16,
    "ACC-17": ACC_17,
    "ACC-18": ACC_18,
}


@pytest.mark.parametrize(
    ("rule", "said", "judged"),
    [
        pytest.param(rule, said, judged, id=f"{rule}-{name}")
        for rule, cases in CASES.items()
        for name, (said, judged) in cases.items()
    ],
)
def test_an_oracle_of_the_accept_loop_says_what_was_seen(rule: str, said: Said, judged: Case) -> None:
    assert ruling(rule, judged) == said


def test_of_a_server_of_which_only_the_wire_is_seen_an_idle_client_is_one_that_got_an_answer() -> None:
    wire = seen("end", processes=(), still="restless")
    assert ruling("ACC-16", case(visit("I", leaves=False), visit("B"), wire)) == "held"
    silent: list[Part] = [(Connect("I"), [Connected(0, "I")])]
    assert ruling("ACC-16", case(silent, visit("B"), wire)) == "not exercised"


FOR_THE_IDLE = TimePassed(0, 5.0, on_client="I")


def late(*meanwhile: Event) -> list[Part]:
    """I is idle; B asks, and is answered when this has come."""
    asked = (Send("B", WORD), [Sent(0, "B", WORD, True, len(WORD))])
    came = (Receive("B"), [*meanwhile, Got(0, "B", WORD)])
    return [(Connect("I"), [Connected(0, "I")]), (Connect("B"), [Connected(0, "B")]), asked, came]


@pytest.mark.parametrize(
    ("said", "meanwhile"),
    [
        pytest.param("broken", (FOR_THE_IDLE, Ended(0, "I", "FIN")), id="the idle one was let go first"),
        pytest.param("broken", (FOR_THE_IDLE,), id="the idle one was handed on"),
        pytest.param("not exercised", (TimePassed(0, 5.0), Ended(0, "I", "FIN")), id="it slept meanwhile"),
        pytest.param("not exercised", (TimePassed(0, 5.0, on_client="B"),), id="it waited for the one who asks"),
        pytest.param("not exercised", (replace(FOR_THE_IDLE, beside=("B",)),), id="it waited for both"),
        pytest.param("not exercised", (Ended(0, "I", "FIN"),), id="it was let go at once, to make room"),
        pytest.param("not exercised", (TimePassed(0, 5.0),), id="time alone has passed"),
    ],
)
def test_who_is_served_when_an_idle_client_was_let_go_was_kept_waiting(
    said: Said, meanwhile: tuple[Event, ...]
) -> None:
    promises = Contract.of(protocol="echo", concurrency="thread")
    assert ruling("ACC-16", case(late(*meanwhile), contract=promises)) == said


@pytest.mark.parametrize(
    ("end", "state", "said"),
    [("FIN", "FIN_WAIT2", "held"), ("FIN", "TIME_WAIT", "not exercised"), ("RST", "ESTABLISHED", "not exercised")],
)
def test_who_is_idle_behind_an_answer_holds_its_end_of_the_connection(end: End, state: str, said: Said) -> None:
    held = side("I", state=state, accepted=False)
    idle: list[Part] = [*visit("I", leaves=False)[:-1], (Receive("I"), [Got(0, "I", WORD), Ended(0, "I", end)])]
    assert ruling("ACC-16", case(idle, visit("B"), seen("end", connections=(held,)))) == said


def test_who_has_workers_that_wait_for_clients_is_not_said_to_have_been_busy() -> None:
    judged = oracle_of("ACC-10")(interrupted(STAYS, call="wait4", others=(WORKER,)))
    assert isinstance(judged, NotExercised)
    assert judged.why == "the process that gets SIGCHLD leaves clients to its workers"
