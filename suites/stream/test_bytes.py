"""The bytes of an echo: all of them come back, unchanged, however they were cut, message after message."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model.scenario import Connect, HalfClose, Receive, Scenario, Send, Step, scenario
from gatecrash.protocols import plain_request
from gatecrash.protocols.echo import ECHO_PAYLOAD
from strategies import echo_payloads, segmentations
from strategies.conversations import echoed
from strategies.friendly import friendly_block, printable
from strategies.segments import in_segments

_SIZES = (1, 2, 5, 16, 63, 64, 65, 100, 200, 256, 512, 1000, 1024, 1025, 4096)  # bytes
_MOST_ROUNDS = 12


@pytest.mark.rule("STREAM-01", probe=lambda contract: echoed([ECHO_PAYLOAD]))
def test_what_is_sent_comes_back(trial: Trial) -> None:
    trial.verify(
        st.lists(st.sampled_from((plain_request(trial.contract), friendly_block())), min_size=1, max_size=3).map(echoed)
    )


@pytest.mark.rule("STREAM-02", probe=lambda contract: echoed([b"text\n", bytes(range(256)), b"\n\n"]))
def test_every_byte_comes_back_unchanged_and_nothing_else(trial: Trial) -> None:
    trial.verify(st.lists(echo_payloads(), min_size=1, max_size=4).map(echoed))


@pytest.mark.rule("STREAM-03", probe=lambda contract: in_segments((b"gate", b"crash", b"!")))
def test_bytes_come_back_whatever_the_segments(trial: Trial) -> None:
    text = st.builds(printable, st.sampled_from(_SIZES), newline=st.booleans())
    trial.verify(text.flatmap(segmentations).map(in_segments))


@pytest.mark.rule("STREAM-08")
def test_a_short_message_carries_nothing_of_a_longer_one(trial: Trial) -> None:
    drawn = st.tuples(st.sampled_from((64, 100, 500, 1000, 4000)), st.integers(1, 40), st.booleans())
    trial.verify(drawn.map(lambda facts: _long_then_short(*facts)))


@pytest.mark.rule("STREAM-11", probe=lambda contract: echoed([friendly_block()] * 3))
def test_the_echo_goes_on_message_after_message(trial: Trial) -> None:
    trial.verify(st.integers(2, _MOST_ROUNDS).map(lambda rounds: echoed([friendly_block()] * rounds)))


def _long_then_short(long: int, short: int, another_client: bool) -> Scenario:
    """The long message's bytes are all of one kind, the short one's are all of another."""
    second = "B" if another_client else "A"
    first: list[Step] = [Connect("A"), Send("A", printable(long)), Receive("A")]
    if another_client:
        first += [HalfClose("A"), Receive("A", "end"), Connect("B")]
    return scenario(first, Send(second, b"-" * short), Receive(second), HalfClose(second), Receive(second, "end"))
