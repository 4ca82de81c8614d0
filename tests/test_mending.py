"""In which order what is broken is mended, and what is folded under what. No socket is needed to decide it."""

from __future__ import annotations

from dataclasses import replace

from gatecrash.language import stated
from gatecrash.model.blocked import BlockedTask, Descriptor
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.model.scenario import Connect, Fail, Signal, Step, scenario
from gatecrash.model.transcript import CrashedProcess, Event, SanitizerReport, ServerEnded, Transcript
from gatecrash.model.verdicts import Evidence, Finding, Verdict, broken_here
from gatecrash.results.baseline import Baseline, KnownFailure
from gatecrash.results.mending import to_mend
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.rulebook import load

HTTP = Contract(protocol="http", concurrency="iterative")


def broken(rule: str, *evidence: Evidence, end: Event | None = None, steps: tuple[Step, ...] = ()) -> Verdict:
    played = scenario(Connect("A"), *steps)
    seen = Transcript(played, () if end is None else (end,))
    return Verdict(rule, "fail", finding=Finding(rule, "this", "that", evidence), scenario=played, transcript=seen)


def hidden(rule: str, behind: str) -> Verdict:
    return Verdict(rule, "not_observable", broken_here(behind, None))


def record_of(*verdicts: Verdict, contract: Contract = HTTP) -> RunRecord:
    order = [rule.id for rule in load().rules]
    judged = tuple(JudgedRule(load().get(one.rule), one) for one in sorted(verdicts, key=lambda v: order.index(v.rule)))
    return RunRecord("x.c", Prepared("x.c", contract, {}), {}, judged, 1.0, "quick")


def mended(*verdicts: Verdict, contract: Contract = HTTP) -> list[tuple[str, list[str]]]:
    """The rules to mend, each with those folded under it."""
    shown = to_mend(record_of(*verdicts, contract=contract))
    return [(one.rule.id, [other.judgement.rule.id for other in one.consequences]) for one in shown]


def test_nothing_broken_is_nothing_to_mend() -> None:
    assert to_mend(record_of(Verdict("ACC-01", "pass"))) == ()


def test_a_must_is_mended_before_a_should() -> None:
    assert mended(broken("ACC-04"), broken("FORK-02")) == [("FORK-02", []), ("ACC-04", [])]


def test_what_hides_many_is_mended_first_and_says_what_it_hides() -> None:
    many = ("RESP-01", "RESP-02", "RESP-03", "RESP-04", "RESP-05")
    verdicts = (broken("ACC-11", end=ServerEnded(1, -11)), broken("RES-06"), *(hidden(one, "RES-06") for one in many))
    first, second = to_mend(record_of(*verdicts))
    assert (first.rule.id, first.hides) == ("RES-06", many)
    assert (second.rule.id, second.hides) == ("ACC-11", ())


def test_damage_to_memory_and_what_ends_the_server_is_mended_before_what_hides_a_few() -> None:
    report, end = SanitizerReport(1, "address", "heap-buffer-overflow"), ServerEnded(1, -13)
    verdicts = broken("RESP-05"), hidden("RESP-06", "RESP-05"), broken("LIFE-06", end=end), broken("MEM-01", end=report)
    assert mended(*verdicts) == [("MEM-01", []), ("LIFE-06", []), ("RESP-05", [])]


def test_what_clients_alone_show_is_mended_before_what_takes_a_call_that_fails() -> None:
    injected = broken("ACC-07", end=ServerEnded(1, -13), steps=(Fail("accept", "ECONNABORTED"),))
    assert mended(injected, broken("RESP-05")) == [("RESP-05", []), ("ACC-07", [])]


def test_what_builds_on_another_of_its_area_is_folded_under_it() -> None:
    assert mended(broken("FORK-03"), broken("FORK-02")) == [("FORK-02", ["FORK-03"])]
    (first,) = to_mend(record_of(broken("RESP-03"), broken("RESP-02")))
    assert first.consequences[0].why == "it builds on RESP-02"


def test_what_builds_on_another_by_a_third_is_not_folded_under_it() -> None:
    assert "ACC-16" not in load().get("ACC-18").after
    assert mended(broken("ACC-16"), broken("ACC-18")) == [("ACC-16", []), ("ACC-18", [])]


def test_that_a_client_is_served_at_all_explains_nothing_that_was_tried_all_the_same() -> None:
    assert mended(broken("RESP-01"), broken("RESP-05")) == [("RESP-01", []), ("RESP-05", [])]


def test_a_cause_stands_before_what_builds_on_it_in_another_area() -> None:
    assert mended(broken("RESP-14"), broken("RES-01")) == [("RES-01", []), ("RESP-14", [])]


def test_a_must_is_never_folded_under_a_should() -> None:
    died = ServerEnded(1, 1, "accept: bad\n")
    assert load().get("LIFE-09").level == "SHOULD"
    assert mended(broken("LIFE-09", end=died), broken("LIFE-06", end=died)) == [("LIFE-06", ["LIFE-09"])]


