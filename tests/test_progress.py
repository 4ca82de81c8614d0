"""How far a run is, told without a console and without a clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gatecrash.engine.events import RuleJudged, RuleStarted, TargetPrepared
from gatecrash.model.contract import Contract
from gatecrash.model.launch import Launch
from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Verdict
from gatecrash.reports.progress import Progress
from gatecrash.rulebook import load

LAUNCH = Launch(("./server",), Path())


def begun(*builds: str, rules: str = "ACC-01,ACC-04,FORK-02") -> Progress:
    progress = Progress(load().select([rules]))
    prepared = Prepared("server.c", Contract(), dict.fromkeys(builds, LAUNCH))
    progress.hear(TargetPrepared(prepared, {}), 1.0)
    return progress


def judged(*verdicts: Verdict, build: str = "plain") -> RuleJudged:
    return RuleJudged(verdicts[0].rule, build, tuple(replace(one, build=build) for one in verdicts))


def test_it_says_what_is_tried_how_long_already_and_how_much_is_left() -> None:
    progress = begun("plain")
    progress.hear(RuleStarted("ACC-01", "plain"), 1.0)
    progress.hear(judged(Verdict("ACC-01", "pass")), 2.0)
    progress.hear(RuleStarted("ACC-04", "plain"), 2.0)
    progress.hear(RuleStarted("FORK-02", "plain"), 6.0)
    assert progress.lines(7.0).plain == "  1 of 3 rules tried, 2 left, 7 s: ACC-04 (5 s), FORK-02"


def test_what_is_broken_stands_below() -> None:
    progress = begun("plain")
    progress.hear(judged(Verdict("ACC-01", "pass"), Verdict("MEM-03", "pass")), 2.0)
    progress.hear(judged(Verdict("FORK-02", "fail")), 3.0)
    assert progress.lines(3.0).plain.splitlines() == ["  2 of 3 rules tried, 1 left, 3 s", "  broken: FORK-02"]


def test_the_second_build_is_counted_by_itself() -> None:
    progress = begun("plain", "sanitized", rules="ACC-01,ACC-04")
    for rule in ("ACC-01", "ACC-04"):
        progress.hear(judged(Verdict(rule, "pass")), 2.0)
    progress.hear(RuleJudged("ACC-01", "sanitized", ()), 3.0)
    assert progress.lines(3.0).plain == "  1 of 2 rules tried, 1 left on the second build, 3 s"


def test_an_area_is_told_of_once_when_all_its_rules_are_tried() -> None:
    progress = begun("plain", "sanitized", rules="ACC-01,ACC-04,FORK-02,DGRAM-01")
    progress.hear(judged(Verdict("ACC-01", "pass")), 2.0)
    assert list(progress.finished_areas(2.0)) == []
    progress.hear(judged(Verdict("ACC-04", "fail")), 3.0)
    assert list(progress.finished_areas(3.0)) == ["  accept      tried after 3 s, broken: ACC-04"]
    progress.hear(judged(Verdict("FORK-02", "pass")), 4.0)
    progress.hear(judged(Verdict("DGRAM-01", "not_applicable")), 4.0)
    assert list(progress.finished_areas(4.0)) == [
        "  fork        tried after 4 s, nothing broken",
        "  datagram    tried after 4 s, does not apply",
    ]
    for rule in ("ACC-01", "ACC-04", "FORK-02"):
        progress.hear(RuleJudged(rule, "sanitized", ()), 5.0)
    progress.hear(judged(Verdict("MEM-01", "fail"), build="sanitized"), 5.0)
    progress.hear(RuleJudged("DGRAM-01", "sanitized", ()), 6.0)
    assert list(progress.finished_areas(6.0)) == ["  sanitized   tried after 6 s, broken: MEM-01"]
    assert list(progress.finished_areas(7.0)) == []
