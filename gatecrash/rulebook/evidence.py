"""Which evidence a usual mistake fits: conditions as data, and whether they hold of what was seen of a server.

A mistake of the rulebook says `when` it is what went wrong, as a list of conditions that must all hold. One is a kind
and its values, any of which will do: "language c", "blocked in epoll | poll", "exception BrokenPipeError". Where
nothing is known of what a condition asks, it does not hold: advice that is guessed is worse than none.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gatecrash.model.contract import MODELS

_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_SIGNALS = frozenset(one.name for one in signal.Signals)
#: Calls that are the same to who gives advice.
CALLS: Final[Mapping[str, tuple[str, ...]]] = {
    "accept": ("accept", "accept4"),
    "epoll": ("epoll_wait", "epoll_pwait", "epoll_pwait2"),
    "futex": ("futex",),
    "poll": ("poll", "ppoll"),
    "recv": ("read", "readv", "recvfrom", "recvmsg"),
    "select": ("select", "pselect6"),
    "send": ("write", "writev", "sendto", "sendmsg", "sendfile"),
    "signal": ("pause", "rt_sigsuspend", "rt_sigtimedwait"),
    "sleep": ("nanosleep", "clock_nanosleep"),
    "wait": ("wait4", "waitid"),
}
#: How the server ended: not at all, of its own accord (with status 0 or another), by a signal.
ENDS = ("not", "exit", "exit 0", "exit error", "signal")
#: What is wrong with the bytes that came, as far as they tell (results/advice.py).
SHAPES = (
    "the start up to a NUL",
    "the start of it",
    "bytes from a NUL",
    "one byte too few",
    "one line end more",
    "fewer blanks",
    "other letters",
    "decoded",
)
#: Whose a lock is that somebody waits for (model/blocked.py).
LOCKS = ("itself", "living", "gone", "forked")
SHARED = ("a connection",)


@dataclass(frozen=True)
class Seen:
    """What is known of a server that broke a rule. Names are those of the conditions that ask for them.

    `mentions`: the names that its source uses, of those that the rulebook asks for; None where nobody has read it.
    """

    language: str = "other"
    model: str = "unknown"
    mentions: frozenset[str] | None = None
    blocked: frozenset[str] = frozenset()
    locks: frozenset[str] = frozenset()
    ended: str = "not"
    signals: frozenset[str] = frozenset()
    exceptions: frozenset[str] = frozenset()
    errors: frozenset[str] = frozenset()
    said: str = ""
    expected: str = ""
    came: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Kind:
    """A kind of condition: whether one of its values holds, and which values there are (None: any text)."""

    holds: Callable[[Seen, str], bool]
    allowed: Callable[[str], bool]
    known: str = ""


def _among(*names: str) -> Callable[[str], bool]:
    return lambda value: value in names


def _is_name(value: str) -> bool:
    return _NAME.fullmatch(value) is not None


def _is_code(value: str) -> bool:
    return bool(value) and " " not in value


def _lacks(seen: Seen, value: str) -> bool:
    return seen.mentions is not None and value not in seen.mentions


KINDS: Final[Mapping[str, Kind]] = {
    "language": Kind(lambda seen, value: seen.language == value, _among("c", "python", "other"), "c, python, other"),
    "model": Kind(lambda seen, value: seen.model == value, _among(*MODELS), ", ".join(MODELS)),
    "uses": Kind(lambda seen, value: value in (seen.mentions or ()), _is_code, "code without spaces"),
    "lacks": Kind(_lacks, _is_code, "code without spaces"),
    "blocked in": Kind(lambda seen, value: not seen.blocked.isdisjoint(CALLS[value]), _among(*CALLS), ", ".join(CALLS)),
    "lock of": Kind(lambda seen, value: value in seen.locks, _among(*LOCKS), ", ".join(LOCKS)),
    "threads share": Kind(lambda seen, value: value in seen.shared, _among(*SHARED), ", ".join(SHARED)),
    "ended": Kind(
        lambda seen, value: seen.ended == value or seen.ended.startswith(f"{value} "), _among(*ENDS), ", ".join(ENDS)
    ),
    "signal": Kind(lambda seen, value: value in seen.signals, _among(*_SIGNALS), "names of signals"),
    "exception": Kind(
        lambda seen, value: bool(seen.exceptions) if value == "any" else value in seen.exceptions,
        _is_name,
        "names of exceptions, or any",
    ),
    "error": Kind(
        lambda seen, value: value in seen.errors, lambda value: re.fullmatch(r"E[A-Z0-9]+", value) is not None, "E..."
    ),
    "said": Kind(lambda seen, value: value in seen.said, bool, "words of the finding"),
    "expected": Kind(lambda seen, value: value in seen.expected, bool, "words of what was expected"),
    "came": Kind(lambda seen, value: value in seen.came, _among(*SHAPES), ", ".join(SHAPES)),
}
ALWAYS: Final = "always"


@dataclass(frozen=True)
class Condition:
    """One condition: `values` of this kind, any of which will do; with `negated`, none of them may hold."""

    kind: str
    values: tuple[str, ...]
    negated: bool = False

    @classmethod
    def parse(cls, text: str) -> Condition:
        """The condition that a text says. Raises ValueError with what is wrong."""
        negated = text.startswith("not ")
        body = text.removeprefix("not ").strip()
        kind = next((name for name in KINDS if body.startswith(f"{name} ")), None)
        if kind is None:
            raise ValueError(f"begins with no known kind ({', '.join(KINDS)}), or is not just {ALWAYS!r}")
        values = tuple(part.strip() for part in body.removeprefix(kind).split(" | "))
        wrong = [value for value in values if not KINDS[kind].allowed(value)]
        if wrong:
            raise ValueError(f"says {kind} {wrong[0]!r}; allowed are {KINDS[kind].known}")
        return cls(kind, values, negated)

    def holds(self, seen: Seen) -> bool:
        """Whether it is met by what was seen. "lacks a | b" holds where both are missing."""
        some = all if self.kind == "lacks" else any
        return some(KINDS[self.kind].holds(seen, value) for value in self.values) != self.negated


def fits(conditions: Iterable[Condition], seen: Seen) -> bool:
    """Whether all conditions hold."""
    return all(one.holds(seen) for one in conditions)


def asked_of_source(conditions: Iterable[Condition]) -> frozenset[str]:
    """The names and pieces of code that these conditions look for in a source."""
    return frozenset(value for one in conditions if one.kind in ("uses", "lacks") for value in one.values)


_NO_CODE_IN_C = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
_NO_CODE_IN_PYTHON = re.compile(
    r"\"\"\".*?\"\"\"|'''.*?'''|#[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL
)


def mentioned(text: str, language: str, wanted: Iterable[str]) -> frozenset[str]:
    """Which of these a source uses, outside of comments and strings: a name as a whole, other code as it is written.

    A name may have those of its modules before it: "signal.signal".
    """
    code = (_NO_CODE_IN_PYTHON if language == "python" else _NO_CODE_IN_C).sub(" ", text)
    words, close = set(re.findall(r"[A-Za-z_]\w*", code)), re.sub(r"\s+", "", code)

    def uses(one: str) -> bool:
        if one.isidentifier():
            return one in words
        if _is_name(one):
            return re.search(rf"(?<![\w.]){re.escape(one)}\b", code) is not None
        return one in close

    return frozenset(filter(uses, wanted))
