"""GitHub's job summary: a table of the areas, then each broken rule with what was seen. Added to what others wrote."""

from __future__ import annotations

import re

from gatecrash.reports.cases import ReportedCase, Trouble, bounded, cases, one_line, troubles
from gatecrash.reports.links import rule_link
from gatecrash.reports.words import closing, counts
from gatecrash.results.record import RunRecord

APPEND = True
#: A step's summary may have 1 MiB (1,048,576 bytes); what is above it is refused whole.
_MOST_BYTES = 1_000_000
#: Everything that GitHub's Markdown gives a meaning: punctuation is written as itself behind a backslash.
_MEANT = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$:/@^=])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_HEADINGS = {"failed": "broken", "advice": "advice", "known": "known failure"}


def render(record: RunRecord) -> str:
    """The Markdown. Broken rules that find no room are counted."""
    rows = cases(record)
    parts = [_head(record), *map(_trouble, troubles(record)), _table(rows), _fixed(record)]
    broken = [one for status in _HEADINGS for one in rows if one.status == status]
    size = sum(_bytes(part) for part in parts)
    for number, one in enumerate(broken):
        part = _broken(one)
        size += _bytes(part)
        if size > _MOST_BYTES:
            parts.append(f"\n{len(broken) - number} broken rules more find no room here.\n")
            break
        parts.append(part)
    return "".join(parts)


def _head(record: RunRecord) -> str:
    said = closing(record, strict=record.strict)
    target = one_line(bounded(record.target, 300))
    return f"## Gatecrash: {_plain(target)} {said}\n\n{counts(record)} ({record.seconds:.1f} s, {record.profile})\n\n"


def _table(rows: tuple[ReportedCase, ...]) -> str:
    if not rows:
        return ""
    lines = ["| area | hold | broken | advice | known | not judged |", "|---|--:|--:|--:|--:|--:|"]
    for area in dict.fromkeys(one.rule.area for one in rows):
        own = [one.status for one in rows if one.rule.area == area]
        numbers = [own.count(name) for name in ("passed", "failed", "advice", "known", "unjudged")]
        lines.append(f"| {area} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines) + "\n\n"


def _trouble(trouble: Trouble) -> str:
    return f"**{trouble.title}.**\n\n{_block(trouble.text)}\n"


def _fixed(record: RunRecord) -> str:
    lines = [f"- {one.rule} holds again: remove it from the baseline.\n" for one in record.fixed]
    return "".join(lines) + ("\n" if lines else "")


def _broken(one: ReportedCase) -> str:
    head = f"<b>{one.rule.id}</b> {one.rule.level} {_HEADINGS[one.status]}: {_html(one.rule.title)}"
    link = rule_link(one.rule.id)
    more = "" if link is None else f"\n[About {one.rule.id}]({link})\n"
    said = f"{_plain(one_line(one.message))}\n\n{_block(one.details)}{more}"
    return f"<details><summary>{head}</summary>\n\n{said}\n</details>\n\n"


def _plain(text: str) -> str:
    """Text that means nothing to Markdown: no link, no mention, no tag, no table cell's end."""
    return _html(_MEANT.sub(r"\\\1", text))


def _html(text: str) -> str:
    return "".join(_ENTITIES.get(c, c) for c in text)


def _block(text: str) -> str:
    """A fenced block whose fence is longer than any run of backticks in it."""
    if not text:
        return ""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}\n"


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "backslashreplace"))
