"""A class judged: what is found in a folder is judged where it was not yet, and kept as it comes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

from gatecrash import __version__
from gatecrash.config.scheme import Scheme
from gatecrash.errors import UsageError
from gatecrash.grading import digests
from gatecrash.grading.finding import Found
from gatecrash.grading.judges import Begun, Came, Judges, Said, Tick
from gatecrash.grading.results_folder import ResultsFolder
from gatecrash.grading.short_ids import meant
from gatecrash.grading.state import Kept, State
from gatecrash.grading.submission import Submission
from gatecrash.grading.summary import ClassRecord, Student, Summary, summary
from gatecrash.grading.work import Course, Judged, Work, names
from gatecrash.language import marked, say
from gatecrash.paths import no_room
from gatecrash.reports import html_report
from gatecrash.results.saved_record import from_row
from gatecrash.rulebook import load
from gatecrash.text import safe_text

#: A fault of ours may have been the moment's: a submission is judged so often at most, and then has no score.
_MOST_ATTEMPTS = 2
ALL = "all"


@dataclass(frozen=True)
class GradeRequest:
    """What is asked for. `only`: ids; `regrade`: rules, or "all"."""

    folder: Path
    output: Path
    course: Course
    scheme: Scheme = field(default_factory=Scheme)
    contract_name: str = ""
    only: tuple[str, ...] = ()
    regrade: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opened:
    """The class is known: how many submissions there are, and how many are still to be judged. `said`: what is new."""

    total: int
    waiting: int
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Started:
    """A submission was taken up."""

    submission: Submission


@dataclass(frozen=True)
class Graded:
    """A submission is done with. `again`: it was a fault of ours, and is tried once more."""

    student: Student
    again: bool = False


@dataclass(frozen=True)
class Waited:
    """Nothing happened for a moment."""


@dataclass(frozen=True)
class Told:
    """Something about those who judge: one sentence."""

    text: str


ClassEvent = Opened | Started | Graded | Waited | Told


@dataclass
class ClassRun:
    """One command over one class. `events` judges, `record` says what is known."""

    request: GradeRequest
    found: Found
    state: State
    results: ResultsFolder
    _faults: Counter[str] = field(default_factory=Counter)

    # -- before anything is judged ---------------------------------------------------------------------------------

    def open(self) -> Opened:
        """Take the submissions in. Raises UsageError where the results are of another class, contract or version."""
        known = {kept.submission.id: kept for kept in self.state.submissions()}
        digest = {one: digests.of_submission(one) for one in self.found.submissions}
        judged = [one for one in digest if one.id in known and known[one.id].judged]
        alike = sum(known[one.id].digest == digest[one] for one in judged)
        said = list(self._refuse_others(moved=bool(alike) and 2 * alike >= len(judged)))
        changed = [
            one.id for one in digest if one.id in known and known[one.id].digest != digest[one] and known[one.id].judged
        ]
        gone = sorted(set(known) - {one.id for one in digest})
        if changed:
            said.append(say("handed in again, and judged anew: {ids}", ids=", ".join(changed)))
        if gone:
            said.append(
                say(
                    "no longer in {folder}, with the score they had: {ids}",
                    folder=self.request.folder,
                    ids=", ".join(gone),
                )
            )
        self.state.enter(digest)
        self._choose()
        self._resummarise()
        waiting = self._waiting()
        return Opened(len(self.state.submissions()), len(waiting), tuple(said))

    def _refuse_others(self, *, moved: bool) -> Iterator[str]:
        """`moved`: the submissions are those that were judged, by id and by what is in them, wherever they lie now.

        Half of them at least: of another homework of the same students, everything would be judged over what is there.
        """
        judged = any(kept.judged for kept in self.state.submissions())
        course = self.request.course
        for key, value, what in (
            (
                "folder",
                safe_text(str(self.request.folder.resolve())),
                marked("the submissions of another folder, {was}"),
            ),
            ("contract", digests.of_contract(course.contract), marked("another contract")),
            ("profile", course.profile, marked("the profile {was}")),
            ("version", __version__, marked("Gatecrash {was}")),
        ):
            was = self.state.meta(key, value)
            if was == value:
                continue
            if key == "folder" and moved:
                self.state.set_meta(key, value)
                yield say("these submissions were in {was} before: what was judged of them is kept", was=was)
                continue
            if judged and (ALL not in self.request.regrade or self.request.only):
                raise UsageError(
                    say(
                        "{output} was judged by {what}. Nothing was changed: --regrade all judges all anew, --output "
                        "names another folder.",
                        output=self.request.output,
                        what=say(what, was=was),
                    )
                )
            if judged:  # before it is said by what they are judged: a kill between the two must not keep what was
                self.state.again(kept.submission.id for kept in self.state.submissions())
            self.state.set_meta(key, value)
            if judged:
                yield say("judged anew: before it was by {what}", what=say(what, was=was))
        if judged and ALL in self.request.regrade and not self.request.only:
            yield say("everything is judged anew")

    def _choose(self) -> None:
        """Have wait what is to be judged again. A command that was ended goes on where it was."""
        ids = [kept.submission.id for kept in self.state.submissions()]
        only = {wanted: meant(wanted, ids) for wanted in self.request.only}
        for wanted, id in only.items():
            if id is None:
                near = get_close_matches(wanted, ids, n=1, cutoff=0.5)
                hint = say(" Did you mean {near}?", near=near[0]) if near else ""
                raise UsageError(say("--only {id}: there is no such submission.{hint}", id=wanted, hint=hint))
        self.request = replace(self.request, only=tuple(id for id in only.values() if id is not None))
        asked = json.dumps([sorted(self.request.only), sorted(self.request.regrade)]) if self.request.regrade else ""
        if self.state.meta("regrading") != asked:
            self.state.set_meta("regrading", asked)
            if ALL in self.request.regrade:
                self.state.again(self.request.only or ids)
            elif asked:
                self.state.regrade(self.request.only or ids, self.request.regrade)

    def _resummarise(self) -> None:
        """Count the points anew where they are worth something else now."""
        scheme = json.dumps(self.request.scheme.to_json(), sort_keys=True)
        if self.state.meta("scheme", scheme) == scheme:
            return
        for kept in self.state.submissions():
            judged = self.state.judged(kept.submission.id)
            if judged is not None:
                self.state.summarise(judged.id, summary(judged, self.request.scheme).to_json())
        self.state.set_meta("scheme", scheme)

    def _waiting(self) -> list[Kept]:
        """Who is still to be judged: without points, or with a rule that is asked for anew."""
        only, found = set(self.request.only), {one.id: one for one in self.found.submissions}
        chosen = [one for one in self.state.submissions() if one.submission.id in found]
        return [
            replace(one, submission=found[one.submission.id])
            for one in chosen
            if (not only or one.submission.id in only) and (one.regrade or not one.scored)
        ]

    def _work(self, kept: Kept) -> Work:
        """What is to be done for one."""
        work = Work(kept.submission.id, names(kept.submission.sources), self.request.course)
        before = self._added_to(kept)
        return work if before is None else replace(work, rules=kept.regrade, before=before.record)

    def _added_to(self, kept: Kept) -> Judged | None:
        """What is known of one of which only some rules are judged anew; None where all of it is."""
        before = self.state.judged(kept.submission.id) if kept.scored else None
        if before is None or before.record is None or before.record["prepared"]["error"] is not None:
            return None  # there is no record that could be added to
        return before

    # -- judging ---------------------------------------------------------------------------------------------------

    def events(self, judges: Judges) -> Generator[ClassEvent, None, None]:
        """Judge what waits, and tell. What was finished is kept, whoever stops listening."""
        waiting = {one.submission.id: one for one in self._waiting()}
        queue = _Queue(waiting.values(), self._work)
        with closing(judges.results(queue)) as results:
            for event in results:
                match event:
                    case Begun(id):
                        yield Started(waiting[id].submission)
                    case Came(judged):
                        self._faults[judged.id] += _ours(judged)
                        again = _ours(judged) and self._faults[judged.id] < _MOST_ATTEMPTS
                        if again:
                            queue.put(waiting[judged.id])
                        kept = waiting[judged.id]
                        yield Graded(Student(kept.submission, self._keep(judged, kept, again=again)), again)
                    case Tick():
                        yield Waited()
                    case Said(text):
                        yield Told(text)
        if not self._waiting():
            self.state.set_meta("regrading", "")

    def _keep(self, judged: Judged, kept: Kept, *, again: bool) -> Summary:
        """Files first: what the state says is done is there. What a submission took is what all of it took."""
        before = self._added_to(kept)
        if before is not None and judged.record is not None:
            judged = replace(
                judged,
                seconds=before.seconds,
                processor_seconds=before.processor_seconds,
                memory_kib=max(before.memory_kib, judged.memory_kib),
            )
        found = summary(judged, self.request.scheme)
        if not again:
            if self.request.course.page:
                self.results.write(judged)
            else:
                self.results.remove(judged.id)
            self.state.finished(judged, found.to_json())
        return found

    def write_asked(self) -> None:
        """The records and pages of those asked for by name, which a run without pages has not written."""
        for id in self.request.only:
            judged = self.state.judged(id)
            if judged is not None and judged.record is not None and not self.results.has_page(id):
                self.results.write(replace(judged, page=html_report.render(from_row(judged.record))))

    # -- what is known ---------------------------------------------------------------------------------------------

    def record(self) -> ClassRecord:
        """The class as it is known now."""
        summaries = dict(self.state.summaries())
        students = []
        for kept in self.state.submissions():
            row = summaries.get(kept.submission.id)
            students.append(Student(kept.submission, None if row is None else Summary.from_json(row)))
        return ClassRecord(
            title=self.request.folder.resolve().name,
            students=tuple(students),
            scheme=self.request.scheme,
            profile=self.request.course.profile,
            contract=self.request.contract_name,
            left_out=self.found.left_out,
        )


class _Queue(Iterator[Work]):
    """Works, each made when somebody is there for it; more may come while others are judged."""

    def __init__(self, waiting: Iterable[Kept], work: Callable[[Kept], Work]) -> None:
        self._waiting = deque(waiting)
        self._work = work

    def put(self, kept: Kept) -> None:
        """One more."""
        self._waiting.append(kept)

    def __next__(self) -> Work:
        if not self._waiting:
            raise StopIteration
        return self._work(self._waiting.popleft())


def _ours(judged: Judged) -> bool:
    """Whether a fault of ours is why there is no score."""
    return judged.ours or (judged.record is not None and judged.record["fault"] is not None)


def scratch_of(state: State) -> Path:
    """A folder for what is unpacked and built; what a run that was killed left there is removed.

    Raises Unwritable.
    """
    before = state.meta("scratch")
    if before and Path(before).name.startswith(_SCRATCH):
        shutil.rmtree(before, ignore_errors=True)
    try:
        folder = tempfile.mkdtemp(prefix=_SCRATCH)
    except OSError as error:  # FileNotFoundError where no folder of its list is to be written to
        raise no_room(error.filename or os.environ.get("TMPDIR", "/tmp"), error.strerror) from None
    state.set_meta("scratch", folder)
    return Path(folder)


_SCRATCH = "gatecrash-grade-"


def known_rules(regrade: Iterable[str]) -> tuple[str, ...]:
    """The rules that are to be judged anew, each once, or "all". Raises UsageError for one that is not known."""
    return tuple(dict.fromkeys(one if one == ALL else load().get(one.upper()).id for one in regrade))
