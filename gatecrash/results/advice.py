"""Which of a rule's usual mistakes is told of a server: one that the evidence fits, and none where none does."""

from __future__ import annotations

from signal import Signals

from gatecrash.language import values_of
from gatecrash.model.blocked import BlockedTask, read_together
from gatecrash.model.complaints import errors, exceptions
from gatecrash.model.contract import Contract
from gatecrash.model.headlines import signal_of
from gatecrash.model.transcript import Looked, SanitizerReport, Silent, Transcript
from gatecrash.model.verdicts import Difference, Finding, Verdict
from gatecrash.rulebook import Mistake, Rule, Seen

_HIGH = 0x80  # from here on a byte is no ASCII
_REPLACED = "�".encode()


def fitting(rule: Rule, verdict: Verdict, contract: Contract) -> tuple[Mistake, ...]:
    """The mistakes of a broken rule that fit all that is known, the likeliest first; all those of any other rule."""
    if verdict.finding is None:
        return rule.mistakes
    return rule.fitting(seen_of(verdict.finding, verdict.transcript, contract))


def language_of(contract: Contract) -> str:
    """The language advice is given in: "c", "python", or "other". What else has a source that was read is in C."""
    return "c" if contract.source == "other" and contract.mentions is not None else contract.source


def seen_of(finding: Finding, transcript: Transcript | None, contract: Contract) -> Seen:
    """What is known of the server that broke a rule."""
    output = "" if transcript is None else transcript.output
    tasks = finding.tasks or _last_tasks(transcript)
    return Seen(
        language=language_of(contract),
        model=contract.concurrency,
        mentions=None if contract.mentions is None else frozenset(contract.mentions),
        blocked=frozenset(task.call for task in tasks if task.state == "blocked"),
        locks=frozenset(task.futex.owner for task in tasks if task.futex is not None and task.futex.owner),
        ended=_ended(transcript),
        signals=_signals(transcript),
        exceptions=frozenset(exceptions(output)),
        errors=errors(output),
        said="\n".join((finding.got, *finding.lines)),
        expected=finding.expected,
        came=_came(finding),
        shared=frozenset({"a connection"} if read_together(tasks) else ()),
    )


def _last_tasks(transcript: Transcript | None) -> tuple[BlockedTask, ...]:
    """Where the server's tasks were when they were last looked at."""
    for event in reversed(() if transcript is None else transcript.events):
        if isinstance(event, Silent) and event.where:
            return event.where
        if isinstance(event, Looked):
            return event.snapshot.where
    return ()


def _ended(transcript: Transcript | None) -> str:
    ended = None if transcript is None else transcript.server_ended
    if ended is None:
        return "not"
    if ended.status < 0:
        return "signal"
    return "exit error" if ended.status else "exit 0"


def _signals(transcript: Transcript | None) -> frozenset[str]:
    """The signals that have ended a process of the server."""
    if transcript is None:
        return frozenset()
    ended = transcript.server_ended
    numbers = {crash.signal for crash in transcript.crashes}
    numbers |= {-ended.status} if ended is not None and ended.status < 0 else set()
    caught = {
        kind for event in transcript.events if isinstance(event, SanitizerReport) and (kind := signal_of(event.text))
    }
    return frozenset(Signals(number).name for number in numbers) | caught


def _came(finding: Finding) -> frozenset[str]:
    found = set() if finding.difference is None else _shape(finding.difference)
    counts = dict(values_of(finding.expected))
    if counts.get("count") is not None and counts.get("length") == counts["count"] + 1:
        found.add("one byte too few")
    return frozenset(found)


def _shape(difference: Difference) -> set[str]:
    """What the bytes tell of how they came about: each of these is a sign of one kind of mistake."""
    expected, got, offset = difference.expected, difference.got, difference.offset
    behind, missing = got[offset:], expected[offset:]
    found: set[str] = set()
    if missing and not behind:
        found |= {"the start of it"} if got else set()
        found |= {"the start up to a NUL"} if missing.startswith(b"\0") else set()
    if behind.startswith(b"\0") and not missing.startswith(b"\0"):
        found.add("bytes from a NUL")
    if any(byte >= _HIGH for byte in got):
        found.add("other letters")
    if missing and missing[0] >= _HIGH and (b"?" in behind[:1] or _REPLACED in behind[:4] or behind[:1] >= b"\xc2"):
        found.add("decoded")
    if behind in (b"\n", b"\r\n") and not missing:
        found.add("one line end more")
    if got != expected and got.split() == expected.split() and len(got) < len(expected):
        found.add("fewer blanks")
    return found
