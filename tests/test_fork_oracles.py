"""Fork rules on made-up transcripts: what looks like the mistake and is none."""

from itertools import accumulate

import pytest

from gatecrash.contract import Contract
from gatecrash.oracles import oracle_of
from gatecrash.scenario import ReadOutput, scenario
from gatecrash.transcript import Printed, Transcript
from gatecrash.verdicts import Case, Finding


def _judge_output(*shares: str, started: str = "") -> Finding | None:
    """The verdict of FORK-14 on a server that prints `started`, and then one share with each client."""
    texts = list(accumulate((started, *shares)))
    events = tuple(Printed(step, str(step), text.encode()) for step, text in enumerate(texts))
    played = scenario(*(ReadOutput(str(step)) for step in range(len(texts))))
    return oracle_of("FORK-14")(Case(Transcript(played, events), Contract(protocol="http", concurrency="fork")))


def test_a_copied_buffer_that_grows_is_found() -> None:
    finding = _judge_output("up\nc 1\n", "up\nc 1\nc 2\n", "up\nc 1\nc 2\nc 3\n", "up\nc 1\nc 2\nc 3\nc 4\n")
    assert finding is not None
    assert '"up"' in finding.got


def test_a_copied_buffer_is_found_though_the_first_child_printed_nothing() -> None:
    assert _judge_output("", "c 1\n", "c 1\nc 2\n", "c 1\nc 2\nc 3\n") is not None


def test_a_copied_buffer_is_found_behind_which_the_child_prints() -> None:
    assert _judge_output("c\nserved\n", "c\nc\nserved\n", "c\nc\nc\nserved\n") is not None


@pytest.mark.parametrize(
    "shares",
    [
        ("", "", "", ""),
        ("served\n",) * 4,
        ("from 40001\nserved\n", "from 40002\nserved\n", "from 40003\nserved\n", "from 40004\nserved\n"),
        ("client 1\n", "client 2\n", "client 3\n", "client 4\n"),
    ],
)
def test_lines_that_come_with_each_client_are_no_mistake(shares: tuple[str, ...]) -> None:
    assert _judge_output(*shares, started="up\n") is None
