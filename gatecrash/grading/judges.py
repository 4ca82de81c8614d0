"""Who judges: anything that takes works and tells what becomes of them. Here, the judges of this machine."""

from __future__ import annotations

import contextlib
import select
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gatecrash.errors import EngineFault, UsageError
from gatecrash.grading.judge import Judge, NotStarted
from gatecrash.grading.work import Judged, Work
from gatecrash.language import say
from gatecrash.paths import no_room

_TICK = 0.25  # seconds after which whoever shows how far it is may show it again

_NEEDED = 1 << 16  # bytes in its folder without which no judge starts


@dataclass(frozen=True)
class Begun:
    """Somebody has taken this submission up."""

    id: str


@dataclass(frozen=True)
class Came:
    """What came of one."""

    judged: Judged


@dataclass(frozen=True)
class Tick:
    """Nothing happened for a moment."""


@dataclass(frozen=True)
class Said:
    """Something about those who judge that whoever grades should know: one sentence."""

    text: str


Progressed = Begun | Came | Tick | Said


class JudgesGone(UsageError):
    """There is nobody to judge, or nobody any more. What was judged is kept."""


class Judges(Protocol):
    """Takes works one by one, as there is somebody free, and tells of each; closing the generator ends all."""

    def results(self, works: Iterator[Work]) -> Generator[Progressed, None, None]:
        """Each work is told of twice: when it is begun, and what came of it."""
        ...


class LocalJudges:
    """`jobs` processes of this machine."""

    def __init__(self, jobs: int, scratch: Path) -> None:
        """`scratch`: a folder for what is unpacked and built."""
        self._jobs = jobs
        self._scratch = scratch
        self._unstarted = 0  # judges in a row that ended before they could judge

    def results(self, works: Iterator[Work]) -> Generator[Progressed, None, None]:
        """Hand the works out until there are no more, and tell."""
        busy: dict[int, tuple[Judge, Work]] = {}
        with contextlib.ExitStack() as opened:
            free = [self._opened(opened) for _ in range(self._jobs)]
            while True:
                while free and (work := next(works, None)) is not None:
                    judge = self._sent(free.pop(), work, opened)
                    busy[judge.fileno()] = judge, work
                    yield Begun(work.id)
                if not busy:
                    return
                ready, _, _ = select.select(list(busy), [], [], _TICK)
                if not ready:
                    yield Tick()
                for descriptor in ready:
                    judge, work = busy.pop(descriptor)
                    judged, judge = self._heard(judge, work, opened)
                    free.append(judge)
                    yield Came(judged)

    def _sent(self, judge: Judge, work: Work, opened: contextlib.ExitStack) -> Judge:
        """The judge that has the work: another one where this one has ended meanwhile. Raises JudgesGone."""
        try:
            judge.send(work)
        except OSError:
            judge.close()
            judge = self._opened(opened)
            try:
                judge.send(work)
            except OSError:
                raise self._none_starts(str(judge.fault())) from None
        return judge

    def _heard(self, judge: Judge, work: Work, opened: contextlib.ExitStack) -> tuple[Judged, Judge]:
        """What a judge says, and the judge for the next work: another one where this one has ended.

        Raises JudgesGone where the second in a row has ended before it could judge: so would all others.
        """
        try:
            judged = judge.receive()
        except EngineFault as fault:
            self._unstarted = self._unstarted + 1 if isinstance(fault, NotStarted) else 0
            if self._unstarted > 1:
                raise self._none_starts(str(fault)) from None
            judge.close()
            return Judged(work.id, why=str(fault), ours=True), self._opened(opened)
        self._unstarted = 0
        return judged, judge

    def _opened(self, opened: contextlib.ExitStack) -> Judge:
        try:
            judge = Judge(self._scratch)
        except OSError as error:
            raise self._none_starts(str(error)) from None
        opened.callback(judge.close)
        return judge

    def _none_starts(self, reason: str) -> JudgesGone:
        try:
            with tempfile.TemporaryFile(dir=self._scratch) as file:
                file.write(bytes(_NEEDED))
        except OSError as error:
            return JudgesGone(str(no_room(self._scratch.parent, error.strerror)))
        return JudgesGone(
            say(
                "no process that judges can be started: {reason}. What was judged so far is kept, and the same command "
                "goes on.",
                reason=reason,
            )
        )
