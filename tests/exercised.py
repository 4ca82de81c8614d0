"""Each rule that applies to a reference server is put to the test there, in half of its examples at least.

The suites judge every reference server; conftest.py asks this of each verdict they come to, so that no server is
judged a second time for it.
"""

from __future__ import annotations

from gatecrash.model.verdicts import Verdict
from gatecrash.rulebook import load

#: Rules that are exercised in fewer examples on some correct server, and why that is right.
EXCEPTIONS: dict[str, str] = {
    "FORK-11": "three signals are tried, and a server rarely handles another than SIGCHLD; some children handle none",
    "RES-06": "an event loop that pauses again and again while descriptors are short is at rest in few looks",
    "RESP-18": "of a server that takes no POST, only GET and HEAD tell two answers apart, and they do not always",
    "ACC-09": "the workers of a prefork server have limits of their own, which lowering the parent's does not touch",
}


def unexercised(verdict: Verdict, build: str) -> str | None:
    """What this verdict on a correct server lacks to say that the rule was seen to hold; None where it says so.

    The sanitizers speak of memory alone, and only their build does of two of its rules.
    """
    memory = load().get(verdict.rule).area == "memory"
    if verdict.outcome == "not_applicable" or (build != "plain" and not memory):
        return None
    if build == "plain" and memory and verdict.outcome == "not_observable":
        return None
    seen = verdict.outcome == "pass" and 2 * verdict.exercised >= verdict.examples
    if seen or (verdict.rule in EXCEPTIONS and verdict.outcome in ("pass", "not_observable")):
        return None
    tried = f"{verdict.exercised} of {verdict.examples} examples exercised"
    return f"{verdict.rule} {verdict.outcome}, {tried}: {verdict.reason or verdict.finding}"
