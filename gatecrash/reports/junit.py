"""JUnit XML of the xunit1 family, as pytest writes it: a case a rule, with `file` and `line`. GitLab reads it, too.

A rule is a case of the class `gatecrash.AREA`. A broken rule is a `failure`; what the baseline knows, what is only
advice, and what could not be judged is `skipped`; a build that failed and a fault of ours are an `error`.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from gatecrash.reports.cases import ReportedCase, Trouble, bounded, cases, one_line, source_place, troubles
from gatecrash.reports.links import rule_link
from gatecrash.results.record import RunRecord

#: What XML 1.0 has no way to write, not even as a reference (2.2, Char).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(record: RunRecord) -> str:
    """The whole file. Equal runs give equal files: it names no time of day and no machine."""
    rows, lacking = cases(record), troubles(record)
    counts = {
        "tests": str(len(rows) + len(lacking)),
        "failures": str(sum(one.status == "failed" for one in rows)),
        "errors": str(len(lacking)),
    }
    time = f"{max(0.0, record.seconds):.3f}"
    top = ElementTree.Element("testsuites", {"name": "gatecrash", "time": time, **counts})
    skipped = sum(one.status in ("known", "advice", "unjudged") for one in rows)
    named = _clean(f"gatecrash {one_line(bounded(record.target, 300))}")
    suite = ElementTree.SubElement(top, "testsuite", {"name": named, **counts, "skipped": str(skipped), "time": time})
    for trouble in lacking:
        _add_trouble(suite, record, trouble)
    for one in rows:
        _add(suite, one)
    ElementTree.indent(top, "  ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(top, "unicode") + "\n"


def _add(suite: ElementTree.Element, one: ReportedCase) -> None:
    facts = {
        "classname": f"gatecrash.{one.rule.area}",
        "name": _clean(f"{one.rule.id} {one.rule.title}"),
        "file": _clean(one.place.path),
        "line": str(one.place.line),
        "time": f"{max(0.0, one.seconds):.3f}",
    }
    case = ElementTree.SubElement(suite, "testcase", facts)
    link = rule_link(one.rule.id)
    if one.status == "failed":
        _say(case, "failure", one.rule.level, one.message, "\n".join(filter(None, (one.details, link))))
    elif one.status == "advice":
        _say(case, "skipped", "advice", f"advice, fails nothing: {one.message}", one.details)
    elif one.status in ("known", "unjudged"):
        _say(case, "skipped", one.judgement.verdict.outcome, one.message, one.details)


def _add_trouble(suite: ElementTree.Element, record: RunRecord, trouble: Trouble) -> None:
    place = source_place(record)
    where = {} if place is None else {"file": _clean(place.path), "line": str(place.line)}
    facts = {"classname": "gatecrash.run", "name": trouble.title, **where, "time": "0.000"}
    case = ElementTree.SubElement(suite, "testcase", facts)
    _say(case, "error", "gatecrash" if trouble.ours else "build", trouble.title, trouble.text)


def _say(case: ElementTree.Element, tag: str, kind: str, message: str, text: str) -> None:
    said = ElementTree.SubElement(case, tag, {"type": kind, "message": _clean(one_line(message))})
    said.text = _clean(text)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
