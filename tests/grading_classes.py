"""Classes made by hand, from verdicts that servers get: nothing runs for them."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

from gatecrash.config.scheme import Scheme
from gatecrash.grading.submission import Person, Submission
from gatecrash.grading.summary import ClassRecord, Student, Summary
from gatecrash.model.verdicts import Outcome
from gatecrash.rulebook import Rule, load
from tests.grading_records import every

_FAMILY = (
    "Lovelace",
    "Hopper",
    "Turing",
    "O'Neill",
    "de la Cruz",
    "김",
    "이",
    "Knuth",
    "Liskov",
    "Kernighan",
    "Ritchie",
)
_GIVEN = ("Ada", "Grace", "Alan", "Fionn", "José", "하늘", "서연", "Don", "Barbara", "Brian", "Dennis")
_FAIL: Outcome = "fail"
#: Which rules a class breaks: few often, many now and then.
_USUAL = ("FORK-02", "RESP-11", "LIFE-06", "RESP-02", "ACC-14", "FORK-05", "ACC-10", "RES-01", "FORK-06")


def summary(*broken: str, points: int = 100, **changed: str | float) -> Summary:
    """What came of one that breaks these rules, each with its first usual mistake."""
    outcomes = every("pass") | dict.fromkeys(broken, _FAIL)
    mistakes = {id: load().get(id).mistakes[0].text for id in broken if load().get(id).mistakes}
    first = broken[0] if broken else ""
    made = Summary(
        True,
        Fraction(points),
        Fraction(100),
        outcomes=outcomes,
        mend_first=first,
        mistakes=mistakes,
        seen=(len(outcomes), len(outcomes)),
        seconds=6.25,
    )
    return Summary(**{**vars(made), **changed})


def student(name: str, made: Summary | None, *, id: str = "", number: str = "", source: str = "") -> Student:
    """A student with a submission; without a summary it was not judged yet."""
    id = id or name.replace(" ", "_")
    return Student(Submission(id, (Person(name, number),), (Path(source or id),)), made)


def class_of(*students: Student, scheme: Scheme | None = None, title: str = "submissions") -> ClassRecord:
    """These students' class."""
    return ClassRecord(title, students, scheme or Scheme(), contract="course.toml")


def made_up(count: int) -> ClassRecord:
    """A class of so many, the same every time."""
    chosen = random.Random(count)
    return class_of(*(_anyone(number, chosen) for number in range(count)), title=f"a class of {count}")


def _anyone(number: int, chosen: random.Random) -> Student:
    name = f"{chosen.choice(_GIVEN)} {chosen.choice(_FAMILY)}"
    return student(name, _anything(chosen), id=f"{name.replace(' ', '_')}_{1000 + number}", number=str(1000 + number))


def _anything(chosen: random.Random) -> Summary | None:
    fate = chosen.random()
    if fate < 0.01:
        return Summary(False, why="It is not clear which file is the server: client.c, server.c.")
    if fate < 0.05:
        error = "server.c does not compile:\nserver.c:7:1: error: expected ';' before 'return'"
        return Summary(True, Fraction(), Fraction(100), error=error, seconds=0.4)
    usual = [id for id in _USUAL if chosen.random() < 0.25]
    rare = [rule.id for rule in load().rules if chosen.random() < 0.015]
    broken = tuple(dict.fromkeys((*usual, *rare)))
    made = summary(*broken, points=max(0, 100 - 4 * len(broken)), seconds=chosen.uniform(3, 12))
    unsure: dict[str, Outcome] = {
        rule.id: "not_observable" if rule.area in _AREAS_BESIDE else "not_applicable"
        for rule in load().rules
        if rule.id not in broken and _beside(rule, chosen)
    }
    return Summary(**{**vars(made), "outcomes": {**made.outcomes, **unsure}})


_AREAS_BESIDE = ("time", "memory")


def _beside(rule: Rule, chosen: random.Random) -> bool:
    return rule.area in ("datagram", "stream") or (rule.area in _AREAS_BESIDE and chosen.random() < 0.1)
