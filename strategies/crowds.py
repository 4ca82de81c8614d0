"""Several clients at once: what each does, in any order with what the others do."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gatecrash.model.scenario import Scenario, Step, scenario
from strategies.options import at_least


def interleavings(behaviours: Sequence[Sequence[Step]]) -> SearchStrategy[Scenario]:
    """The steps of several clients, each client's in its own order; shrinks to one client after the other."""
    at_least("number of behaviours", len(behaviours), 1)
    length = sum(len(behaviour) for behaviour in behaviours)
    turns = st.tuples(*[st.integers(0, len(behaviours) - 1)] * length)
    return turns.map(lambda drawn: scenario(_in_turns(behaviours, drawn)))


def _in_turns(behaviours: Sequence[Sequence[Step]], turns: Sequence[int]) -> list[Step]:
    """Each turn names one of the behaviours that still have steps; then they end one by one."""
    left = [list(behaviour) for behaviour in behaviours if behaviour]
    steps: list[Step] = []
    for turn in turns:
        if left:
            chosen = left[turn % len(left)]
            steps.append(chosen.pop(0))
            left = [behaviour for behaviour in left if behaviour]
    return steps + [step for behaviour in left for step in behaviour]
