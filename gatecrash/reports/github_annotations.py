"""Workflow commands for GitHub's runner: what is printed to its log becomes a mark at the source.

The runner shows ten of each kind for a step, so a broken MUST comes first and the last place is for the summary.
"""

from __future__ import annotations

from gatecrash.reports.cases import ReportedCase, bounded, cases, one_line, source_place, troubles
from gatecrash.reports.words import counts
from gatecrash.results import exit_codes
from gatecrash.results.record import RunRecord

APPEND = True
_MOST = 10


def render(record: RunRecord) -> str:
    """A command a line."""
    broken = [one for one in cases(record) if one.judgement.verdict.outcome == "fail"]
    failed = [one for one in broken if one.status == "failed"]
    lines = [_command("error", _at_the_source(record, one.title), one.text or one.title) for one in troubles(record)]
    room = _MOST - 1 - len(lines)
    lines += [_of(one, "error") for one in sorted(failed, key=_weight)[:room]]
    lines += [_of(one, "warning") for one in broken if one.status == "advice"][:_MOST]
    lines += [_of(one, "notice") for one in broken if one.status == "known"][: _MOST - 1]
    lines.append(_summary(record, left_out=max(0, len(failed) - room)))
    return "\n".join(lines) + "\n"


def _weight(one: ReportedCase) -> int:
    return ("MUST", "SHOULD", "MAY").index(one.rule.level)


def _of(one: ReportedCase, kind: str) -> str:
    facts = {"title": f"{one.rule.id} {one.rule.level}: {one.rule.title}"}
    if not one.place.ours:  # the runner knows the checkout's files alone
        facts = {"file": one.place.path, "line": str(one.place.line), **facts}
    return _command(kind, facts, f"{one.message}\ngatecrash explain {one.rule.id}")


def _at_the_source(record: RunRecord, title: str) -> dict[str, str]:
    place = source_place(record)
    where = {} if place is None else {"file": place.path, "line": str(place.line)}
    return {**where, "title": title}


def _summary(record: RunRecord, *, left_out: int) -> str:
    more = f"; {left_out} broken rules more are in the job summary" if left_out else ""
    fixed = "".join(f"; {one.rule} holds again: remove it from the baseline" for one in record.fixed)
    kind = "error" if exit_codes.of_record(record, strict=record.strict) else "notice"
    return _command(
        kind, {"title": f"Gatecrash: {one_line(bounded(record.target, 300))}"}, f"{counts(record)}{more}{fixed}"
    )


def _command(kind: str, facts: dict[str, str], message: str) -> str:
    said = ",".join(f"{key}={_escaped_property(value)}" for key, value in facts.items())
    return f"::{kind} {said}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
