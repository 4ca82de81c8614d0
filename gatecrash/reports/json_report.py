"""The JSON report."""

from __future__ import annotations

import json

from gatecrash.reports.links import rule_help, rule_link
from gatecrash.results.mending import to_mend
from gatecrash.results.record import RunRecord


def render(record: RunRecord) -> str:
    """The record as JSON text; peers' bytes stand as escaped Latin-1 text."""
    whole = record.to_json()
    whole["mend"] = [one.to_json() for one in to_mend(record)]
    whole["verdicts"] = [{**row, **_further(row["rule"])} for row in whole["verdicts"]]
    return json.dumps(whole, indent=2, ensure_ascii=True) + "\n"


def _further(rule: str) -> dict[str, str]:
    """Where more is said of a rule: the command, and the page where its address is known."""
    link = rule_link(rule)
    return {"help": rule_help(rule), **({} if link is None else {"url": link})}
