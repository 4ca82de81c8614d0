"""The words every report uses for the same things: what a target is, where it runs, how a run ended."""

from __future__ import annotations

from collections.abc import Mapping

from gatecrash.language import joined, marked, stated
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Outcome, Verdict
from gatecrash.protocols import protocol_of
from gatecrash.results import exit_codes
from gatecrash.results.exit_codes import ExitCode
from gatecrash.results.record import RunRecord
from gatecrash.text import duration

PLACES = {
    "namespace": marked("in a private network of its own"),
    "loopback": marked("on the shared loopback (namespaces are refused here)"),
    "remote": marked("where it runs already"),
}
#: What a verdict is called.
OUTCOME_WORDS: Mapping[Outcome, str] = {
    "pass": marked("holds"),
    "fail": marked("broken"),
    "inconclusive": marked("inconclusive"),
    "not_observable": marked("not observable here"),
    "not_applicable": marked("does not apply"),
}
_MODELS = {
    "iterative": marked("iterative, one client at a time"),
    "fork": marked("forks a child for each connection"),
    "prefork": marked("preforked workers"),
    "thread": marked("a thread for each connection"),
    "event_loop": marked("event loop"),
    "unknown": marked("model not known"),
}
_CLOSINGS = {
    ExitCode.CONFORMS: marked("conforms"),
    ExitCode.BROKEN: marked("does not conform"),
    ExitCode.INTERRUPTED: marked("was not judged to the end: interrupted"),
    ExitCode.OUR_FAULT: marked("was not judged: a fault of Gatecrash"),
    ExitCode.TOO_LITTLE_SEEN: marked("was not judged"),
    ExitCode.NOT_STARTED: marked("was not judged: it did not build or start"),
}


_A_SECOND = 0.95  # below, and but for what has passed for real, a limit is told as it was seen


def discovered(contract: Contract) -> str:
    """What is known of a target: protocol, model, what its contract says."""
    protocol = protocol_of(contract)
    facts = list(protocol.described)
    if not protocol.connectionless:
        facts.append(_model(contract))
    facts += protocol.habits
    limits = (contract.silent_limit, contract.half_limit, contract.kept_limit)
    if contract.lets_go:
        seen = (duration(round(limit) if limit >= _A_SECOND else limit) for limit in limits if limit is not None)
        times = joined(dict.fromkeys(seen), ", ")
        facts.append(stated("lets go of clients that do nothing ({times})", times=times))
    if contract.written:
        facts.append(stated("from the contract: {names}", names=", ".join(sorted(contract.written))))
    return joined(facts, "; ")


def _model(contract: Contract) -> str:
    """How it serves several clients; a pool of threads is no thread for each."""
    workers = contract.workers or 0
    if contract.concurrency == "prefork" and workers:
        return stated("1 preforked worker") if workers == 1 else stated("{number} preforked workers", number=workers)
    if contract.concurrency == "thread" and workers:
        return stated("a pool of threads, which serves {number} clients at a time", number=workers)
    return stated(_MODELS[contract.concurrency])


def listens(prepared: Prepared) -> str:
    """Where it listens, with what backlog, in which network."""
    everywhere = prepared.address.startswith(("0.0.0.0:", "[::]:"))
    where = stated("{address} (every address)", address=prepared.address) if everywhere else prepared.address
    backlog = [] if prepared.backlog is None else [stated("backlog {backlog}", backlog=prepared.backlog)]
    place = stated(PLACES[prepared.arena]) if prepared.arena in PLACES else prepared.arena
    return joined((where, *backlog, place))


def closing(record: RunRecord, *, strict: bool) -> str:
    """What the run says of its target: "conforms", "does not conform", "conforms as far as it could be seen"."""
    code = exit_codes.of_record(record, strict=strict)
    if code == ExitCode.TOO_LITTLE_SEEN and record.untried:
        return stated("was not judged to the end: there was no more time (--max-time gives more)")
    if code == ExitCode.TOO_LITTLE_SEEN and record.unproven:
        rules = ", ".join(j.rule.id for j in record.unproven)
        return stated("was not judged: that it accepts and answers was not proven ({rules})", rules=rules)
    if code == ExitCode.TOO_LITTLE_SEEN and record.unrepeated:
        rules = ", ".join(j.rule.id for j in record.unrepeated)
        return stated("was not judged: it broke a rule in front of us, but not again ({rules})", rules=rules)
    if code == ExitCode.TOO_LITTLE_SEEN and record.mute:
        return stated('was not judged: it answered nothing, and no contract promises that (protocol = "discard")')
    if code == ExitCode.CONFORMS and record.summary["not_observable"]:
        return stated("conforms as far as it could be seen")
    return stated(_CLOSINGS[code])


def counts(record: RunRecord) -> str:
    """How many rules got which verdict, those that none got left out."""
    summary = record.summary
    broken = stated("{count} broken", count=summary["fail"])
    if record.excused:
        broken = stated("{broken} ({count} known)", broken=broken, count=len(record.excused))
    held = summary["pass"]
    words = [stated("1 rule holds") if held == 1 else stated("{count} rules hold", count=held), broken]
    if summary["inconclusive"]:
        words.append(stated("{count} inconclusive", count=summary["inconclusive"]))
    if summary["not_observable"]:
        words.append(stated("{count} not observable here", count=summary["not_observable"]))
    if idle := summary["not_applicable"]:
        words.append(stated("1 does not apply") if idle == 1 else stated("{count} do not apply", count=idle))
    seen, apply = record.seen
    if apply:
        words.append(stated("{share} % of what applies was seen", share=100 * seen // apply))
    return joined(words)


def played(verdict: Verdict) -> str:
    """What the steps of a failure are: the fewest that show it, or all those of another rule's trial."""
    if verdict.confirmed is None:
        return stated("What was played when it was seen, for another rule (it was not made smaller)")
    return stated("The smallest client that shows it")


def confirmed(verdict: Verdict) -> str:
    """How often a failure was seen again: "always (3/3)", "2 of 3"; of what another rule's trial brought, that."""
    if verdict.confirmed is None:
        return stated("no: it was seen while another rule was tried") if verdict.scenario is not None else ""
    shown, played = verdict.confirmed
    if verdict.in_real_time:
        if shown == played:
            return stated("always ({shown}/{played}, one in real time)", shown=shown, played=played)
        return stated("{shown} of {played}, one in real time", shown=shown, played=played)
    if shown == played:
        return stated("always ({shown}/{played})", shown=shown, played=played)
    return stated("{shown} of {played}", shown=shown, played=played)