def test_two_that_end_the_server_with_the_same_words_are_one() -> None:
    died = ServerEnded(1, 1, "Traceback (most recent call last):\nConnectionResetError: [Errno 104]\n")
    (first,) = to_mend(record_of(broken("ACC-05", end=died), broken("LIFE-05", end=died)))
    assert first.consequences[0].why == "it ends in the same way: ConnectionResetError: [Errno 104]"


def test_two_that_end_it_with_other_words_or_without_a_word_are_two() -> None:
    one, other, silent = (ServerEnded(1, 1, words) for words in ("accept: no\n", "recv: no\n", ""))
    assert len(mended(broken("ACC-05", end=one), broken("LIFE-05", end=other))) == 2
    assert len(mended(broken("ACC-05", end=silent), broken("LIFE-05", end=silent))) == 2


def test_two_that_die_of_the_same_signal_are_one() -> None:
    verdicts = broken("LIFE-05", end=ServerEnded(1, -13)), broken("LIFE-06", end=CrashedProcess(1, 7, 13))
    (first,) = to_mend(record_of(*verdicts))
    assert first.consequences[0].why == "it ends in the same way: SIGPIPE"


def test_a_signal_that_we_sent_says_nothing() -> None:
    steps = (Signal("child", "SIGUSR1"),)
    verdicts = [broken(rule, end=CrashedProcess(1, 7, 10), steps=steps) for rule in ("FORK-10", "LIFE-05")]
    assert len(mended(*verdicts)) == 2


def test_a_memory_fault_that_an_oracle_names_takes_the_rule_with_it() -> None:
    named = stated("the cause is a memory fault ({rule}): {got}", rule="MEM-03", got="a process was ended by SIGSEGV")
    assert mended(broken("ACC-02", named), broken("MEM-03")) == [("MEM-03", ["ACC-02"])]
    (first,) = to_mend(record_of(broken("ACC-02", named), broken("MEM-03"), hidden("RESP-12", "ACC-02")))
    assert (first.rule.id, first.hides) == ("MEM-03", ("RESP-12",))


def test_a_fault_is_folded_under_the_damage_and_undefined_behaviour_is_not() -> None:
    address, undefined = (SanitizerReport(1, tool, "why") for tool in ("address", "undefined"))
    fault = ServerEnded(1, -11)
    verdicts = (broken("MEM-01", end=address), broken("MEM-02", end=undefined), broken("MEM-03", end=fault))
    assert mended(*verdicts, broken("RESP-22", end=fault)) == [("MEM-01", ["MEM-03", "RESP-22"]), ("MEM-02", [])]


def test_two_that_find_the_only_task_blocked_in_the_same_place_are_one() -> None:
    stuck = BlockedTask(7, 7, "x", "blocked", "recv", Descriptor(4, "socket"))
    verdicts = broken("RESP-12", stuck), broken("RESP-25", stuck)
    (first,) = to_mend(record_of(*verdicts))
    assert first.consequences[0].why == "the server is blocked in the same place: recv on descriptor 4"
    assert len(mended(*verdicts, contract=replace(HTTP, concurrency="fork"))) == 2


def test_two_that_find_threads_waiting_for_the_bytes_of_one_connection_are_one() -> None:
    threads = [BlockedTask(7, tid, "x", "blocked", "read", Descriptor(5, "socket")) for tid in (8, 9)]
    many = Contract(protocol="echo", concurrency="thread")
    verdicts = broken("STREAM-10", *threads), broken("ACC-05", *(replace(one, pid=6) for one in threads))
    (first,) = to_mend(record_of(*verdicts, hidden("RES-02", "STREAM-10"), contract=many))
    assert [one.judgement.rule.id for one in first.consequences] == ["ACC-05"]
    assert first.consequences[0].why == "in both, several threads wait for the bytes of one connection"
    assert len(mended(broken("STREAM-10", *threads), broken("ACC-05", threads[0]), contract=many)) == 2


def test_a_server_that_waits_for_its_next_client_is_blocked_nowhere() -> None:
    rests = BlockedTask(7, 7, "x", "blocked", "accept", Descriptor(3, "socket"))
    assert len(mended(broken("RESP-12", rests), broken("RESP-25", rests))) == 2


def test_what_is_known_is_not_to_be_mended() -> None:
    known = Baseline((KnownFailure("FORK-02"),))
    record = replace(record_of(broken("FORK-02"), broken("RESP-05")), baseline=known)
    assert [one.rule.id for one in to_mend(record)] == ["RESP-05"]


def test_the_order_does_not_hang_on_the_order_of_the_verdicts() -> None:
    verdicts = [broken(rule) for rule in ("RESP-05", "ACC-04", "FORK-03", "FORK-02", "LIFE-02")]
    assert mended(*verdicts) == mended(*reversed(verdicts))


def test_it_is_told_as_plain_values() -> None:
    (first,) = to_mend(record_of(broken("FORK-02"), broken("FORK-03"), hidden("FORK-05", "FORK-02")))
    assert first.to_json() == {
        "rule": "FORK-02",
        "consequences": [{"rule": "FORK-03", "why": "it builds on FORK-02"}],
        "hides": ["FORK-05"],
    }
