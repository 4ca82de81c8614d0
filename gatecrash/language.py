"""The language people are spoken to in: English, or Korean from the gettext catalogue in `locale/`.

It is chosen once (languages.py), before anything is said; worker processes are forked after that and speak the same.
Ids, levels and the events of a transcript are Gatecrash's own language, and are the same in every tongue.

What a run finds is English in every record, file and protocol between programs: `stated` makes such a sentence, which
remembers how it was made, and `spoken` says it in the language of the reader where a face shows it. What is only ever
shown (a label, an error) is said at once: `say`.

A sentence is looked up as it is written in the source, its places for values included. Values never are, but for
those that are sentences of ours: they are peers' text.

Behind a term an entry of the catalogue has its English word in brackets: 수락 큐(accept queue). Whoever reads an entry
alone needs it; whoever reads a report needs it once (`first_mentions`), and in the narrow labels of a picture it is
left out (`terms_alone`). Only the catalogue's own words are looked at, never a value.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any

_current = "en"
#: The English word behind a term. Constants and calls in brackets, which say something, are not in small letters.
_ENGLISH = re.compile(r"(?<=[가-힣])\(([a-z]+(?:[ -][a-z]+)*)\)")
#: The English words that a reader of what is being written has seen; None where every sentence stands alone.
_mentioned: frozenset[str] | None = None
_alone = False


def speak(language: str) -> None:
    """Speak this language, by its code, from now on (languages.py finds out which)."""
    global _current
    _current = language


def current() -> str:
    """The code of the language that is spoken."""
    return _current


def say(template: str, /, **values: object) -> str:
    """A sentence in the language that is spoken, with these values in its {places}."""
    if _current == "en":
        return template.format(**values)
    return "".join(_pieces(_looked_up(template), values))


def _pieces(template: str, values: Mapping[str, object]) -> Iterator[str]:
    """The parts of the sentence in the order in which they are read, so that the first mention is the reader's."""
    formatter = Formatter()
    for words, place, how, conversion in formatter.parse(template):
        yield _said(words)
        if place is not None:
            value, _ = formatter.get_field(place, (), {n: _spoken(v) if n == place else v for n, v in values.items()})
            yield format(formatter.convert_field(value, conversion), how or "")


@contextmanager
def first_mentions() -> Iterator[None]:
    """What is said inside is one report, said in the order of its reading: each English word stands once in it."""
    global _mentioned
    before, _mentioned = _mentioned, frozenset()
    try:
        yield
    finally:
        _mentioned = before


@contextmanager
def terms_alone() -> Iterator[None]:
    """What is said inside has no English words behind its terms: labels, which are narrow and are compared."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def explained_once(text: str, mentioned: frozenset[str]) -> tuple[str, frozenset[str]]:
    """The text without the English words that were mentioned, and all that are mentioned then."""
    seen = set(mentioned)

    def shown(found: re.Match[str]) -> str:
        if found[1] in seen:
            return ""
        seen.add(found[1])
        return found[0]

    return _ENGLISH.sub(shown, text), frozenset(seen)


def _said(words: str) -> str:
    """Words of the catalogue as they are said here."""
    global _mentioned
    if _alone:
        return _ENGLISH.sub("", words)
    if _mentioned is None:
        return words
    words, _mentioned = explained_once(words, _mentioned)
    return words


class Sentence(str):
    """An English sentence that remembers how it was made, so that it can be said in another language."""

    __slots__ = ("template", "values")
    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, values: Mapping[str, object]) -> Sentence:
        kept = {name: value if isinstance(value, str | int | float) else str(value) for name, value in values.items()}
        made = super().__new__(cls, template.format(**kept))
        made.template, made.values = template, kept
        return made

    def __getnewargs__(self) -> tuple[str, dict[str, Any]]:  # type: ignore[override]  # pickle's: ours has two
        return self.template, self.values

    def to_json(self) -> list[Any]:
        """How it was made, as plain values."""
        return [self.template, {n: v.to_json() if isinstance(v, Sentence) else v for n, v in self.values.items()}]

    @classmethod
    def from_json(cls, row: list[Any]) -> Sentence:
        """The sentence that `to_json` wrote."""
        template, values = row
        return cls(template, {n: cls.from_json(v) if isinstance(v, list) else v for n, v in values.items()})


def stated(template: str, /, **values: object) -> Sentence:
    """A sentence for a record: English, and ready to be `spoken` to a reader."""
    return Sentence(template, values)


def values_of(text: str) -> Iterator[tuple[str, Any]]:
    """What a sentence was made of: names and values in the order of the sentence, those of its sentences included.

    A text that is no sentence of ours has none: nothing is read out of its words.
    """
    if not isinstance(text, Sentence):
        return
    for _, name, _, _ in Formatter().parse(text.template):
        if name is not None:
            value = text.values[name]
            if isinstance(value, Sentence):
                yield from values_of(value)
            else:
                yield name, value


def joined(parts: Iterable[str], between: str = ", ") -> Sentence:
    """Several texts as one that can still be `spoken`, whichever of them are sentences."""
    given = list(parts)
    places = "{between}".join(f"{{part{number}}}" for number in range(len(given)))
    return Sentence(places, {"between": between, **{f"part{number}": part for number, part in enumerate(given)}})


def spoken(text: str) -> str:
    """A sentence of a record, or a text without places for values (a rule's), in the language that is spoken."""
    if _current == "en":
        return text
    return say(text.template, **text.values) if isinstance(text, Sentence) else _translated(text)


def _spoken(value: object) -> object:
    return spoken(value) if isinstance(value, Sentence) else value


def _translated(text: str) -> str:
    return text if _current == "en" else _said(_looked_up(text))


def _looked_up(text: str) -> str:
    return said_by_catalogue(_current).get(text, text)


def did_you_mean(near: Sequence[str]) -> str:
    """The question behind a name that does not exist."""
    return say("Did you mean {near}?", near=say(" or ").join(near))


def marked(text: str) -> str:
    """The text itself: a mark that the catalogue has it, for one that is said later (`spoken`)."""
    return text


@cache
def said_by_catalogue(language: str) -> Mapping[str, str]:
    """All texts of one language by their English. Raises ValueError when the catalogue is damaged.

    The .po file is read as it is: nothing has to be compiled after a change, and nothing can be out of date.
    """
    source = files("gatecrash") / "locale" / language / "LC_MESSAGES" / "gatecrash.po"
    return dict(entries(source.read_text(encoding="utf-8")))


def entries(text: str) -> Iterator[tuple[str, str]]:
    """The entries of a .po file: the part of the format that Babel writes for entries without context and plural."""
    parts = {"msgid": "", "msgstr": ""}
    field = ""
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        keyword, _, rest = line.partition(" ")
        if keyword in parts:
            field = keyword
        elif line.startswith('"'):
            rest = line
        elif not line:
            if parts["msgid"] and parts["msgstr"]:
                yield parts["msgid"], parts["msgstr"]
            parts, field = {"msgid": "", "msgstr": ""}, ""
            continue
        elif line.startswith("#"):
            continue
        if not field or not rest.startswith('"'):
            raise ValueError(f"the catalogue's line {number} is no gettext: {line!r}.")
        parts[field] += ast.literal_eval(rest)
