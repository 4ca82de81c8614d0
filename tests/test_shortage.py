"""How low a limit of descriptors is set, that a process can open so many more and no others."""

from __future__ import annotations

import pytest

from gatecrash.engine.properties import property_of
from gatecrash.model.contract import Contract
from gatecrash.model.processes import Task
from gatecrash.model.scenario import Close, Connect, Fail
from gatecrash.target.shortage import limit_leaving


def task(call: str, *args: int) -> Task:
    return Task(1, 1, "S", call, args, 0, 0, 0, False, None)


@pytest.mark.parametrize(
    ("spare", "opened", "call", "limit"),
    [
        pytest.param(0, {0, 1, 2, 3}, task("accept", 3), 4, id="none, and no gap"),
        pytest.param(2, {0, 1, 2, 3}, task("accept", 3), 6, id="two, and no gap"),
        pytest.param(0, {0, 1, 2, 3, 5, 6}, task("accept", 3), 4, id="none is below, though two are open above"),
        pytest.param(1, {0, 1, 2, 3, 5, 6}, task("epoll_wait", 5), 7, id="the gap is the one"),
        pytest.param(0, {0, 1, 2, 3, 5, 6}, task("poll", 0, 2), 4, id="poll asks for fewer than the limit"),
        pytest.param(0, {0, 1, 3, 4, 5, 6}, task("poll", 0, 5), 5, id="poll could not be asked again below that"),
        pytest.param(0, {0, 1, 3, 4, 5, 6}, task("running"), 6, id="whoever runs may call poll for all"),
        pytest.param(0, {0, 1, 3}, task("ppoll", 0, 100), 3, id="never more than are open"),
    ],
)
def test_so_many_numbers_are_free_below_the_limit(spare: int, opened: set[int], call: Task, limit: int) -> None:
    assert limit_leaving(spare, opened, [call]) == limit


@pytest.mark.parametrize(
    ("contract", "guests"),
    [
        pytest.param(Contract.of(protocol="http", concurrency="fork"), 2, id="as many guests as failures"),
        pytest.param(Contract.of(protocol="http", concurrency="prefork", workers=2), 1, id="a worker is left"),
        pytest.param(Contract.of(protocol="http", concurrency="prefork", workers=1), 1, id="the only one"),
        pytest.param(Contract.of(protocol="http", concurrency="iterative"), 0, id="nobody is served beside a guest"),
    ],
)
def test_accept_fails_once_for_each_guest_who_leaves(contract: Contract, guests: int) -> None:
    """Who has no descriptor for the next client may wait until one has left, each time."""
    tried = property_of("ACC-08")
    assert tried is not None
    steps = tried.run.__globals__["_descriptors_lack"](contract, "EMFILE", 2, 1).steps
    failing = next(at for at, step in enumerate(steps) if isinstance(step, Fail))
    came = [step.client for step in steps[:failing] if isinstance(step, Connect)]
    left = [step.client for step in steps if isinstance(step, Close) and step.client in came]
    assert came == left
    assert len(came) == guests
    assert steps[failing].times == (guests or 2)
    assert isinstance(steps[-1], Close)
