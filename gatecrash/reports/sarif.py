"""SARIF 2.1.0, for code scanning: a result a broken rule, with a fingerprint that outlives moved lines."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from gatecrash import __version__
from gatecrash.reports.cases import ReportedCase, SourceLine, Trouble, bounded, cases, troubles
from gatecrash.reports.links import rule_link
from gatecrash.results import exit_codes
from gatecrash.results.baseline import fingerprint
from gatecrash.results.record import RunRecord
from gatecrash.rulebook import Rule, load

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"MUST": "error", "SHOULD": "warning", "MAY": "note"}


def render(record: RunRecord) -> str:
    """The log, as JSON in ASCII."""
    rows = [one for one in cases(record) if one.judgement.verdict.outcome == "fail"]
    lacking = troubles(record)
    rules = load().rules
    numbers = {rule.id: number for number, rule in enumerate(rules)}
    run = {
        "tool": {
            "driver": {
                "name": "Gatecrash",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "originalUriBaseIds": {
            "SRCROOT": {"description": {"text": "The root of the checkout."}},
            "GATECRASH": {"description": {"text": "Where Gatecrash is installed."}},
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(record, lacking)],
        "results": [_result(one, numbers[one.rule.id]) for one in rows],
        "properties": {"target": bounded(record.target, 300), "profile": record.profile, "summary": record.summary},
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    link = rule_link(rule.id)
    return {
        "id": rule.id,
        **({} if link is None else {"helpUri": link}),
        "name": "".join(word[:1].upper() + word[1:] for word in _words(rule.title)),
        "shortDescription": {"text": f"{rule.title}."},
        "fullDescription": {"text": rule.statement.strip()},
        "help": {"text": _help(rule), "markdown": _help_in_markdown(rule)},
        "defaultConfiguration": {"level": _LEVELS[rule.level]},
        "properties": {"tags": [rule.area, rule.level], "source": rule.source},
    }


def _words(title: str) -> list[str]:
    return "".join(c if c.isascii() and c.isalnum() else " " for c in title).split()


def _help(rule: Rule) -> str:
    mistakes = [f"The usual mistake: {one.text.strip()}" for one in rule.mistakes]
    return "\n\n".join([rule.statement.strip(), rule.why.strip(), *mistakes, f"Source: {rule.source}"])


def _help_in_markdown(rule: Rule) -> str:
    parts = [rule.statement.strip(), rule.why.strip()]
    for one in rule.mistakes:
        parts.append(f"**The usual mistake.** {one.text.strip()}")
        parts += [f"```{name}\n{code.strip()}\n```" for name, code in (("c", one.c), ("python", one.python)) if code]
    return "\n\n".join([*parts, f"Source: {rule.source}. `gatecrash explain {rule.id}`"])


def _result(one: ReportedCase, number: int) -> dict[str, Any]:
    verdict = one.judgement.verdict
    result: dict[str, Any] = {
        "ruleId": one.rule.id,
        "ruleIndex": number,
        "level": _LEVELS[one.rule.level],
        "kind": "fail",
        "message": {"text": f"{one.rule.title}: {one.message}."},
        "locations": [{"physicalLocation": _location(one.place)}],
        "partialFingerprints": {"gatecrash/v1": fingerprint(verdict)},
        "properties": {"details": one.details, "replayed": verdict.confirmed and list(verdict.confirmed)},
    }
    if one.status == "known":
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": one.message}]
    return result


def _location(place: SourceLine) -> dict[str, Any]:
    base = "GATECRASH" if place.ours else "SRCROOT"
    artifact = {"uri": quote(place.path.lstrip("/") if place.ours else place.path), "uriBaseId": base}
    if place.path.startswith("/"):
        artifact = {"uri": f"file://{quote(place.path)}"}
    return {"artifactLocation": artifact, "region": {"startLine": place.line}}


def _invocation(record: RunRecord, lacking: tuple[Trouble, ...]) -> dict[str, Any]:
    return {
        "executionSuccessful": not lacking,
        "exitCode": exit_codes.of_record(record, strict=record.strict),
        "toolExecutionNotifications": [
            {
                "level": "error",
                "message": {"text": "\n".join(filter(None, (one.title, one.text)))},
                "properties": {"fault": "gatecrash" if one.ours else "target"},
            }
            for one in lacking
        ],
    }
