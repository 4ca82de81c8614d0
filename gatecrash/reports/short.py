"""The short form of the terminal report: what to mend first in full, the rest a line each, and the first once more.

On a terminal the others are a line each, with the command that shows them. Who reads a log cannot run it on the machine
that made the log: there each says what was expected, what came, and the usual mistake, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from gatecrash.language import say, spoken
from gatecrash.model.contract import Contract
from gatecrash.reports import terminal
from gatecrash.reports.terminal import column, hanging, plain
from gatecrash.results.mending import Consequence, ToMend
from gatecrash.results.record import JudgedRule
from gatecrash.text import safe_text

_LEAST_ROOM = 24  # columns for a title beside a command
_LONGEST_ID = len("STREAM-01")
_MOST_EVIDENCE = 3


def broken(console: Console, to_mend: Sequence[ToMend], contract: Contract, target: str) -> None:
    """The first in full with what goes with it, then the others."""
    if not to_mend:
        return
    first, others = to_mend[0], to_mend[1:]
    terminal.failure(console, first.judgement, contract, target)
    if first.hides:
        console.print(hidden(len(first.hides)))
    if first.consequences:
        console.print(Text(say("These probably go with it:"), "bold"))
        _consequences(console, first.consequences, contract, target)
    if first.hides or first.consequences:
        console.print()
    if others:
        console.print(Text(say("Also broken, in the order in which to mend them:"), "bold"))
        for one in others:
            _tell(console, one.judgement, contract, target, _level(one.judgement))
            _consequences(console, one.consequences, contract, target, deeper=2)
        if not console.is_terminal:
            console.print()
        console.print(plain(say("{option} prints everything of all of them.", option="--full"), "dim"))
        console.print()


def hidden(count: int) -> Text:
    """How many rules wait for it to be mended."""
    one = say("1 more rule can be seen when it is mended.")
    return Text(one if count == 1 else say("{count} more rules can be seen when it is mended.", count=count))


def first_again(console: Console, to_mend: Sequence[ToMend], target: str) -> None:
    """The last three lines: what is broken, the one sentence, and the command."""
    if not to_mend:
        return
    rule, verdict = to_mend[0].rule, to_mend[0].judgement.verdict
    named = say("Mend first: {rule}", rule=rule.id)
    console.print()
    hanging(console, Text.assemble((named, "bold red"), "  ", plain(spoken(rule.title), "bold")), 2)
    got = verdict.reason if verdict.finding is None else verdict.finding.got
    hanging(console, Text.assemble("  ", plain(got)), 2)
    console.print(Text.assemble("  ", (_command("show" if console.is_terminal else "check", rule.id, target), "cyan")))


def _level(judgement: JudgedRule) -> str:
    return "" if judgement.rule.level == "MUST" else judgement.rule.level


def _consequences(
    console: Console, them: Sequence[Consequence], contract: Contract, target: str, deeper: int = 0
) -> None:
    for one in them:
        _tell(console, one.judgement, contract, target, spoken(one.why), deeper)


def _tell(
    console: Console, judgement: JudgedRule, contract: Contract, target: str, further: str, deeper: int = 0
) -> None:
    if console.is_terminal:
        _line(console, judgement, target, further, deeper)
    else:
        _block(console, judgement, contract, target, further)


def _line(console: Console, judgement: JudgedRule, target: str, further: str, deeper: int) -> None:
    """The command, and beside it what is broken; below it where there is no room."""
    command = f"{' ' * (2 + deeper)}{_command('show', judgement.rule.id, target)}"
    width = max(len(command), _LONGEST_ID + len(_command("show", "", target)) + 4) + 2
    said = Text.assemble(plain(spoken(judgement.rule.title)), plain(f" ({further})" if further else "", "dim"))
    if console.width - width >= _LEAST_ROOM:
        hanging(console, Text.assemble((column(command, width), "cyan"), said), width)
        return
    console.print(Text(command, "cyan"))
    hanging(console, Text.assemble(" " * (6 + deeper), said), 6 + deeper)


def _block(console: Console, judgement: JudgedRule, contract: Contract, target: str, further: str) -> None:
    """What is needed to mend it: title, expected, got, what was seen, the usual mistake; a command for elsewhere."""
    rule, verdict = judgement.rule, judgement.verdict
    said = f" ({further})" if further and further != rule.level else ""
    console.print(Text.assemble(f"\n{rule.id}  {rule.level}  ", plain(spoken(rule.title)), plain(said)))
    terminal.expected_and_got(console, judgement, spaced=False)
    for line in () if verdict.finding is None else verdict.finding.lines[:_MOST_EVIDENCE]:
        console.print(Text.assemble("  ", plain(line)))
    terminal.usual_mistake(console, judgement, contract, code=False)
    console.print(Text(_command("check", rule.id, target)))


def _command(verb: str, rule: str, target: str) -> str:
    if verb == "check":
        return safe_text(" ".join(f"gatecrash check {target} --only {rule}".split()))
    return safe_text(f"gatecrash {verb} {rule} {target}".rstrip())
