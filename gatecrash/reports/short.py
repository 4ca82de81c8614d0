"""The short form of the terminal report: what to mend first in full, the rest a line each, and the first once more.

On a terminal the others are a line each, with the command that shows them. Who reads a log cannot run it on the machine
that made the log: there each says what was expected, what came, and the usual mistake, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from gatecrash.language import say, spoken
from gatecrash.model.contract import Contract
from gatecrash.reports import terminal
from gatecrash.reports.terminal import column, hanging, plain
from gatecrash.results.mending import Consequence, ToMend
from gatecrash.results.record import JudgedRule
from gatecrash.shell import command
from gatecrash.text import safe_text

_LEAST_ROOM = 36  # columns for a title beside a command
_MOST_EVIDENCE = 3


def broken(
    console: Console, to_mend: Sequence[ToMend], contract: Contract, target: str, options: tuple[str, ...] = ()
) -> None:
    """The first in full with what goes with it, then the others. `options`: what was asked to judge this target so."""
    if not to_mend:
        return
    first, others = to_mend[0], to_mend[1:]
    tell = _Teller(console, contract, target, tuple(_shown(to_mend)), options)
    terminal.failure(console, first.judgement, contract, target)
    if first.hides:
        console.print(hidden(len(first.hides)))
    if first.consequences:
        console.print(Text(say("These probably go with it:"), "bold"))
        tell.consequences(first.consequences)
    if first.hides or first.consequences:
        console.print()
    if others:
        console.print(Text(say("Also broken, in the order in which to mend them:"), "bold"))
        for one in others:
            tell.rule(one.judgement, "" if one.rule.level == "MUST" else one.rule.level)
            tell.consequences(one.consequences, deeper=2)
        if not console.is_terminal:
            console.print()
        console.print(plain(say("{option} prints everything of all of them.", option="--full"), "dim"))
        console.print()


def _shown(to_mend: Sequence[ToMend]) -> Iterator[str]:
    """The rules that are a line each."""
    for place, one in enumerate(to_mend):
        yield from [one.rule.id] if place else []
        yield from (other.judgement.rule.id for other in one.consequences)


def hidden(count: int) -> Text:
    """How many rules wait for it to be mended."""
    one = say("1 more rule can be seen when it is mended.")
    return Text(one if count == 1 else say("{count} more rules can be seen when it is mended.", count=count))


def first_lines(to_mend: Sequence[ToMend], target: str, verb: str, options: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What is broken, the one sentence, and the command; nothing where nothing is broken."""
    if not to_mend:
        return ()
    rule, verdict = to_mend[0].rule, to_mend[0].judgement.verdict
    got = verdict.reason if verdict.finding is None else verdict.finding.got
    named = say("Mend first: {rule}", rule=rule.id)
    return (
        f"{named}  {spoken(rule.title)}",
        f"  {safe_text(spoken(got))}",
        f"  {_command(verb, rule.id, target, options)}",
    )


def first_again(console: Console, to_mend: Sequence[ToMend], target: str, options: tuple[str, ...] = ()) -> None:
    """The last three lines: what is broken, the one sentence, and the command."""
    lines = first_lines(to_mend, target, "show" if console.is_terminal else "check", options)
    if not lines:
        return
    named, got, again = lines
    console.print()
    hanging(console, Text(named, "bold red"), 2)
    hanging(console, Text(got), 2)
    console.print(Text(again, "cyan"))


class _Teller:
    """Tells of rules that are not told in full: a line each on a terminal, elsewhere what is needed to mend them."""

    def __init__(
        self, console: Console, contract: Contract, target: str, rules: Sequence[str], options: tuple[str, ...]
    ) -> None:
        self._options = options
        self._console = console
        self._contract = contract
        self._target = target
        self._width = max((cell_len(_command("show", rule, target)) for rule in rules), default=0)

    def consequences(self, them: Sequence[Consequence], deeper: int = 0) -> None:
        for one in them:
            self.rule(one.judgement, spoken(one.why), deeper)

    def rule(self, judgement: JudgedRule, further: str, deeper: int = 0) -> None:
        if self._console.is_terminal:
            self._line(judgement, further, deeper)
        else:
            self._block(judgement, further)

    def _line(self, judgement: JudgedRule, further: str, deeper: int) -> None:
        """The command, and beside it what is broken; below it where there is no room."""
        shown = " " * (2 + deeper) + _command("show", judgement.rule.id, self._target)
        said = Text.assemble(plain(spoken(judgement.rule.title)), plain(f" ({further})" if further else "", "dim"))
        beside = self._width + 6
        if self._console.width - beside >= _LEAST_ROOM:
            hanging(self._console, Text.assemble((column(shown, beside), "cyan"), said), beside)
            return
        self._console.print(Text(shown, "cyan"))
        hanging(self._console, Text.assemble(" " * (6 + deeper), said), 6 + deeper)

    def _block(self, judgement: JudgedRule, further: str) -> None:
        """Title, expected, got, what was seen, the usual mistake; and a command for another machine."""
        rule, verdict = judgement.rule, judgement.verdict
        said = f" ({further})" if further and further != rule.level else ""
        head = Text.assemble(f"\n{rule.id}  {rule.level}  ", plain(spoken(rule.title)), plain(said))
        self._console.print(head)
        terminal.expected_and_got(self._console, judgement, spaced=False)
        for line in () if verdict.finding is None else verdict.finding.lines[:_MOST_EVIDENCE]:
            self._console.print(Text.assemble("  ", plain(line)))
        terminal.usual_mistake(self._console, judgement, self._contract, code=False)
        self._console.print(Text(_command("check", rule.id, self._target, self._options)))


def _command(verb: str, rule: str, target: str, options: tuple[str, ...] = ()) -> str:
    if verb == "check":
        return command("check", target=target, options=(*options, "--only", rule))
    return command(verb, rule, target=target)
