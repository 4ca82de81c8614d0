"""What is in a datagram, and how much: it comes back whole and unchanged, and nothing else with it."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model.scenario import Scenario
from strategies import datagrams
from strategies.conversations import answered_in_turn
from strategies.friendly import printable

_SMALL = 100  # bytes: larger than this is the affair of the rule about large datagrams
_LARGE = (128, 256, 512, 1000, 1024, 1472, 2048, 4096, 8192, 9000, 16384, 32768, 65507)


@pytest.mark.rule("DGRAM-01", probe=lambda contract: answered_in_turn([("A", b"a\x00b\xff\n")]))
def test_every_datagram_comes_back_unchanged(trial: Trial) -> None:
    most = min(_SMALL, trial.contract.datagram.max)
    trial.verify(datagrams(max_size=most, empty=False).map(lambda data: answered_in_turn([("A", data)])))


@pytest.mark.rule("DGRAM-03")
def test_an_empty_datagram_is_a_datagram(trial: Trial) -> None:
    data = st.sampled_from((b"", b"gatecrash\n", b"x"))
    others = st.lists(st.tuples(st.sampled_from("AB"), data), max_size=4)
    trial.verify(st.tuples(others, others).map(lambda sides: _with_an_empty_one(*sides)))


@pytest.mark.rule("DGRAM-04")
def test_a_large_datagram_comes_back_whole(trial: Trial) -> None:
    limit = trial.contract.datagram.max
    edges = {size + by for size in _LARGE for by in (-1, 0, 1)} | {limit}
    sizes = sorted((size for size in edges if 0 < size <= limit), reverse=True)
    trial.verify(st.sampled_from(sizes).map(lambda size: answered_in_turn([("A", printable(size))])))


@pytest.mark.rule("DGRAM-05", probe=lambda contract: _long_then_short(min(_SMALL, contract.datagram.max), 1))
def test_a_short_datagram_carries_nothing_of_a_longer_one(trial: Trial) -> None:
    longest = trial.contract.datagram.max
    drawn = st.tuples(
        st.sampled_from([size for size in (20, 64, 100, 500, 1400) if size <= longest]),
        st.integers(1, 10),
        st.sampled_from("AB"),
    )
    trial.verify(drawn.map(lambda facts: _long_then_short(*facts)))


def _long_then_short(long: int, short: int, second: str = "A") -> Scenario:
    return answered_in_turn([("A", printable(long)), (second, b"-" * short)])


def _with_an_empty_one(before: list[tuple[str, bytes]], after: list[tuple[str, bytes]]) -> Scenario:
    """An empty datagram between others; the last one is not empty, and shows whether the server goes on."""
    return answered_in_turn([*before, ("A", b""), *after, ("B", b"gatecrash\n")])
