"""No oracle says that a rule held where nobody saw it: each is asked of transcripts in which nothing happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from hypothesis import Phase, given, settings
from hypothesis.strategies import SearchStrategy

from gatecrash.engine.profiles import profile
from gatecrash.engine.properties import properties
from gatecrash.model.contract import Concurrency, Contract, Echo, EchoPromises, Protocol
from gatecrash.model.scenario import Connect, Scenario, Send, SendDatagram, Settle
from gatecrash.model.transcript import CallTrace, Connected, Event, Looked, Sent, Transcript
from gatecrash.model.verdicts import Case, Held
from gatecrash.oracles import oracle_of
from gatecrash.protocols import plain_request
from gatecrash.rulebook import Rule, applicable, load
from tests.sequences import CHILD, look

RULES = load().rules
_FEW = settings(max_examples=12, database=None, deadline=None, derandomize=True, phases=[Phase.generate])
_ECHOES: tuple[Echo, ...] = ("bytes", "other")
#: A contract that promises whatever a rule may need.
_FULL = Contract.of(
    persistent=True,
    closes=False,
    large_path="/large",
    post_path="/echo",
    takes_port=True,
    handles_signals=True,
    says=20,
    source="c",
    idle_limit=30.0,
    confined=True,
    silent_limit=30.0,
    half_limit=30.0,
    kept_limit=30.0,
)


@dataclass
class _Collector:
    """Stands where a trial stands, and keeps the scenarios that a property would have played."""

    rule: Rule
    contract: Contract
    profile: Any = field(default_factory=lambda: profile("glance"))
    session: Any = field(default_factory=lambda: SimpleNamespace(arena=SimpleNamespace(kind="namespace"), remote=False))
    found: list[Scenario] = field(default_factory=list)

    @property
    def request(self) -> bytes:
        return plain_request(self.contract)

    def verify(
        self,
        scenarios: SearchStrategy[Scenario],
        *,
        examples: int | None = None,
        fresh: bool = False,
        surely: Sequence[Scenario] = (),
    ) -> None:
        self.found += surely

        @_FEW
        @given(scenarios)
        def keep(played: Scenario) -> None:
            self.found.append(played)

        keep()


def _contract_for(rule: Rule) -> Contract:
    """The first contract of ours that the rule applies to."""
    for protocol in get_args(Protocol):
        for model in get_args(Concurrency):
            for echo in _ECHOES:
                workers = 4 if model == "prefork" else None
                made = replace(_FULL, protocol=protocol, concurrency=model, workers=workers, echo=EchoPromises(echo))
                if applicable(rule, made) is None:
                    return made
    raise AssertionError(f"no contract fits {rule.id}")


@cache
def cases_of(id: str) -> tuple[tuple[Contract, Scenario], ...]:
    """Scenarios of every property of a rule, with the contract they are for."""
    rule = load().get(id)
    collector = _Collector(rule, _contract_for(rule))
    for one in properties():
        if one.rule == id:
            one.run(collector)
            collector.found += [one.probe(collector.contract)] if one.probe is not None else []
    assert collector.found, f"the property of {id} plays nothing"
    return tuple((collector.contract, played) for played in dict.fromkeys(collector.found))


def _held(id: str, contract: Contract, played: Scenario, events: list[Event]) -> bool:
    sent = dict(played.sent) if any(isinstance(event, Sent) for event in events) else {}
    return isinstance(oracle_of(id)(Case(Transcript(played, tuple(events), sent=sent), contract)), Held)


def _connections(played: Scenario) -> list[Event]:
    return [Connected(n, step.client) for n, step in enumerate(played.steps) if isinstance(step, Connect)]


def _said(played: Scenario) -> list[Event]:
    """Everybody connects and says what it has to say; not a byte comes back, and nobody looks."""
    events: list[Event] = []
    for number, step in enumerate(played.steps):
        if isinstance(step, Connect):
            events.append(Connected(number, step.client))
        if isinstance(step, Send | SendDatagram):
            events.append(Sent(number, step.client, step.data, None, None))
    return events


def _restless(played: Scenario) -> list[Event]:
    """The same, and each look finds a server that is never still."""
    looks = [
        Looked(number, step.label, look(still="restless", where=(CHILD,)))
        for number, step in enumerate(played.steps)
        if isinstance(step, Settle)
    ]
    return sorted([*_said(played), *looks], key=lambda event: event.step)


@pytest.mark.parametrize("id", [rule.id for rule in RULES])
def test_an_empty_transcript_shows_nothing(id: str) -> None:
    assert not [str(played) for contract, played in cases_of(id) if _held(id, contract, played, [])]


@pytest.mark.parametrize("id", [rule.id for rule in RULES])
def test_connections_alone_show_nothing(id: str) -> None:
    assert not [str(played) for contract, played in cases_of(id) if _held(id, contract, played, _connections(played))]


@pytest.mark.parametrize("id", [rule.id for rule in RULES])
def test_a_server_that_is_never_still_and_never_answers_shows_nothing(id: str) -> None:
    assert not [str(played) for contract, played in cases_of(id) if _held(id, contract, played, _restless(played))]


@pytest.mark.parametrize("id", [rule.id for rule in RULES])
def test_a_failure_that_never_happened_shows_nothing(id: str) -> None:
    """Calls were watched, and none of them was made to fail, held or cut short: nobody answered either."""
    wanted = [(contract, played) for contract, played in cases_of(id) if played.traps]
    silent = [(contract, played, [*_said(played), CallTrace(len(played.steps) - 1, ())]) for contract, played in wanted]
    assert not [str(played) for contract, played, events in silent if _held(id, contract, played, events)]
