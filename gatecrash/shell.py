"""Commands that people paste into a shell: whatever a target is called, they do what they say."""

from __future__ import annotations

import os
import shlex


def command(verb: str, *words: str, target: str = "", options: tuple[str, ...] = ()) -> str:
    """The command `gatecrash VERB WORDS TARGET OPTIONS` on one line, as any POSIX shell takes it.

    A `target` of "" is left out; one that looks like an option comes last, behind `--`.
    """
    named = [] if not target else ["--", target] if target.startswith("-") else [target]
    parts = [*words, *options, *named] if named[:1] == ["--"] else [*words, *named, *options]
    return " ".join(["gatecrash", verb, *map(word, parts)])


def word(text: str) -> str:
    """One word of a command. What cannot be printed is written by printf(1), so that it survives a terminal."""
    if text.isprintable():
        return shlex.quote(text)
    written = "".join(_octal(one) for one in _encoded(text))
    return f"\"$(printf '{written}')\""


def _encoded(text: str) -> bytes:
    """The bytes that a file name is in a system call; half a surrogate pair is in none, and becomes a question mark."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _octal(byte: int) -> str:
    plain = 0x20 <= byte < 0x7F and chr(byte) not in "'\"\\%$`"
    return chr(byte) if plain else f"\\{byte:03o}"
