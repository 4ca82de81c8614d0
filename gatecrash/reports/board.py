"""The live board of `gatecrash watch`: every rule as one mark, the broken ones in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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
def board(
    title: str,
    rules: Iterable[Rule],
    verdicts: Mapping[str, Verdict],
    *,
    doing: Text | None = None,
    order: Sequence[str] = (),
) -> RenderableType:
    """The board now: a line an area with a mark a rule, then each broken rule with what was seen.

    `doing`: how far it is, while it is judged; `order`: the rules to mend, the first one first.
    """
    rows = list(rules)
    state = Text("  " + say("waiting for a file to be saved (Ctrl-C ends)"), "dim") if doing is None else doing
    lines = [Text.assemble((safe_text(title), "bold"), state, no_wrap=True, overflow="ellipsis")]
    lines += [_area(area, rows, verdicts) for area in dict.fromkeys(rule.area for rule in rows)]
    lines.append(_legend())
    rows.sort(key=lambda rule: order.index(rule.id) if rule.id in order else len(order))
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


def _legend() -> Text:
    """What the marks mean."""
    said: Mapping[Outcome | None, str] = {
        "pass": say("holds"),
        "fail": say("broken"),
        "inconclusive": say("not known"),
        "not_applicable": say("does not apply"),
        None: say("not tried yet"),
    }
    line = Text("              ")
    for outcome, words in said.items():
        mark, style = _MARKS[outcome]
        line.append(mark, style).append(f" {words}  ", "dim")
    line.rstrip()
    return line


def _broken(verdict: Verdict) -> Text:
    got = verdict.finding.got if verdict.finding is not None else verdict.reason
    title = spoken(load().get(verdict.rule).title)
    return Text.assemble(
        (f"  {verdict.rule:<10} ", "bold red"), title, (f"\n             {safe_text(spoken(got))[:300]}", "dim")
    )
