"""What was not tried for lack of time, and what cannot be seen of a fork bomb: neither is left to chance."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gatecrash.cli import main
from gatecrash.engine import worker_pool as runner
from gatecrash.engine.events import TargetPrepared, listen
from gatecrash.engine.preparation import OpenTarget, SessionPool
from gatecrash.engine.prerequisites import hidden_behind
from gatecrash.engine.profiles import Profile, profile
from gatecrash.engine.properties import Property
from gatecrash.engine.run import Run
from gatecrash.engine.run_request import RunRequest
from gatecrash.engine.worker_pool import Result, WorkerPool, WorkItem, work_items
from gatecrash.model.contract import Contract, Protocol, Silence
from gatecrash.model.launch import Launch
from gatecrash.model.prepared import Prepared
from gatecrash.model.scenario import (
    Connect,
    Fail,
    LimitDescriptors,
    Receive,
    Reset,
    Settle,
    Shorten,
    Signal,
    Step,
    scenario,
)
from gatecrash.model.transcript import SanitizerReport, Transcript
from gatecrash.model.verdicts import NOT_THEIRS, Finding, Verdict, merge
from gatecrash.paths import tree_root
from gatecrash.reports.words import closing, counts
from gatecrash.results import exit_codes
from gatecrash.results.record import judgements
from gatecrash.rulebook import load
from tests.ci_records import failure, record_of

FORKING = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
ECHO = str(tree_root() / "servers" / "python" / "echo_fork.py")
RULES = ("ACC-01", "STREAM-01", "STREAM-02", "STREAM-03", "STREAM-11")


def results(folder: Path, jobs: int, until: float = float("inf"), *, stretched: bool = False) -> list[Result]:
    with WorkerPool(folder, lambda: SessionPool(folder), ECHO, profile("glance"), jobs=jobs) as workers:
        told = workers.results(work_items(RULES, ("plain",)), until=until, stretched=stretched)
        return [one for one in told if isinstance(one, Result)]


@FORKING
def test_a_rule_is_tried_when_those_it_builds_on_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"

    def notes(one: Property, opened: OpenTarget, build: str, tried: Profile, **_: bool) -> tuple[Verdict, ...]:
        with log.open("a") as out:
            out.write(f"{one.rule}\n")
        return (Verdict(one.rule, "pass"),)

    monkeypatch.setattr(runner, "try_property", notes)
    results(tmp_path, 2)
    tried = log.read_text().split()
    assert sorted(tried) == sorted(RULES)
    for rule in RULES:
        for below in set(load().get(rule).after) & set(RULES):
            assert tried.index(below) < tried.index(rule), tried


@FORKING
def test_when_the_time_is_over_everybody_is_stopped_and_the_rest_is_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hangs(one: Property, opened: OpenTarget, build: str, tried: Profile, **_: bool) -> tuple[Verdict, ...]:
        time.sleep(600)
        raise AssertionError

    monkeypatch.setattr(runner, "try_property", hangs)
    found = results(tmp_path, 2, until=time.monotonic() + 0.2)
    assert {result.item.rule for result in found} == set(RULES)
    assert all(result.late and not result.fault for result in found)


def test_a_run_that_left_rules_out_for_time_does_not_conform() -> None:
    late = Verdict("ACC-03", "inconclusive", "not tried: time: the 100 s of this run were over", late=True)
    held = Verdict("ACC-01", "pass")
    assert exit_codes.of_record(record_of(held), strict=False) == 0
    assert exit_codes.of_record(record_of(held, late), strict=False) == 5
    assert exit_codes.of_record(record_of(held, late, failure()), strict=False) == 1


def fork_bomb(*steps: Step) -> Verdict:
    finding = Finding("RES-06", "few", "it had 2000 processes")
    return Verdict("RES-06", "fail", finding=finding, scenario=scenario(*steps))


def test_nothing_is_seen_of_a_server_that_forks_without_end() -> None:
    broken = fork_bomb(Connect("A"), Receive("A"))
    others = [Verdict("ACC-08", "pass"), Verdict("ACC-09", "inconclusive", "patience"), failure("FORK-02")]
    judged = judgements([*others, broken], load().rules)
    assert {j.rule.id: j.verdict.outcome for j in judged} == {
        "ACC-08": "not_observable",
        "ACC-09": "not_observable",
        "FORK-02": "fail",
        "RES-06": "fail",
    }
    assert "RES-06 is broken (it had 2000 processes)" in judged[0].verdict.reason


@pytest.mark.parametrize("done", [LimitDescriptors(0), Signal("parent", "SIGCHLD"), Fail("accept", "EMFILE")])
def test_one_that_forks_without_end_when_descriptors_lack_is_seen_by_all_who_do_not_try_that(done: Step) -> None:
    judged = judgements([Verdict("ACC-01", "pass"), fork_bomb(done, Connect("A"))], load().rules)
    assert {j.rule.id: j.verdict.outcome for j in judged} == {"ACC-01": "pass", "RES-06": "fail"}


def limit_hit(clients: int) -> Verdict:
    """So many clients have taken it to a limit."""
    finding = Finding("RES-07", "within", "it had 64 MiB of memory, and wanted more: it was ended")
    return Verdict("RES-07", "fail", finding=finding, scenario=scenario(*(Connect(f"C{n}") for n in range(clients))))


@pytest.mark.parametrize(("clients", "outcome"), [(4, "not_observable"), (40, "pass")])
def test_nothing_is_seen_of_a_server_that_a_few_clients_take_to_a_limit(clients: int, outcome: str) -> None:
    judged = judgements([Verdict("ACC-01", "pass"), limit_hit(clients)], load().rules)
    assert {j.rule.id: j.verdict.outcome for j in judged} == {"ACC-01": outcome, "RES-07": "fail"}


def test_a_client_that_resets_does_so_alone() -> None:
    judged = judgements([Verdict("ACC-01", "pass"), fork_bomb(Connect("A"), Reset("A"), Settle())], load().rules)
    assert {j.rule.id: j.verdict.outcome for j in judged} == {"ACC-01": "not_observable", "RES-06": "fail"}


def test_what_injects_a_failure_is_done_to_the_server() -> None:
    known = [kind for kind in Step.__subclasses__() if kind.kind]
    assert {kind for kind in known if kind.injects} == {Fail, LimitDescriptors, Shorten}
    assert all(kind.on_server for kind in known if kind.injects)
    assert not any(kind.on_server for kind in known if "client" in kind.__dataclass_fields__)


@pytest.mark.parametrize(
    ("verdicts", "hidden"),
    [
        pytest.param([Verdict("ACC-01", "pass", hides=""), Verdict("FORK-02", "fail")], {"ACC-01": ""}, id="it holds"),
        pytest.param([Verdict("ACC-01", "fail", hides="")], {"ACC-01": ""}, id="broken, and not by its probe"),
        pytest.param([Verdict("ACC-01", "fail", hides="why")], {"ACC-01": "why"}, id="broken by its probe"),
        pytest.param([Verdict("ACC-01", "pass", hides="", build="sanitized")], {}, id="only the other build was tried"),
        pytest.param([Verdict("ACC-01", "not_observable")], {}, id="not tried"),
        pytest.param([], {}, id="no verdict"),
    ],
)
def test_what_is_hidden_behind_a_rule_is_what_its_trial_said_of_its_probe(
    verdicts: list[Verdict], hidden: dict[str, str]
) -> None:
    assert hidden_behind(verdicts) == hidden


@pytest.mark.parametrize(
    ("protocol", "verdicts", "code"),
    [
        ("http", [Verdict("ACC-01", "pass"), Verdict("RESP-01", "pass")], 0),
        ("http", [Verdict("ACC-01", "pass"), Verdict("RESP-01", "inconclusive", "patience")], 5),
        ("http", [Verdict("ACC-01", "not_observable", "nothing to see"), Verdict("RESP-01", "pass")], 5),
        ("http", [Verdict("ACC-03", "pass")], 0),
        ("echo", [Verdict("ACC-01", "pass"), Verdict("STREAM-01", "inconclusive", "patience")], 5),
        ("udp", [Verdict("DGRAM-01", "inconclusive", "patience"), Verdict("LIFE-02", "pass")], 5),
        ("http", [Verdict("ACC-01", "inconclusive", "patience"), failure("FORK-02")], 1),
    ],
)
def test_nothing_conforms_that_was_not_seen_to_accept_and_to_answer(
    protocol: Protocol, verdicts: list[Verdict], code: int
) -> None:
    record = record_of(*verdicts, contract=Contract(protocol=protocol))
    assert exit_codes.of_record(record, strict=False) == code
    assert ("was not proven" in closing(record, strict=False)) is (code == 5)


@pytest.mark.parametrize(("silence", "code"), [("", 0), ("seen", 5), ("promised", 0)])
def test_silence_that_nobody_promised_is_no_conformity(silence: Silence, code: int) -> None:
    record = record_of(Verdict("ACC-01", "pass"), contract=Contract.of(protocol="none", silence=silence))
    assert exit_codes.of_record(record, strict=False) == code


def test_how_much_of_what_applies_was_seen_is_one_number() -> None:
    record = record_of(
        Verdict("ACC-01", "pass"),
        failure(),
        Verdict("ACC-02", "inconclusive", "x"),
        Verdict("ACC-03", "not_applicable", "y"),
    )
    assert record.seen == (2, 3)
    assert counts(record).endswith("66 % of what applies was seen")
    assert record.to_json()["seen"] == [2, 3]


def run_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch, found: list[Result], rules: tuple[str, ...]
) -> dict[str, Verdict]:
    """The verdicts of a run whose workers say this, on a server that is an echo."""
    monkeypatch.setattr(runner.WorkerPool, "__enter__", lambda workers: workers)
    monkeypatch.setattr(runner.WorkerPool, "results", lambda workers, work, **_: (one for one in found))
    prepared = Prepared("echo", Contract(protocol="echo", concurrency="fork"), {"plain": Launch((), folder)})
    monkeypatch.setattr(Run, "prepare", lambda run: TargetPrepared(prepared, {}))
    run = Run(RunRequest(ECHO, tuple(load().get(rule) for rule in rules)), folder)
    return {judged.rule.id: judged.verdict for judged in listen(run.events()).judgements}


def order_of(rule: str) -> WorkItem:
    return next(item for item in work_items([rule], ["plain"]) if item.rule == rule)


def test_what_was_not_tried_is_told_from_what_was_begun_and_from_what_does_not_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        Result(order_of("STREAM-01"), late=True, begun=True),
        Result(order_of("STREAM-02"), late=True),
        Result(order_of("RESP-02"), late=True),
    ]
    said = run_with(tmp_path, monkeypatch, found, ("STREAM-01", "STREAM-02", "RESP-02"))
    assert said["STREAM-01"].reason == "not tried to its end: time: the 100 s of this run were over"
    assert said["STREAM-02"].reason == "not tried: time: the 100 s of this run were over"
    assert said["RESP-02"].outcome == "not_applicable"


def test_a_worker_that_died_leaves_its_rule_inconclusive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Result(order_of("STREAM-01"), lost="a worker ended (SIGKILL) while it tried STREAM-01")]
    said = run_with(tmp_path, monkeypatch, found, ("STREAM-01",))["STREAM-01"]
    assert said.outcome == "inconclusive"
    assert said.reason == "nothing is known of it: a worker ended (SIGKILL) while it tried STREAM-01"


def test_a_fork_bomb_is_tried_no_more_once_it_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = fork_bomb(Connect("A"))
    later = Result(order_of("STREAM-02"), (Verdict("STREAM-02", "pass"),))
    found = [Result(order_of("STREAM-01"), (bomb, Verdict("STREAM-01", "pass"))), later]
    said = run_with(tmp_path, monkeypatch, found, ("STREAM-01", "STREAM-02", "RESP-02", "RES-06"))
    assert {rule: verdict.outcome for rule, verdict in said.items()} == {
        "STREAM-01": "not_observable",
        "STREAM-02": "not_observable",
        "RESP-02": "not_applicable",
        "RES-06": "fail",
    }
    assert said["STREAM-02"].reason == "RES-06 is broken (it had 2000 processes), so this cannot be seen"


@pytest.mark.parametrize("text", ["0", "soon", "100000"])
def test_a_time_that_no_run_can_have_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--max-time", text]) == 4
    assert f"{text!r} is not a time for a run; give seconds, from 1 to 86400" in capsys.readouterr().err


def test_a_mute_server_is_told_what_promises_silence() -> None:
    record = record_of(Verdict("ACC-01", "pass"), contract=Contract.of(protocol="none", silence="seen"))
    assert 'no contract promises that (protocol = "discard")' in closing(record, strict=False)


def test_why_nothing_was_seen_is_told_by_the_build_that_could_have_shown_it() -> None:
    """The plain build only says that it takes the sanitizers; with them, something else stood in the way."""
    plain = Verdict("MEM-01", "not_observable", "only a build with the sanitizers shows it")
    behind = Verdict("MEM-01", "not_observable", "ACC-01 is broken", build="sanitized")
    held = Verdict("MEM-01", "pass", exercised=1, build="sanitized")
    assert merge([plain, behind]) == merge([behind, plain]) == {"MEM-01": behind}
    assert merge([plain, held]) == {"MEM-01": held}


def test_a_failure_is_told_by_the_rules_own_test_and_a_crash_by_the_sanitizers() -> None:
    report = SanitizerReport(0, "signal", "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x0")

    def failed(build: str, confirmed: tuple[int, int] | None, steps: int, *events: SanitizerReport) -> Verdict:
        played = scenario(*(Connect(f"C{number}") for number in range(steps)))
        told = Transcript(played, events)
        return Verdict("MEM-03", "fail", scenario=played, transcript=told, confirmed=confirmed, build=build)

    for events, named in (((), "plain"), ((report,), "sanitized")):
        seen = failed("plain", None, 1)
        own = {"plain": failed("plain", (3, 3), 9), "sanitized": failed("sanitized", (3, 3), 9, *events)}
        assert merge([seen, *own.values()]) == merge([*own.values(), seen]) == {"MEM-03": own[named]}
        assert merge([seen]) == {"MEM-03": seen}


def test_why_nothing_was_seen_of_another_rule_is_told_by_the_plain_build() -> None:
    plain = Verdict("TIME-05", "not_observable", "no time limit of the server's ended anybody", examples=1)
    other = Verdict("TIME-05", "not_observable", NOT_THEIRS.why, examples=9, build="sanitized")
    assert merge([plain, other]) == merge([other, plain]) == {"TIME-05": plain}
