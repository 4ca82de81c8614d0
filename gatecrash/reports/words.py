"""The words every report uses for the same things: what a target is, where it runs, how a run ended."""

from __future__ import annotations

from collections.abc import Mapping

from gatecrash.contract import Contract
from gatecrash.record import RunRecord
from gatecrash.verdicts import Outcome

PLACES = {
    "namespace": "in a private network of its own",
    "loopback": "on the shared loopback (namespaces are refused here)",
    "remote": "where it runs already",
}
#: What a verdict is called.
OUTCOME_WORDS: Mapping[Outcome, str] = {
    "pass": "holds",
    "fail": "broken",
    "inconclusive": "inconclusive",
    "not_observable": "not observable here",
    "not_applicable": "does not apply",
}
_SPOKEN = {
    "http": "HTTP",
    "echo": "TCP echo",
    "udp": "UDP echo",
    "greeting": "speaks first, unasked",
    "none": "neither HTTP nor an echo",
}
_MODELS = {
    "iterative": "iterative, one client at a time",
    "fork": "forks a child for each connection",
    "prefork": "preforked workers",
    "thread": "a thread for each connection",
    "event_loop": "event loop",
    "unknown": "model not known",
}
_CLOSINGS = {
    0: "conforms",
    1: "does not conform",
    2: "was not judged to the end: interrupted",
    3: "was not judged: a fault of Gatecrash",
    5: "was not judged",
    6: "was not judged: it did not build or start",
}


def discovered(contract: Contract) -> str:
    """What is known of a target: protocol, model, what its contract says."""
    facts = [_SPOKEN[contract.protocol]]
    if contract.protocol != "udp":
        facts.append(_MODELS[contract.concurrency])
    if contract.workers:
        facts.append(f"{contract.workers} workers")
    if contract.protocol == "http":
        facts.append("keeps connections" if contract.persistent else "one answer a connection")
    if contract.written:
        facts.append(f"from the contract: {', '.join(sorted(contract.written))}")
    return "; ".join(facts)


def closing(code: int) -> str:
    """What an exit code says of a target: "conforms", "does not conform"."""
    return _CLOSINGS[code]


def counts(record: RunRecord) -> str:
    """How many rules got which verdict, those that none got left out."""
    summary = record.summary
    words = [f"{summary['pass']} rules hold", f"{summary['fail']} broken"]
    if record.excused:
        words[-1] += f" ({len(record.excused)} known)"
    for name, word in (
        ("inconclusive", "inconclusive"),
        ("not_observable", "not observable here"),
        ("not_applicable", "do not apply"),
    ):
        if summary[name]:
            words.append(f"{summary[name]} {word}")
    return ", ".join(words)


def confirmed(times: tuple[int, int]) -> str:
    """How often a failure was seen again: "always (3/3)", "2 of 3"."""
    shown, played = times
    return f"always ({shown}/{played})" if shown == played else f"{shown} of {played}"
