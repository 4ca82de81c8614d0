"""The short form: what to mend first in full, the others a line each, and the first once more at the end."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console
from rich.text import Text

from gatecrash.model.scenario import Connect, scenario
from gatecrash.model.verdicts import Finding, Verdict, broken_here
from gatecrash.reports import short, terminal
from gatecrash.results.mending import to_mend
from gatecrash.results.record import RunRecord
from tests.test_terminal_report import record_of

EVIDENCE = tuple(f"seen {number}" for number in range(5))


def broken(rule: str, got: str = "it did not") -> Verdict:
    finding, played = Finding(rule, "it does", got, EVIDENCE), scenario(Connect("A"))
    return Verdict(rule, "fail", finding=finding, scenario=played, confirmed=(3, 3))


def told(record: RunRecord, *, terminal_of: int | None, target: str = "server.c") -> str:
    """What is printed of it on a terminal of so many columns, or without one."""
    console = Console(
        file=io.StringIO(),
        soft_wrap=True,
        highlight=False,
        force_terminal=terminal_of is not None,
        no_color=True,
        color_system=None,
        width=terminal_of or 80,
    )
    short.broken(console, to_mend(record), record.prepared.contract, target)
    terminal.closing(console, record, strict=False)
    short.first_again(console, to_mend(record), target)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


MANY = record_of(
    broken("FORK-02", "20 zombies"),
    broken("FORK-03", "5 zombies"),
    broken("RESP-05", "a line without CR"),
    broken("ACC-04", "a backlog of 1"),
    Verdict("FORK-09", "not_observable", broken_here("FORK-02", None)),
)


def test_what_another_rules_trial_showed_is_not_called_the_smallest_client() -> None:
    seen = replace(broken("RES-01", "480 more"), confirmed=None)
    lines = told(record_of(seen), terminal_of=120).splitlines()
    assert "What was played when it was seen, for another rule (it was not made smaller):" in lines
    assert not any("smallest" in line for line in lines)


def test_on_a_terminal_the_first_is_told_in_full_and_each_other_in_a_line_with_its_command() -> None:
    lines = told(MANY, terminal_of=120).splitlines()
    assert sum("The smallest client that shows it:" in line for line in lines) == 1
    assert lines[0].startswith("FORK-02  MUST  broken")
    begin = lines.index("These probably go with it:")
    assert lines[begin + 1].startswith("  gatecrash show FORK-03 server.c  ")
    assert lines[begin + 1].endswith("  Children that finish together are all reaped (it builds on FORK-02)")
    begin = lines.index("Also broken, in the order in which to mend them:")
    assert lines[begin + 1].startswith("  gatecrash show RESP-05 server.c  ")
    assert lines[begin + 1].endswith("  Header lines end with CRLF")
    assert lines[begin + 2].startswith("  gatecrash show ACC-04 server.c ")
    assert lines[begin + 2].endswith(" (SHOULD)")
    assert lines[begin + 3] == "--full prints everything of all of them."


def test_it_says_how_much_more_can_be_seen() -> None:
    assert "\n1 more rule can be seen when it is mended.\n" in told(MANY, terminal_of=80)


@pytest.mark.parametrize("columns", [80, 120, None])
def test_the_last_three_lines_are_what_is_broken_the_sentence_and_the_command(columns: int | None) -> None:
    command = "gatecrash check server.c --only FORK-02" if columns is None else "gatecrash show FORK-02 server.c"
    assert told(MANY, terminal_of=columns).splitlines()[-3:] == [
        "Mend first: FORK-02  Finished children are reaped",
        "  20 zombies",
        f"  {command}",
    ]


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_prose_is_wrapped_at_words_below_where_it_began_and_loses_none(columns: int) -> None:
    file, prose = io.StringIO(), "It was told port 9157 and listens on 8080: the port is taken to be fixed in it. " * 3
    console = Console(file=file, soft_wrap=True, force_terminal=True, color_system=None, width=columns)
    terminal.hanging(console, Text(f"  note    {prose}"), 10)
    first, *rest = file.getvalue().splitlines()
    assert first.startswith("  note    It was")
    assert all(line.startswith(" " * 10) and line[10] != " " for line in rest)
    assert max(map(len, (first, *rest))) <= columns
    assert " ".join([first[10:], *(line[10:] for line in rest)]) == prose.strip()


def test_a_command_that_leaves_no_room_for_a_title_has_a_line_of_its_own() -> None:
    target = "a very long command line of a server.py {port} /srv/www"
    lines = told(MANY, terminal_of=80, target=target).splitlines()
    begin = lines.index("Also broken, in the order in which to mend them:")
    assert lines[begin + 1 : begin + 3] == [f"  gatecrash show RESP-05 '{target}'", "      Header lines end with CRLF"]


def test_a_log_says_of_each_what_is_needed_to_mend_it() -> None:
    said = told(MANY, terminal_of=None)
    block = said.partition("\nRESP-05  MUST  Header lines end with CRLF\n")[2].partition("\n\n")[0].splitlines()
    assert block[:5] == ["expected  it does", "got       a line without CR", "  seen 0", "  seen 1", "  seen 2"]
    assert block[5].startswith("The usual mistake: ")
    assert block[-1] == "gatecrash check server.c --only RESP-05"
    assert "FORK-03  MUST  Children that finish together are all reaped (it builds on FORK-02)" in said


def test_a_further_run_is_given_the_options_that_it_needs() -> None:
    *_, command = short.first_lines(to_mend(MANY), "a b.c", "check", ("--contract", "x.toml"))
    assert command == "  gatecrash check 'a b.c' --contract x.toml --only FORK-02"
    *_, command = short.first_lines(to_mend(MANY), "", "show", ("--contract", "x.toml"))
    assert command == "  gatecrash show FORK-02"


def test_nothing_broken_adds_nothing() -> None:
    assert told(record_of(Verdict("ACC-01", "pass")), terminal_of=120).count("\n") == 1


def test_many_rules_that_were_not_judged_are_counted_and_few_are_named() -> None:
    hidden = [Verdict(f"RESP-{n:02}", "not_observable", broken_here("RESP-01", None)) for n in range(2, 12)]
    verdicts = [Verdict("RESP-01", "fail"), *hidden]
    console = Console(file=io.StringIO(), soft_wrap=True, highlight=False)
    terminal.areas(console, record_of(*verdicts))
    terminal.unjudged(console, record_of(*verdicts))
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert "10 not observable here\n" in said
    assert said.endswith("\n\n  What is broken hides others: RESP-01 (10 rules)\n\n")
    terminal.areas(console, record_of(*verdicts), full=True)
    assert "10 not observable here: RESP-02 RESP-03" in console.file.getvalue()
