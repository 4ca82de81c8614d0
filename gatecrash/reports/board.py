"""The live board of `gatecrash watch`: every rule as one mark, the broken ones in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from gatecrash.language import say, spoken, terms_alone
from gatecrash.model.verdicts import Outcome, Verdict
from gatecrash.rulebook import Rule, load
from gatecrash.text import safe_text

_MARKS: Mapping[Outcome | None, tuple[str, str]] = {
    "pass": ("✓", "green"),
    "fail": ("✗", "bold red"),
    "inconclusive": ("?", "yellow"),
    "not_observable": ("?", "yellow"),
    "not_applicable": ("-", "dim"),
    None: ("·", "dim"),
}
_MOST_BROKEN = 12


@terms_alone()
def board(title: str, rules: Iterable[Rule], verdicts: Mapping[str, Verdict], *, judging: bool) -> RenderableType:
    """The board now: a line an area with a mark a rule, then each broken rule with what was seen."""
    rows = list(rules)
    known = [rule for rule in rows if rule.id in verdicts]
    state = (
        say("judging, {count} of {total} rules", count=len(known), total=len(rows))
        if judging
        else say("waiting for a file to be saved (Ctrl-C ends)")
    )
    lines = [Text.assemble((safe_text(title), "bold"), ("  " + state, "dim"))]
    lines += [_area(area, rows, verdicts) for area in dict.fromkeys(rule.area for rule in rows)]
    broken = [verdicts[rule.id] for rule in rows if rule.id in verdicts and verdicts[rule.id].outcome == "fail"]
    lines += [_broken(verdict) for verdict in broken[:_MOST_BROKEN]]
    if len(broken) > _MOST_BROKEN:
        lines.append(Text(say("  and {number} more", number=len(broken) - _MOST_BROKEN), "dim"))
    return Group(*lines)


def _area(area: str, rules: list[Rule], verdicts: Mapping[str, Verdict]) -> Text:
    line = Text(f"  {area:<11} ")
    for rule in rules:
        if rule.area == area:
            verdict = verdicts.get(rule.id)
            line.append(*_MARKS[verdict.outcome if verdict is not None else None])
    return line


def _broken(verdict: Verdict) -> Text:
    got = verdict.finding.got if verdict.finding is not None else verdict.reason
    title = spoken(load().get(verdict.rule).title)
    return Text.assemble(
        (f"  {verdict.rule:<10} ", "bold red"), title, (f"\n             {safe_text(spoken(got))[:300]}", "dim")
    )
