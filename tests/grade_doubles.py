"""Judges that judge nothing, for tests of what is done with what judges say."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from gatecrash.config.scheme import Scheme
from gatecrash.grading.class_run import ClassRun, Graded, GradeRequest
from gatecrash.grading.finding import find
from gatecrash.grading.judges import Begun, Came, Progressed
from gatecrash.grading.results_folder import ResultsFolder
from gatecrash.grading.state import State
from gatecrash.grading.summary import ClassRecord
from gatecrash.grading.work import Course, Judged, Work
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Verdict
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.results.saved_record import to_row
from gatecrash.rulebook import load


def record(*broken: str, error: str | None = None, fault: str | None = None) -> dict[str, Any]:
    """The row of a run that broke these rules, and of which every other rule holds."""
    verdicts = [Verdict(rule.id, "fail" if rule.id in broken else "pass") for rule in load().rules]
    judged = tuple(JudgedRule(load().get(one.rule), one) for one in verdicts)
    prepared = Prepared("server.c", Contract(), {}, error=error)
    return to_row(RunRecord("server.c", prepared, {}, () if error else judged, 1.0, "quick", fault=fault))


class Doubles:
    """Says of each submission what it is told to say, else that nothing is broken."""

    def __init__(self, said: Mapping[str, list[Judged]] | None = None) -> None:
        self.asked: list[Work] = []
        self._said = {id: list(answers) for id, answers in (said or {}).items()}

    def results(self, works: Iterator[Work]) -> Generator[Progressed, None, None]:
        for work in works:
            self.asked.append(work)
            yield Begun(work.id)
            answers = self._said.get(work.id)
            yield Came(answers.pop(0) if answers else Judged(work.id, record(), page="<p>page</p>"))


def submissions(folder: Path, *names: str) -> Path:
    """A folder with a source for each."""
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "server.c").write_text(f"int main(void) {{ return 0; }} /* {name} */\n")
    return folder


def graded(folder: Path, judges: Doubles, output: Path | None = None, **asked: Any) -> ClassRecord:
    """One command over a class."""
    output = output or folder.parent / "results"
    request = GradeRequest(folder, output, **{"course": Course(), "scheme": Scheme(), **asked})
    results = ResultsFolder(output)
    with State(output) as state:
        judged = ClassRun(request, find(folder, output), state, results)
        judged.open()
        for event in judged.events(judges):
            assert not isinstance(event, Graded) or event.student.summary is not None
        judged.write_asked()
        results.write_class(judged.record())
        return judged.record()
