"""docs/rules is what the rulebook says, its links lead somewhere, and reports link to it where its address is known."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gatecrash.commands import explain
from gatecrash.errors import UsageError
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Finding, Verdict
from gatecrash.paths import tree_root
from gatecrash.reports import github_summary, json_report, junit, links, sarif
from gatecrash.reports.rule_page import INDEX, escaped, linked_source, pages
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.rulebook import load

FOLDER = tree_root() / "docs" / "rules"
BASE = "https://example.org/docs/rules/"
_LINK = re.compile(r"(?<!\\)\]\(([^)]*)\)")
_RFC = re.compile(r"https://www\.rfc-editor\.org/rfc/rfc[1-9]\d*(#section-\d+(\.\d+)*)?")
_MANUAL = re.compile(r"https://man7\.org/linux/man-pages/man([1-8])/\w+\.\1\.html")


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody has said where the pages are, before and after."""
    monkeypatch.delenv(links.VARIABLE, raising=False)
    links.use(None)
    yield
    monkeypatch.delenv(links.VARIABLE, raising=False)
    links.use(None)


def test_the_pages_are_what_the_rulebook_says() -> None:
    wanted = pages(load())
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert set(there) == set(wanted), "run: gatecrash explain --all --output docs/rules"
    assert [name for name in wanted if there[name] != wanted[name]] == [], (
        "run: gatecrash explain --all --output docs/rules"
    )


def test_every_link_resolves_or_has_the_shape_of_its_site() -> None:
    for name, text in pages(load()).items():
        prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        for link in _LINK.findall(prose):
            if link.startswith("http"):
                assert _RFC.fullmatch(link) or _MANUAL.fullmatch(link), (name, link)
            else:
                assert (FOLDER / link).resolve().is_file(), (name, link)


def test_the_index_links_to_every_page() -> None:
    assert set(_LINK.findall(pages(load())[INDEX])) == {f"{rule.id}.md" for rule in load().rules}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("accept(2) EINTR", "[accept(2)](https://man7.org/linux/man-pages/man2/accept.2.html) EINTR"),
        ("_exit(2)", "[\\_exit(2)](https://man7.org/linux/man-pages/man2/_exit.2.html)"),
        ("UNP 4.8; C11 6.5 (overflow)", "UNP 4.8; C11 6.5 (overflow)"),
        ("RFC 862: until then", "[RFC 862](https://www.rfc-editor.org/rfc/rfc862): until then"),
        (
            "UNP 5; RFC 9112 6.3 rule 8, 9.3, C.2.2 (see 4.1)",
            "UNP 5; [RFC 9112](https://www.rfc-editor.org/rfc/rfc9112) "
            "[6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3) rule 8, "
            "[9.3](https://www.rfc-editor.org/rfc/rfc9112#section-9.3), C.2.2 (see 4.1)",
        ),
    ],
)
def test_a_source_links_to_what_it_names(source: str, said: str) -> None:
    assert linked_source(source) == said


def test_prose_means_nothing_to_markdown() -> None:
    assert escaped("*a* [b](c) <i> `d` _e_ SO_REUSEADDR R&D &lt;") == (
        "\\*a\\* \\[b\\](c) \\<i> \\`d\\` \\_e\\_ SO_REUSEADDR R&D &amp;lt;"
    )


def test_explain_writes_all_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "docs" / "rules"
    assert _explain("--all", "--output", str(folder)) == 0
    assert {path.name for path in folder.iterdir()} == set(pages(load()))
    assert str(folder) in capsys.readouterr().out


@pytest.mark.parametrize("words", [(), ("--all",), ("--output", "x"), ("ACC-01", "--all", "--output", "x")])
def test_explain_wants_a_rule_or_a_folder_for_all(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="--all and --output"):
        _explain(*words)


def test_a_folder_that_is_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file cannot be written"):
        _explain("--all", "--output", str(tmp_path / "file"))


@pytest.mark.parametrize(
    "base", ["docs/rules", "javascript:alert(1)", "https://a b", 'https://a"b', "https://a)\u202e"]
)
def test_what_is_no_address_is_refused(base: str) -> None:
    with pytest.raises(UsageError, match=r"--docs: .* is no address"):
        links.use(base)


def test_the_environment_can_say_where_the_pages_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(links.VARIABLE, BASE)
    links.use(None)
    assert links.rule_link("ACC-01") == f"{BASE}ACC-01.md"
    monkeypatch.setenv(links.VARIABLE, "nowhere")
    with pytest.raises(UsageError, match=f"{links.VARIABLE}: 'nowhere' is no address"):
        links.use(None)
    assert links.rule_link("ACC-01") is None


def test_reports_link_to_a_rule_where_its_page_is_known() -> None:
    record, page = broken(), f"{BASE}ACC-01.md"
    row = json.loads(json_report.render(record))["verdicts"][0]
    assert row["help"] == "gatecrash explain ACC-01"
    assert "url" not in row
    assert "helpUri" not in json.loads(sarif.render(record))["runs"][0]["tool"]["driver"]["rules"][0]
    assert "example.org" not in github_summary.render(record) + junit.render(record)

    links.use(BASE)
    assert json.loads(json_report.render(record))["verdicts"][0]["url"] == page
    assert json.loads(sarif.render(record))["runs"][0]["tool"]["driver"]["rules"][0]["helpUri"] == page
    assert f"]({page})" in github_summary.render(record)
    failure = ElementTree.fromstring(junit.render(record)).find(".//failure")
    assert failure is not None
    assert str(failure.text).endswith(page)


def broken() -> RunRecord:
    """A run in which one rule is broken."""
    verdict = Verdict("ACC-01", "fail", finding=Finding("ACC-01", "an answer", "nothing"))
    judged = (JudgedRule(load().get("ACC-01"), verdict),)
    return RunRecord("server.c", Prepared("server.c", Contract(), {}), {}, judged, 1.0, "quick")


def _explain(*words: str) -> int:
    parser = argparse.ArgumentParser()
    explain.add(parser)
    return explain.run(parser.parse_args(words))
