"""What the rules of the start say of transcripts made by hand."""

from __future__ import annotations

from dataclasses import replace
from signal import SIGABRT, SIGKILL, SIGSEGV
from typing import Any, Literal

import pytest

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Restart, StartOnTakenPort, StartSecond, Step
from gatecrash.model.transcript import ServerEnded, Started
from gatecrash.model.verdicts import Case, Finding
from gatecrash.oracles import oracle_of
from tests.oracles.visits import Cases, Said, case, ruling, seen, side, unseen
from tests.sequences import Part, look

PORT = 9157
STEPS: dict[str, Step] = {"taken": StartOnTakenPort(), "second": StartSecond(), "restart": Restart()}
What = Literal["restart", "second", "taken"]


def start(what: What, *, ports: tuple[int, ...] = (), status: int | None = None, words: str = "", **facts: Any) -> Part:
    begun = Started(0, what, bool(ports), ports, status, words, wanted=PORT)
    return (STEPS[what], [replace(begun, **facts)])


def taken(**facts: Any) -> Case:
    return case([start("taken", **facts)])


def second(**facts: Any) -> Case:
    return case([start("second", **facts)])


WORDS = "bind: Address already in use"
ACC_11: Cases = {
    "it ends with a message": ("held", taken(status=1, words=WORDS)),
    "it aborts with a message": ("held", taken(status=-SIGABRT, words=WORDS)),
    "it runs on with a message and listens nowhere": ("held", taken(words=WORDS)),
    "it listens elsewhere": ("broken", taken(ports=(51047,), words="listening on 9157")),
    "it runs on in silence": ("broken", taken()),
    "it dies of a memory fault": ("broken", taken(status=-SIGSEGV)),
    "it dies of a memory fault behind a message": ("broken", taken(status=-SIGSEGV, words=WORDS)),
    "it aborts in silence": ("broken", taken(status=-SIGABRT)),
    "it ends in silence": ("not exercised", taken(status=1)),
    "it is killed in silence": ("not exercised", taken(status=-SIGKILL)),
    "it listens on the port all the same": ("not exercised", taken(ports=(PORT,))),
    "it was still trying": ("unproven", taken(proven=False, words=WORDS)),
    "it was still under way in silence": ("unproven", taken(proven=False)),
    "it was not started": ("not exercised", case([(StartOnTakenPort(), [])])),
}


def at_the_start(contract: Contract | None = None, **facts: Any) -> Case:
    seen_then: dict[str, Any] = {"ports": (PORT,), "asked_port": PORT} | facts
    looks = seen("start", **seen_then)
    return case([looks], contract=contract or Contract(protocol="echo", takes_port=True))


PROMISED = Contract(protocol="echo", port=PORT, written=frozenset({"port"}))
ACC_12: Cases = {
    "it listens on the port it was given": ("held", at_the_start()),
    "it listens on the port that is promised": ("held", at_the_start(PROMISED)),
    "it listens on another port": ("broken", at_the_start(ports=(51047,))),
    "each start takes another one, and it does not say so": (
        "broken",
        at_the_start(Contract(protocol="echo", chooses_port=True, hides_port=True), ports=(51047,)),
    ),
    "its port was promised by nobody": ("not exercised", at_the_start(Contract(protocol="echo", port=PORT))),
    "it does not listen": ("not exercised", at_the_start(ports=())),
    "it is never still": ("unproven", at_the_start(still="restless")),
    "nobody looked": ("not exercised", case([unseen("start")])),
}


def listening_on(address: str, **facts: Any) -> Case:
    listener = look().listener
    assert listener is not None
    return at_the_start(listener=replace(listener, address=address), **facts)


ACC_13: Cases = {
    "it listens on all addresses": ("held", listening_on("0.0.0.0")),
    "it listens where it promised to": (
        "held",
        listening_on("127.0.1.1", contract=Contract(protocol="echo", address="127.0.1.1")),
    ),
    "it listens where nobody looks": ("broken", listening_on("127.0.1.1")),
    "it does not listen": ("not exercised", at_the_start(listener=None)),
    "it is never still": ("unproven", listening_on("127.0.0.1", still="restless")),
    "nobody looked": ("not exercised", case([unseen("start")])),
}


def restarted(*sides: object, looks: bool = True, **facts: Any) -> Case:
    return case([seen("closed", connections=sides) if looks else unseen("closed")], [start("restart", **facts)])


LINGERS, OPEN = side("A", state="TIME_WAIT", accepted=False), side("A")
ACC_14: Cases = {
    "it listens again beside TIME_WAIT": ("held", restarted(LINGERS, ports=(PORT,))),
    "it listens again although it had a client": ("held", restarted(OPEN, ports=(PORT,))),
    "it listens again behind a close that is half done": (
        "held",
        restarted(side("A", state="FIN_WAIT2", accepted=False), ports=(PORT,)),
    ),
    "it ends": ("broken", restarted(LINGERS, status=1)),
    "it ends, and had a client": ("broken", restarted(OPEN, status=1)),
    "it listens elsewhere": ("broken", restarted(LINGERS, ports=(51047,))),
    "it was still trying": ("suspected", restarted(LINGERS, proven=False)),
    "nothing stood in its way": ("not exercised", restarted(ports=(PORT,))),
    "its client was reset": ("not exercised", restarted(side("A", unread=6), ports=(PORT,))),
    "it ends, and nothing stood in its way": ("not exercised", restarted(status=1)),
    "a child of the one before still listens": ("not exercised", restarted(LINGERS, status=1, left_over=("LISTEN",))),
    "nobody looked at what was left": ("not exercised", restarted(looks=False, ports=(PORT,))),
    "it was not started": ("not exercised", case([seen("closed", connections=(LINGERS,))], [(Restart(), [])])),
}

ACC_15: Cases = {
    "the second ends": ("held", second(status=1, words=WORDS)),
    "the second sits there and does not listen": ("held", second()),
    "both listen": ("broken", second(ports=(PORT,))),
    "the second was still under way": ("unproven", second(proven=False)),
    "the second listens elsewhere": ("not exercised", second(ports=(51047,))),
    "the second dies of a memory fault": ("not exercised", second(status=-SIGSEGV)),
    "the first one was gone": (
        "not exercised",
        case([start("second", ports=(PORT,))], more=[ServerEnded(0, 0)]),
    ),
    "it was not started": ("not exercised", case([(StartSecond(), [])])),
}

CASES: dict[str, Cases] = {
    "ACC-11": ACC_11,
    "ACC-12": ACC_12,
    "ACC-13": ACC_13,
    "ACC-14": ACC_14,
    "ACC-15": ACC_15,
}


@pytest.mark.parametrize(
    ("rule", "said", "judged"),
    [
        pytest.param(rule, said, judged, id=f"{rule}-{name}")
        for rule, cases in CASES.items()
        for name, (said, judged) in cases.items()
    ],
)
def test_an_oracle_of_the_start_says_what_was_seen(rule: str, said: Said, judged: Case) -> None:
    assert ruling(rule, judged) == said


@pytest.mark.parametrize(("rule", "what"), [("ACC-11", "taken"), ("ACC-14", "restart")])
def test_a_start_that_dies_is_told_by_the_name_of_its_signal(rule: str, what: What) -> None:
    judged = case([seen("closed", connections=(LINGERS,))], [start(what, status=-SIGSEGV)])
    found = oracle_of(rule)(judged)
    assert isinstance(found, Finding)
    assert "SIGSEGV" in found.got
