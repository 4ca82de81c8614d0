"""Fork rules on made-up transcripts: what looks like the mistake and is none."""

from itertools import accumulate

import pytest

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, ReadOutput, StartOnTerminal, Step, scenario
from gatecrash.model.transcript import Connected, Event, NotConnected, Printed, Started, Transcript
from gatecrash.model.verdicts import Case, Finding
from tests.ruling import finding as finding_in


def _judge_output(*shares: str, started: str = "") -> Finding | None:
    """The verdict of FORK-14 on a server that prints `started`, and then one share with each client."""
    texts = list(accumulate((started, *shares)))
    events = tuple(Printed(step, str(step), text.encode()) for step, text in enumerate(texts))
    played = scenario(*(ReadOutput(str(step)) for step in range(len(texts))))
    return finding_in("FORK-14", Case(Transcript(played, events), Contract(protocol="http", concurrency="fork")))


def _judge_both(pipe: tuple[str, ...], terminal: tuple[str, ...] | None, *, served: bool = True) -> Finding | None:
    """The verdict on a server of which this is read at its start and with each client; None: no start on a terminal."""
    through_pipe, on_terminal = list(accumulate(pipe)), list(accumulate(terminal or ()))
    begins = len(through_pipe)
    steps: list[Step] = [ReadOutput(str(n)) for n in range(begins)]
    events: list[Event] = [Printed(n, str(n), text.encode()) for n, text in enumerate(through_pipe)]
    steps.append(StartOnTerminal())
    events.append(Started(begins, "terminal", terminal is not None, (9157,), None, ""))
    for text in on_terminal:
        events.append(Printed(len(steps), "", text.encode()))
        steps.append(ReadOutput(""))
    steps.append(Connect("A"))
    events.append(Connected(len(steps) - 1, "A") if served else NotConnected(len(steps) - 1, "A", "refused"))
    seen = Transcript(scenario(*steps), tuple(events))
    return finding_in("FORK-14", Case(seen, Contract(protocol="none", concurrency="fork")))


@pytest.mark.parametrize(
    ("pipe", "terminal"),
    [
        (("", "up\n", "up\n", "up\n"), ("up\n", "", "", "")),
        (("", "err\nup\n", "err\nup\n", "err\nup\n"), ("up\n", "err\n", "err\n", "err\n")),
        (("", "", "up\nok\n", "up\nok\n", "up\nok\n"), ("up\n", "ok\n", "ok\n", "ok\n", "ok\n")),
        (("up\n", "c\nc\n", "c\nc\n", "c\nc\n"), ("up\n", "c\n", "c\n", "c\n")),
    ],
)
def test_equal_copies_are_found_where_a_terminal_shows_fewer(pipe: tuple[str, ...], terminal: tuple[str, ...]) -> None:
    finding = _judge_both(pipe, terminal)
    assert finding is not None
    assert finding.conclusive
    assert "terminal" in finding.lines[-1]


@pytest.mark.parametrize(
    ("pipe", "terminal"),
    [
        (("up\n", "ok\n", "ok\n", "ok\n"), ("up\n", "ok\n", "ok\n", "ok\n")),  # the child's own line
        (("", "wait\n", "wait\n", "wait\n"), ("wait\n", "wait\n", "wait\n", "wait\n")),  # flushed before each fork
        (("", "log\n", "log\n", "log\n"), ("up\n", "", "", "")),  # what it logs where nobody looks
        (("", "a\n", "a\na\n", "a\na\na\n"), ("", "a\n", "a\na\n", "a\na\na\n")),  # a list that it prints each time
        (("", "up\n", "", ""), ("up\n", "", "", "")),  # kept back, not copied
    ],
)
def test_what_comes_on_a_terminal_too_is_no_copy(pipe: tuple[str, ...], terminal: tuple[str, ...]) -> None:
    assert _judge_both(pipe, terminal) is None


@pytest.mark.parametrize(("terminal", "served"), [(None, True), (("up\n", "", "", ""), False)])
def test_equal_lines_prove_nothing_without_a_terminal(terminal: tuple[str, ...] | None, served: bool) -> None:
    finding = _judge_both(("", "up\n", "up\n", "up\n"), terminal, served=served)
    assert finding is not None
    assert not finding.conclusive


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
    assert _judge_both(("up\n", *shares), ("up\n", *shares)) is None
