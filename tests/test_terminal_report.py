"""The terminal report says why rules were not judged: each reason once, with the rules it stands for."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gatecrash.model.contract import Concurrency, Contract, HttpPromises
from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Verdict
from gatecrash.reports import terminal
from gatecrash.results.record import RunRecord, judgements
from gatecrash.rulebook import load

REFUSED = "gates are not available here: seccomp user notification: Operation not permitted"
TIME_ALONE = "no answer in 5.0 s, and the server was never still"


def record_of(*verdicts: Verdict) -> RunRecord:
    rules = tuple(load().get(verdict.rule) for verdict in verdicts)
    prepared = Prepared("server.c", Contract(), {}, address="127.0.0.1:9157", arena="namespace")
    return RunRecord("server.c", prepared, {}, judgements(verdicts, rules), seconds=1.0, profile="quick")


def unjudged(*verdicts: Verdict) -> list[str]:
    console = Console(file=io.StringIO(), soft_wrap=True, highlight=False)
    terminal.unjudged(console, record_of(*verdicts))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_each_reason_is_printed_once_with_its_rules() -> None:
    said = unjudged(
        Verdict("ACC-01", "pass"),
        Verdict("ACC-02", "inconclusive", TIME_ALONE),
        Verdict("ACC-07", "not_observable", REFUSED),
        Verdict("ACC-08", "not_observable", REFUSED),
        Verdict("FORK-02", "not_applicable", "it does not fork"),
    )
    assert said == [
        f"  ACC-02 inconclusive: {TIME_ALONE}",
        f"  ACC-07 ACC-08 not observable: {REFUSED}",
        "",
    ]


@pytest.mark.parametrize(("held", "said"), [(("ACC-01",), "1 holds"), (("ACC-01", "ACC-02"), "2 hold")])
def test_one_rule_holds_and_two_hold(held: tuple[str, ...], said: str) -> None:
    console = Console(file=io.StringIO(), soft_wrap=True, highlight=False)
    terminal.areas(console, record_of(*(Verdict(rule, "pass") for rule in held)))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [f"✓ accept      {said}", ""]


def test_one_rule_does_not_apply_and_two_do_not() -> None:
    for idle, said in ((1, "1 does not apply"), (2, "2 do not apply")):
        console = Console(file=io.StringIO(), soft_wrap=True, highlight=False)
        others = [Verdict(rule, "not_applicable", "why") for rule in ("ACC-02", "ACC-03")[:idle]]
        terminal.areas(console, record_of(Verdict("ACC-01", "pass"), *others))
        assert isinstance(console.file, io.StringIO)
        assert console.file.getvalue().splitlines() == [f"✓ accept      1 holds, {said}", ""]


def test_one_reason_for_two_kinds_of_verdict_is_two_lines() -> None:
    said = unjudged(Verdict("ACC-02", "inconclusive", "why"), Verdict("ACC-07", "not_observable", "why"))
    assert said == ["  ACC-02 inconclusive: why", "  ACC-07 not observable: why", ""]


def test_nothing_is_printed_when_every_rule_was_judged() -> None:
    assert unjudged(Verdict("ACC-01", "pass"), Verdict("FORK-02", "not_applicable", "it does not fork")) == []


def test_a_targets_words_in_a_reason_reach_the_terminal_escaped_and_are_no_markup() -> None:
    said = unjudged(Verdict("ACC-02", "not_observable", "RESP-01 is broken (got \x1b[31m[bold]x[/bold])"))
    assert "\x1b" not in said[0]
    assert "[bold]x[/bold]" in said[0]


def test_the_header_prints_the_notes_of_discovery() -> None:
    console = Console(file=io.StringIO(), soft_wrap=True, highlight=False)
    note = "It let a client connect and answered nothing; it is judged as the HTTP server it is taken for."
    prepared = Prepared("server.c", Contract(), {}, notes=(note,), address="127.0.0.1:9157", arena="namespace")
    terminal.header(console, prepared, {})
    assert isinstance(console.file, io.StringIO)
    assert f"  note       {note}\n" in console.file.getvalue()


def header(contract: Contract, address: str = "127.0.0.1:9157") -> str:
    console = Console(file=io.StringIO(), soft_wrap=True, highlight=False)
    terminal.header(console, Prepared("server.c", contract, {}, address=address, arena="namespace"), {})
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("0.0.0.0:9157", "listens    0.0.0.0:9157 (every address), in a private network"),
        ("[::]:9157", "listens    [::]:9157 (every address), in a private network"),
        ("127.0.0.1:9157", "listens    127.0.0.1:9157, in a private network"),
    ],
)
def test_the_header_says_to_which_address_it_is_bound(address: str, said: str) -> None:
    assert said in header(Contract(), address)


@pytest.mark.parametrize(
    ("concurrency", "workers", "said"),
    [
        ("thread", 4, "a pool of threads, which serves 4 clients at a time"),
        ("thread", None, "a thread for each connection"),
        ("prefork", 1, "1 preforked worker"),
        ("prefork", 3, "3 preforked workers"),
        ("prefork", None, "preforked workers"),
    ],
)
def test_a_pool_of_threads_is_no_thread_for_each(concurrency: Concurrency, workers: int | None, said: str) -> None:
    contract = Contract(protocol="echo", concurrency=concurrency, workers=workers)
    assert f"discovered TCP echo; {said}\n" in header(contract)


def test_what_its_connections_do_is_said_where_it_was_seen() -> None:
    closes = Contract(protocol="http", http=HttpPromises(closes=True))
    assert "closes the connection behind its answer" in header(closes)
    assert "connection" not in header(Contract(protocol="http", concurrency="iterative"))
