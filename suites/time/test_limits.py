"""The server's own time limits: clients that wait, one after the other, and do nothing while time passes."""

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Close, Connect, LetTimePass, Scenario, Send, Settle, Step, scenario
from gatecrash.protocols import ask
from strategies import client_names
from strategies.waiting import LONG, half_body, halves, stays_answered


@pytest.mark.rule("TIME-01")
def test_a_silent_client_is_let_go_in_the_end(trial: Trial) -> None:
    trial.verify(_orders(trial.contract), examples=4)


@pytest.mark.rule("TIME-02")
def test_half_a_request_is_not_waited_for_for_ever(trial: Trial) -> None:
    trial.verify(_orders(trial.contract), examples=4)


@pytest.mark.rule("TIME-06")
def test_a_connection_that_timed_out_ends_with_fin(trial: Trial) -> None:
    trial.verify(_orders(trial.contract), examples=4)


@pytest.mark.rule("TIME-13")
def test_the_promised_limit_is_kept(trial: Trial) -> None:
    limit = trial.contract.idle_limit or LONG
    trial.verify(_orders(trial.contract, limit + _SLACK), examples=4)


#: Seconds that a limit may be late: whoever looks round twice a second sees it then.
_SLACK = 1.0


def _orders(contract: Contract, seconds: float = LONG) -> st.SearchStrategy[Scenario]:
    """Clients of each kind, in any order, with half a request cut anywhere."""
    possible = {
        "silent": True,
        "half": bool(halves(contract)),
        "half a body": bool(half_body(contract)),
        "answered": stays_answered(contract),
    }
    known = [kind for kind, may_be in possible.items() if may_be]
    drawn = st.tuples(st.permutations(known), st.sampled_from(halves(contract) or (b"",)))
    return drawn.map(lambda facts: _one_by_one(contract, *facts, seconds))


def _one_by_one(contract: Contract, kinds: Sequence[str], half: bytes, seconds: float) -> Scenario:
    """Each has the server for itself: so whoever serves one after the other has taken it."""
    steps: list[Step] = []
    for name, kind in zip(client_names(len(kinds)), kinds, strict=True):
        begins = {
            "silent": (Connect(name),),
            "half": (Connect(name), Send(name, half)),
            "half a body": (Connect(name), Send(name, half_body(contract))),
            "answered": ask(name, contract),
        }
        steps += [*begins[kind], LetTimePass(seconds), Settle(labels.had_its_time(name)), Close(name)]
    return scenario(steps)
