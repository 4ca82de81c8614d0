"""Which rules speak of something: by their titles first, then by their mistakes, then by all their words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from gatecrash.rulebook.entry import Rule, in_language

_WORD = re.compile(r"\w[\w.-]*\w|\w")


def search(rules: Iterable[Rule], words: Sequence[str]) -> tuple[Rule, ...]:
    """The rules in which all these words stand, or begin a word, in English or in the language that is spoken."""
    wanted = [word.casefold() for word in words]
    found = [(place, rule) for rule in rules if (place := _place(rule, wanted)) is not None]
    return tuple(rule for _, rule in sorted(found, key=lambda one: one[0]))


def near(rules: Iterable[Rule], words: Sequence[str]) -> list[str]:
    """Words of the rules that are like those of `words` that none of them has."""
    known = {one for rule in rules for text in _texts(rule) for one in _WORD.findall(text.casefold())}
    strange = [word.casefold() for word in words if not any(word.casefold() in one for one in known)]
    return list(dict.fromkeys(one for word in strange for one in get_close_matches(word, known, n=2, cutoff=0.75)))


def _place(rule: Rule, wanted: Sequence[str]) -> int | None:
    """Where they all stand: 0 in the title, 1 in the mistakes too, 2 somewhere in it; None where they do not."""
    text = ""
    for place, more in enumerate(_texts(rule)):
        text += f" {more}".casefold()
        if all(re.search(rf"(?<!\w){re.escape(word)}", text) for word in wanted):
            return place
    return None


def _texts(rule: Rule) -> tuple[str, ...]:
    both = (rule, in_language(rule))
    mistakes = " ".join(mistake.text for one in both for mistake in one.mistakes)
    prose = " ".join(" ".join((one.statement, one.why, one.how, one.source)) for one in both)
    return (f"{rule.id} {' '.join(one.title for one in both)}", mistakes, prose)
