"""What the page of a class shows, decided before a template sees it: pure, from the record of the class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from urllib.parse import quote

from markupsafe import Markup, escape

from gatecrash import __version__
from gatecrash.grading.submission import Submission
from gatecrash.grading.summary import TENTHS, ClassRecord, Student, Summary
from gatecrash.language import say, spoken, terms_alone
from gatecrash.model.verdicts import Outcome
from gatecrash.reports.html_view import bounded
from gatecrash.results.grading import shown
from gatecrash.rulebook import Rule, load, prose

#: Letters of Latin-1, which every typewriter face has in one width: what stands in a row is a column below its rule.
SIGNS: dict[Outcome, str] = {
    "pass": "·",
    "fail": "×",
    "inconclusive": "?",
    "not_observable": "-",
    "not_applicable": "\N{NO-BREAK SPACE}",
}
_LONGEST_NAME, _LONGEST_REASON = 120, 600
_MOST_MISTAKES = 3  # of a rule
_MOST_ROWS = 5000  # of the matrix: more than that no browser sorts at once
_HEIGHT = 100  # of the tallest column, in the picture's own units


@dataclass(frozen=True)
class Bar:
    """A column of the histogram. `height` of `_HEIGHT`; `least` and `most` points bound it."""

    label: str
    count: int
    height: float


@dataclass(frozen=True)
class RuleLine:
    """A rule that somebody breaks. `mistakes`: what is behind it, and in how many submissions."""

    id: str
    title: str
    level: str
    count: int
    percent: float
    mistakes: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Column:
    """A rule of the matrix. `first` of its area."""

    id: str
    title: str
    first: bool


@dataclass(frozen=True)
class Row:
    """A student. `rank` orders by points, those without any last; `said` is why there are none, or why 0."""

    id: str
    name: str
    numbers: str
    page: str | None
    scored: bool
    points: str
    rank: float
    broken: tuple[str, ...]
    seconds: float | None
    said: str
    mend_first: str
    cells: Markup


@dataclass(frozen=True)
class ClassPage:
    """Everything on the page."""

    title: str
    count: str
    complete: bool
    facts: tuple[tuple[str, str], ...]
    bars: tuple[Bar, ...]
    spread: str
    rules: tuple[RuleLine, ...]
    columns: tuple[Column, ...]
    whole: tuple[str, ...]
    rows: tuple[Row, ...]
    rows_left_out: int
    unscored: int
    left_out: tuple[tuple[str, str], ...]
    version: str = __version__


def class_page(record: ClassRecord, pages: Collection[str]) -> ClassPage:
    """The page of a class. `pages`: the ids of those that have a page of their own."""
    broken = record.broken
    rules = tuple(rule for rule in load().rules if rule.id in broken)
    columns = tuple(
        Column(rule.id, _title(rule), first=not number or rules[number - 1].area != rule.area)
        for number, rule in enumerate(rules)
    )
    scored, total = len(record.scored), len(record.students)
    return ClassPage(
        title=bounded(record.title, _LONGEST_NAME),
        count=say("{scored} of {total} submissions have a score", scored=scored, total=total),
        complete=scored == total,
        facts=tuple(_facts(record)),
        bars=_bars(record),
        spread=_spread(record),
        rules=tuple(_rule_line(load().get(id), count, record) for id, count in broken.items()),
        columns=columns,
        whole=tuple(_never_broken(record)),
        rows=tuple(_row(one, columns, one.submission.id in pages) for one in _lowest(record)),
        rows_left_out=max(0, total - _MOST_ROWS),
        unscored=total - scored,
        left_out=tuple((bounded(name, _LONGEST_NAME), bounded(why, _LONGEST_REASON)) for name, why in record.left_out),
    )


def _lowest(record: ClassRecord) -> tuple[Student, ...]:
    """All students; of too many those without a score and those with the fewest points, in the order of their ids."""
    if len(record.students) <= _MOST_ROWS:
        return record.students
    lowest = sorted(record.students, key=lambda one: _rank(one))
    return tuple(sorted(lowest[:_MOST_ROWS], key=lambda one: one.submission.id))


def _rank(student: Student) -> Fraction:
    return student.summary.points if student.summary is not None and student.summary.scored else Fraction(-1)


def _title(rule: Rule) -> str:
    with terms_alone():
        return prose(rule.title)


def _facts(record: ClassRecord) -> Iterable[tuple[str, str]]:
    yield (
        say("contract"),
        bounded(record.contract, _LONGEST_NAME) or say("none: each submission is taken for what it is"),
    )
    seconds = sum(one.summary.seconds for one in record.students if one.summary is not None)
    yield (
        say("tried"),
        say("profile {profile}, {minutes:.0f} min of judging in all", profile=record.profile, minutes=seconds / 60),
    )
    kept = [rule.id for rule in load().rules if record.scheme.is_hidden(rule)]
    if kept:
        yield (
            say("hidden rules"),
            say("{count}; this page and those of the submissions show them: they are for you", count=len(kept)),
        )


def _points(record: ClassRecord) -> list[Fraction]:
    return sorted(one.summary.points for one in record.scored if one.summary is not None)


def _spread(record: ClassRecord) -> str:
    """Mean and median; empty where nobody has points."""
    points = _points(record)
    if not points:
        return ""
    middle = len(points) // 2
    median = points[middle] if len(points) % 2 else (points[middle - 1] + points[middle]) / 2
    return say(
        "mean {mean}, median {median}, from {least} to {most} of {maximum} points",
        mean=shown(sum(points, Fraction()) / len(points)),
        median=shown(median),
        least=shown(points[0]),
        most=shown(points[-1]),
        maximum=shown(record.scheme.total),
    )


def _bars(record: ClassRecord) -> tuple[Bar, ...]:
    """How many have how many points: a column for each tenth, and one for all of them."""
    counted = Counter(one.summary.tenth for one in record.scored if one.summary is not None)
    tallest = max(counted.values(), default=0)
    step = record.scheme.total / TENTHS
    labels = [shown(number * step) for number in range(TENTHS + 1)]
    return tuple(
        Bar(label, counted[number], _HEIGHT * counted[number] / tallest if tallest else 0)
        for number, label in enumerate(labels)
    )


def _rule_line(rule: Rule, count: int, record: ClassRecord) -> RuleLine:
    told = Counter(
        one.summary.mistakes[rule.id]
        for one in record.students
        if one.summary is not None and rule.id in one.summary.mistakes
    )
    mistakes = tuple((" ".join(prose(text).split()), number) for text, number in told.most_common(_MOST_MISTAKES))
    return RuleLine(rule.id, _title(rule), rule.level, count, 100 * count / len(record.students), mistakes)


def _never_broken(record: ClassRecord) -> Iterable[str]:
    """The rules that nobody breaks, in words: they have no column."""
    seen: dict[str, set[Outcome]] = {}
    for one in record.students:
        for rule, outcome in one.summary.outcomes.items() if one.summary is not None else ():
            seen.setdefault(rule, set()).add(outcome)
    groups: dict[str, list[str]] = {}
    for rule, outcomes in seen.items():
        if "fail" in outcomes:
            continue
        if outcomes <= {"not_applicable"}:
            word = say("apply to nobody")
        elif outcomes <= {"pass", "not_applicable"}:
            word = say("hold wherever they apply")
        else:
            word = say("are broken by nobody, and could not be judged for all")
        groups.setdefault(word, []).append(rule)
    for word, rules in groups.items():
        yield say("{word} ({count}): {rules}", count=len(rules), word=word, rules=" ".join(rules))


def _row(student: Student, columns: tuple[Column, ...], page: bool) -> Row:
    submission, summary = student.submission, student.summary or Summary(False)
    scored = student.why_no_score is None
    said = summary.error if scored else spoken(str(student.why_no_score))
    return Row(
        id=submission.id,
        name=bounded(submission.name, _LONGEST_NAME),
        numbers=bounded(" ".join(_beside(submission)), _LONGEST_NAME),
        page=f"pages/{quote(submission.id)}.html" if page else None,
        scored=scored,
        points=shown(summary.points) if scored else "",
        rank=float(_rank(student)),
        broken=summary.broken,
        seconds=summary.seconds if student.summary is not None else None,
        said=bounded(said, _LONGEST_REASON).strip(),
        mend_first=summary.mend_first,
        cells=_cells(summary, columns),
    )


def _beside(submission: Submission) -> Iterable[str]:
    """Numbers and addresses of its people, and its id where that does not only repeat them and the name."""
    beside = dict.fromkeys(one for person in submission.people for one in (person.number, person.email) if one)
    yield from beside
    said = {*submission.name.replace("_", " ").split(), *beside}
    if not set(submission.id.replace("_", " ").split()) <= said:
        yield submission.id


def _cells(summary: Summary, columns: tuple[Column, ...]) -> Markup:
    """A letter for each column: what holds runs together, and what is broken is an element of its own."""
    if not summary.outcomes:
        return Markup("")
    outcomes: list[tuple[Outcome, str]] = [(summary.outcomes.get(one.id, "not_applicable"), one.id) for one in columns]
    pieces: list[Markup] = []
    for outcome, run in groupby(outcomes, key=lambda one: one[0]):
        if outcome == "fail":
            pieces += [Markup('<b title="{}">{}</b>').format(id, SIGNS["fail"]) for _, id in run]
        else:
            pieces.append(escape(SIGNS[outcome] * len(list(run))))
    return Markup("").join(pieces)
