"""The HTML report: whole, valid, and nothing of a hostile server's in it can run."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from typing import Any, get_args

import pytest

from gatecrash import languages
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.model.scenario import Connect, Receive, Send, Settle, scenario
from gatecrash.model.transcript import Connected, Got, Sent, Transcript
from gatecrash.model.verdicts import Difference, Finding, Outcome, Verdict
from gatecrash.reports import html_report
from gatecrash.reports.byte_diff import sides
from gatecrash.results.baseline import Baseline, KnownFailure
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.rulebook import load

HOSTILE = "</script></pre><img src=x onerror=alert(1)>\x1b[31m\x00\u202eevil\ud800" + "A" * 50_000
BYTES = HOSTILE[:70].encode("utf-8", "surrogatepass")


def _record(*verdicts: Verdict, error: str | None = None, fault: str | None = None, ended: bool = False) -> RunRecord:
    prepared = Prepared(f"<b>{'x' * 300}", Contract(protocol="http"), {}, notes=(HOSTILE,), error=error)
    judged = tuple(JudgedRule(load().get(one.rule), one) for one in verdicts)
    return RunRecord("x", prepared, {"gates": HOSTILE}, judged, 1.0, "quick", fault, ended, named="a b'c.c")


def _failure(rule: str) -> Verdict:
    played = scenario(Connect("A"), Send("A", BYTES), Receive("A"), Settle())
    seen = Transcript(played, (Connected(0, "A"), Sent(1, "A", BYTES, True, None), Got(2, "A", BYTES * 2)))
    finding = Finding(rule, HOSTILE, HOSTILE, (HOSTILE,) * 60, Difference(b"ok\r\n", BYTES, 0))
    return Verdict(rule, "fail", finding=finding, scenario=played, transcript=seen, confirmed=(3, 3))


def _parsed(record: RunRecord) -> tuple[str, Any]:
    html5lib = pytest.importorskip("html5lib", reason="the dev dependency html5lib reads HTML as the standard says")
    page = html_report.render(record)
    return page, html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)


RECORDS = {
    "every verdict": _record(
        _failure("ACC-01"),
        _failure("FORK-02"),
        *(
            Verdict(rule, outcome, reason=HOSTILE)
            for rule, outcome in zip(("RESP-01", "RESP-02", "RESP-03", "RESP-04"), get_args(Outcome), strict=False)
            if outcome != "fail"
        ),
    ),
    "no failure": _record(Verdict("ACC-01", "pass")),
    "it did not build": _record(error=HOSTILE),
    "a fault of ours": _record(Verdict("ACC-01", "pass"), fault=HOSTILE),
    "interrupted": _record(Verdict("ACC-01", "pass"), ended=True),
}


@pytest.mark.parametrize("name", RECORDS)
def test_the_page_is_strict_html_with_unique_ids(name: str) -> None:
    _, tree = _parsed(RECORDS[name])
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert {j.rule.id for j in RECORDS[name].judgements} <= set(ids)


@pytest.mark.parametrize("name", RECORDS)
def test_the_page_has_no_stray_characters_and_is_of_a_size_to_be_opened(name: str) -> None:
    page = html_report.render(RECORDS[name])
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", page)
    assert len(page) < 2_000_000


@pytest.mark.parametrize("name", RECORDS)
def test_nothing_but_our_own_script_is_in_it_and_nothing_is_loaded(name: str) -> None:
    page, tree = _parsed(RECORDS[name])
    elements = list(tree.iter())
    assert not [e for e in elements if e.tag in ("img", "link", "iframe", "object", "embed", "base")]
    assert not [key for e in elements for key in e.keys() if str(key).startswith("on") or key in ("src", "style")]  # noqa: SIM118
    links = [e.get("href") for e in elements if e.get("href")]
    assert all(link.startswith(("#", "data:text/x-python;")) for link in links)
    assert page.count("<script") == 1
    for tag in ("script", "style"):
        text = page.split(f"<{tag}>", 1)[1].split(f"</{tag}>", 1)[0]
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in page.replace("&#43;", "+")


def test_a_run_without_verdicts_says_why() -> None:
    assert "did not build or start" in html_report.render(_record(error="server.c:3: error: expected ';'"))
    assert "expected &#39;;&#39;" in html_report.render(_record(error="server.c:3: error: expected ';'"))
    assert "a fault of Gatecrash" in html_report.render(RECORDS["a fault of ours"])
    assert "interrupted" in html_report.render(RECORDS["interrupted"])


def test_a_failure_has_its_diagram_its_fix_and_its_command() -> None:
    page = html_report.render(RECORDS["every verdict"])
    assert page.count('<svg xmlns="http://www.w3.org/2000/svg" class="seq"') == 2
    assert 'data-lane="client:A"' in page
    assert "always (3/3)" in page
    assert "gatecrash replay ACC-01" in page


def test_what_to_mend_first_comes_before_all_else() -> None:
    advice = next(rule.id for rule in load().rules if rule.level == "SHOULD")
    page = html_report.render(_record(_failure(advice), _failure("FORK-02")))
    first = page.index("Mend first: FORK-02")
    assert page.index("does not conform</h1>") < first < page.index('<dl class="facts">') < page.index('class="glance"')
    assert f"Mend first: {advice}" not in page
    articles = [page.index(f'<article class="failure" id="{rule}"') for rule in ("FORK-02", advice)]
    assert articles == sorted(articles)
    assert "Mend first" not in html_report.render(RECORDS["no failure"])


def test_what_probably_goes_with_a_broken_rule_stands_below_it() -> None:
    died = Verdict("FORK-02", "fail", finding=Finding("FORK-02", "no zombie", "zombies"))
    also = Verdict("FORK-03", "fail", finding=Finding("FORK-03", "no zombie", "zombies"))
    page = html_report.render(_record(died, also))
    listed = page[page.index('<ol class="contents">') : page.index("</ol>")]
    assert (
        listed.index("FORK-02") < listed.index("<ul>") < listed.index("FORK-03") < listed.index("it builds on FORK-02")
    )


def test_a_long_command_is_folded_and_a_short_one_is_not() -> None:
    built = ("cc -o server server.c", f"cc {'-fsanitize=address ' * 8}-o server server.c")
    record = _record(Verdict("ACC-01", "pass"))
    page = html_report.render(replace(record, prepared=replace(record.prepared, notes=(), how_built=built)))
    assert re.findall(r'<details class="long" open><summary><code>(.*?)</code>', page) == [built[1]]
    assert f"<code>{built[0]}</code>" in page


def test_a_term_is_explained_once_above_the_rules_and_once_in_each_of_these() -> None:
    languages.use("ko")
    try:
        page = html_report.render(_record(_failure("FORK-02"), _failure("FORK-03"), Verdict("FORK-07", "pass")))
    finally:
        languages.use("en")
    told, rules = page.split('<section class="board"')
    assert told.count("(zombie)") == told.count("(parent)") == 1
    assert told.count("좀비") > 3
    assert rules.split('data-rule="FORK-07"')[1].split("</details>")[0].count("(child)") == 1


def test_the_byte_where_two_answers_part_is_marked_whatever_is_left_out() -> None:
    expected, got = sides(Difference(b"a" * 5000 + b"b", b"a" * 5000 + b"\n" + b"c" * 5000, 5000))
    assert (expected.before, got.before) == (4936, 4936)
    assert [run.text for run in got.runs if run.kind == "first"] == ["\\n"]
    assert [run.title for run in got.runs if run.kind == "first"] == ["byte 5000: 0x0a, line feed"]
    assert got.after == 4681


def test_a_side_that_ends_early_says_so() -> None:
    expected, got = sides(Difference(b"abc", b"abcd", 3))
    assert expected.ends
    assert not got.ends


def test_a_known_failure_is_marked_and_a_fixed_one_must_go() -> None:
    knows = Baseline((KnownFailure("ACC-01", reason="next week"), KnownFailure("RESP-01")))
    record = replace(_record(_failure("ACC-01"), Verdict("RESP-01", "pass")), baseline=knows)
    page = html_report.render(record)
    assert "The baseline knows this failure; it fails no gate. next week" in page
    assert "RESP-01 holds again: remove it from the baseline" in page
    assert "knows this failure" not in html_report.render(_record(_failure("ACC-01")))


@pytest.mark.parametrize(("strict", "said"), [(False, "conforms"), (True, "does not conform")])
def test_a_strict_run_says_what_its_exit_code_says(strict: bool, said: str) -> None:
    advice = next(rule.id for rule in load().rules if rule.level == "SHOULD")
    record = replace(_record(_failure(advice), Verdict("ACC-01", "pass")), strict=strict)
    assert re.search(rf"</bdi> {said}</h1>", html_report.render(record))


def test_the_key_speaks_of_one_or_of_many() -> None:
    held = [Verdict(rule, "pass") for rule in ("ACC-01", "ACC-02")]
    key = r'<p class="key">.*?</p>'
    assert re.search(r"2 hold\b", *re.findall(key, html_report.render(_record(*held))))
    assert re.search(r"1 holds\b", *re.findall(key, html_report.render(_record(*held[:1]))))


def test_the_script_in_the_page_is_whole() -> None:
    found = re.findall(
        r'href="data:text/x-python;charset=utf-8;base64,([^"]*)"', html_report.render(RECORDS["every verdict"])
    )
    assert found
    for one in found:
        compile(base64.b64decode(one, validate=True), "script.py", "exec")
