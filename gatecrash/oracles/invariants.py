"""What must hold after every scenario, whatever rule was being tried: nothing crashed, no sanitizer spoke, the number
of processes stayed within bounds.
"""

from __future__ import annotations

from dataclasses import replace
from signal import Signals

from gatecrash.language import marked, stated, values_of
from gatecrash.model.complaints import aborted, assertion
from gatecrash.model.headlines import headline
from gatecrash.model.scenario import LimitDescriptors
from gatecrash.model.signals import MEMORY_FAULTS
from gatecrash.model.transcript import CrashedProcess, SanitizerReport, Transcript
from gatecrash.model.verdicts import Case, Finding
from gatecrash.oracles.service import first_unserved

#: Rules whose own claim is that nothing crashes: a memory fault is theirs to report.
_OWN_CRASHES = frozenset({"RESP-12", "RESP-22", "RESP-25", "MEM-01", "MEM-02", "MEM-03"})
_MOST_LINES = 40
_TOOLS = {"address": "MEM-01", "undefined": "MEM-02", "signal": "MEM-03"}
_EXPECTED = {
    "address": marked("it reads and writes only memory that is its own"),
    "undefined": marked("it does nothing whose result C leaves undefined"),
    "signal": marked("no process of the server crashes"),
}


def broken_invariants(case: Case) -> list[Finding]:
    """Every invariant this transcript breaks, each under its own rule."""
    reports = [e for e in case.transcript.events if isinstance(e, SanitizerReport)]
    findings = [sanitizer_finding(e) for e in reports]
    crash = None if reports else memory_fault(case.transcript)
    overrun = runaway(case.transcript)
    return findings + [found for found in (crash, overrun) if found is not None]


def runaway(transcript: Transcript) -> Finding | None:
    """The finding that the arena had to end the server: it forked without end, or hit a limit it was given."""
    ended = transcript.server_ended
    if ended is not None and ended.limit is not None:
        got = stated("{why}: it was ended", why=ended.limit.said)
        return Finding("RES-07", stated("it gets by with what it was given"), got)
    if ended is None or not ended.overrun:
        return None
    got = stated("it had {number} processes, zombies included, and was ended before it had more", number=ended.overrun)
    return Finding("RES-06", stated("no more processes than its clients account for"), got)


def sanitizer_finding(event: SanitizerReport) -> Finding:
    """The finding that a report of a sanitizer is: its headline, and where in the source."""
    lines = tuple(line.rstrip() for line in event.text.splitlines() if line.strip("= "))
    got = headline(event.text) or next((line.strip() for line in lines), stated("a report"))
    more = lines[1:] if event.tool == "undefined" and got == headline(lines[0]) else lines  # it says no more than that
    return Finding(_TOOLS[event.tool], stated(_EXPECTED[event.tool]), got, more[:_MOST_LINES])


def memory_fault(transcript: Transcript) -> Finding | None:
    """The finding that a process of the server crashed.

    One that has no descriptor left may end itself by abort(3) where a library it needs cannot be opened (glibc's
    pthread_exit and backtrace load libgcc_s then): SIGABRT under a shortage of ours is no sign of a fault of memory.
    """
    ended = transcript.server_ended
    numbers = [-ended.status] if ended is not None and -ended.status in MEMORY_FAULTS else []
    numbers += [e.signal for e in transcript.events if isinstance(e, CrashedProcess) and e.signal in MEMORY_FAULTS]
    if any(isinstance(step, LimitDescriptors) for step in transcript.scenario.steps):
        numbers = [number for number in numbers if number != Signals.SIGABRT]
    if not numbers:
        return None
    return Finding("MEM-03", stated(_EXPECTED["signal"]), _ended_by(numbers[0], transcript.output))


def _ended_by(number: int, output: str) -> str:
    """Which signal it was, and for what: abort(3) says so itself, and SIGFPE is of integers."""
    name = Signals(number).name
    words = aborted(output) if number == Signals.SIGABRT else ""
    if words:
        return stated("a process of the server was ended by {name}: {words}", name=name, words=words)
    if number == Signals.SIGFPE:
        return stated(
            "a process of the server was ended by {name}: a division of integers that has no result", name=name
        )
    return stated("a process of the server was ended by {name}", name=name)


def with_cause(case: Case, finding: Finding) -> Finding:
    """The finding with what is known of its cause: a crash is one; that the server had to be ended is another.

    Of a server that forks without end, or was ended at a limit, nothing else can be seen: then that is the finding.
    """
    overrun = runaway(case.transcript)
    if overrun is not None:
        return overrun
    crash = None if finding.rule in _OWN_CRASHES else memory_fault(case.transcript)
    if crash is None:
        return finding
    if _speaks_of_the_served(case, finding):  # it did no harm to whom the finding speaks of
        return replace(finding, evidence=(*finding.evidence, stated("besides, {got}", got=crash.got)))
    kind = marked("the cause is a crash ({rule}): {got}")
    if assertion(case.transcript.output):
        kind = marked("the cause is an assertion that failed ({rule}): {got}")
    elif any(name in crash.got for name in ("SIGSEGV", "SIGBUS")):
        kind = marked("the cause is a memory fault ({rule}): {got}")
    cause = stated(kind, rule=crash.rule, got=crash.got)
    return replace(finding, evidence=(cause, *finding.evidence), conclusive=True)


def _speaks_of_the_served(case: Case, finding: Finding) -> bool:
    """Whether the clients that it names got what a lone client gets: what is wrong with that, no crash has done."""
    clients = case.transcript.scenario.clients
    named = tuple(value for _, value in values_of(finding.got) if value in clients)
    got = all(case.transcript.received(name) for name in named)
    return bool(named) and got and first_unserved(case, named) is None
