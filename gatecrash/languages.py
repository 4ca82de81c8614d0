"""Which language people are spoken to in: as they ask for it, or as their locale says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from gatecrash.errors import EngineFault, UsageError
from gatecrash.language import did_you_mean, said_by_catalogue, say, speak

#: Each by its code (ISO 639-1), with its own name for itself.
LANGUAGES: Final = {"en": "English", "ko": "한국어"}
_NAMES: Final = {"english": "en", "korean": "ko", "한국어": "ko"}
#: Where a language is looked for when none is asked for, in the order of gettext(3).
_VARIABLES: Final = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


def use(language: str | None) -> None:
    """Speak this language from now on; None: GATECRASH_LANG's, or else the locale's where there is a catalogue for it.

    Raises UsageError, naming what there is, for a language that was asked for by name and is not there.
    """
    asked = language if language is not None else os.environ.get("GATECRASH_LANG") or None
    if asked is None:
        _speak(_of_the_locale(os.environ))
        return
    code = _code(asked)
    if code is None:
        known = ", ".join(f"{one} ({name})" for one, name in LANGUAGES.items())
        near = get_close_matches(asked.lower(), [*LANGUAGES, *_NAMES], n=1, cutoff=0.5)
        hint = f" {did_you_mean([_code(near[0]) or ''])}" if near else ""
        what = "--lang" if language is not None else "GATECRASH_LANG"
        raise UsageError(say("{what}: there is no language {asked!r}.", what=what, asked=asked) + hint + f" {known}.")
    _speak(code)


def _speak(code: str) -> None:
    if code != "en":
        try:
            said_by_catalogue(code)
        except ValueError as error:
            raise EngineFault(str(error)) from None
    speak(code)


def _code(name: str) -> str | None:
    """The language a name or a locale means: ko, ko_KR.UTF-8, Korean."""
    word = name.strip().lower()
    word = _NAMES.get(word, word.replace("-", "_").split("_")[0].split(".")[0].split("@")[0])
    return word if word in LANGUAGES else None


def _of_the_locale(environment: Mapping[str, str]) -> str:
    value = next((found for name in _VARIABLES if (found := environment.get(name))), "")
    return _code(value.split(":")[0]) or "en"
