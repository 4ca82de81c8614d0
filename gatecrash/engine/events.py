"""What a run tells while it goes on. Terminal, reports, watch and pytest listen to these, and to nothing else.

    TargetPrepared, then for each rule on each build RuleStarted … RuleJudged, and Finished at the end.

WorkerLost and EngineFailed say, before a rule is judged, why so little is known of it. Interrupted comes before
Finished where the user ended the run. Schemathesis' engine has such a stream; its handlers, too, hear all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass

from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Verdict
from gatecrash.results.record import RunRecord


@dataclass(frozen=True)
class TargetPrepared:
    """It was built and discovered. `missing`: the instruments that cannot be used on it, each with the reason."""

    prepared: Prepared
    missing: Mapping[str, str]


@dataclass(frozen=True)
class RuleStarted:
    """A worker has begun to try this rule on this build."""

    rule: str
    build: str


@dataclass(frozen=True)
class RuleJudged:
    """The rule is done with on this build: what is said of it, and of others that its scenarios broke.

    A rule that no worker got to is judged without having been started. No verdicts: this build says nothing new of it.
    """

    rule: str
    build: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class WorkerLost:
    """The worker that tried this rule ended, `how` in a sentence. It costs the rule its verdict, and no other."""

    rule: str
    build: str
    how: str


@dataclass(frozen=True)
class EngineFailed:
    """A fault of ours: what it said, most often a traceback."""

    fault: str


@dataclass(frozen=True)
class Interrupted:
    """The user has ended the run; what is known by now is told."""


@dataclass(frozen=True)
class Finished:
    """The last event: the record of the run."""

    record: RunRecord


RunEvent = TargetPrepared | RuleStarted | RuleJudged | WorkerLost | EngineFailed | Interrupted | Finished
Events = Generator[RunEvent, None, None]
RunListener = Callable[[RunEvent], None]


def listen(events: Events, *listeners: RunListener) -> RunRecord:
    """Tell the listeners of every event, in their order; returns the record that the last one brings.

    An interrupt that meets a listener at work is the run's affair all the same: it is told of it, and ends.
    """
    with closing(events):
        event = next(events)
        while True:
            try:
                for hear in listeners:
                    hear(event)
            except KeyboardInterrupt as interrupt:
                event = events.throw(interrupt)
                continue
            if isinstance(event, Finished):
                return event.record
            event = next(events)
