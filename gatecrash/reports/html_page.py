"""The parts of the HTML page as its templates (`page/`) take them: bounded, and in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from gatecrash.model.verdicts import Outcome
from gatecrash.reports.byte_diff import Side
from gatecrash.rulebook import Rule

_LONG_COMMAND, _LONG_NOTE = 90, 300  # characters of the header, of which more are folded

Tone = Literal["good", "bad", "unsure"]


@dataclass(frozen=True)
class Fact:
    """A line of the header. `literal`: a command or an address, shown in the typewriter face."""

    label: str
    texts: tuple[str, ...]
    literal: bool = False

    def folds(self, text: str) -> bool:
        """Whether only the beginning of a text is shown until its reader opens it."""
        return len(text) > (_LONG_COMMAND if self.literal else _LONG_NOTE)


@dataclass(frozen=True)
class Fix:
    """A usual mistake, and the code that mends it: (language, coloured source) each."""

    text: str
    code: tuple[tuple[str, Markup], ...]


@dataclass(frozen=True)
class TableRow:
    """A rule on the board, with its explanation. `detail` names what a broken rule's own part of the page adds."""

    rule: Rule
    outcome: Outcome
    symbol: str
    word: str
    reason: str = ""
    fixes: tuple[Fix, ...] = ()
    #: Why the baseline excuses it; None when it does not.
    known: str | None = None

    @property
    def broken(self) -> bool:
        """Whether the rule has a part of the page of its own."""
        return self.outcome == "fail"

    @property
    def anchor(self) -> str:
        """The rule's place in the page."""
        return self.rule.id


@dataclass(frozen=True)
class Group:
    """The rules of one area and their counts in words."""

    area: str
    rows: tuple[TableRow, ...]
    counts: str


@dataclass(frozen=True)
class Failure:
    """A broken rule: all that its reader needs."""

    row: TableRow
    steps: tuple[tuple[int, str], ...]
    steps_left_out: int
    expected: str
    got: str
    difference: tuple[Side, Side] | None
    offset: int
    evidence: tuple[str, ...]
    evidence_left_out: int
    diagram: Markup | None
    transcript: str
    sanitized: bool
    played: str
    confirmed: str
    replay: str
    script: Markup | None
    script_name: str


@dataclass(frozen=True)
class Entry:
    """A broken rule in the list of them, with those that probably go when it is mended, and why."""

    row: TableRow
    hidden: str
    consequences: tuple[tuple[TableRow, str], ...] = ()


@dataclass(frozen=True)
class First:
    """What the page shows before all else: the broken rule to mend first."""

    heading: str
    entry: Entry
    expected: str
    got: str


@dataclass(frozen=True)
class Unjudged:
    """One reason for which rules were not judged."""

    word: str
    symbol: str
    reason: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """The whole page."""

    title: str
    target: str
    closing: str
    tone: Tone
    symbol: str
    counts: str
    advice: bool
    fixed: tuple[str, ...]
    facts: tuple[Fact, ...]
    error: str
    fault: str
    interrupted: bool
    first: First | None
    contents: tuple[Entry, ...]
    groups: tuple[Group, ...]
    failures: tuple[Failure, ...]
    unjudged: tuple[Unjudged, ...]
    outcomes: tuple[tuple[Outcome, str, str, int], ...]
    levels: tuple[str, ...]
    total: int
    version: str
