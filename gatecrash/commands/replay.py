"""`gatecrash replay ID [TARGET]`: play the scenario again that broke a rule, and show all that was seen."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.text import Text

from gatecrash.commands import absolute
from gatecrash.commands.options import add_broken_rule, add_contract
from gatecrash.commands.remembered import remembered
from gatecrash.commands.screen import Screen
from gatecrash.engine.judge import judge
from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.session import Session
from gatecrash.language import say
from gatecrash.model.scenario import Scenario
from gatecrash.reports.terminal import column, plain
from gatecrash.results import exit_codes
from gatecrash.rulebook import Rule, load


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_broken_rule(parser)
    add_contract(parser)
    parser.add_argument("--times", type=int, default=1, metavar="N", help="how often, each time on a fresh server")


def run(options: argparse.Namespace) -> int:
    """0 when the rule held every time, 1 when it was broken again."""
    rule = load().get(options.rule)
    target = absolute(options.target)
    saved = remembered(options.target)
    scenario, verdict = saved.broken(rule.id)
    named, build = (target if target is not None else saved.target), verdict.build
    contract = absolute(options.contract) or saved.contract
    console = Screen(highlight=False, soft_wrap=True)
    folder = SessionPool.new_folder()
    try:
        with SessionPool(folder, contract=contract) as session_pool:
            opened = session_pool.open(named, build)
            assert opened is not None
            broken = sum(_once(console, opened.session, scenario, rule, build) for _ in range(max(1, options.times)))
    finally:
        SessionPool.remove_folder(folder)
    console.print(
        Text(
            say(
                "{rule} was broken {broken} of {times} times", rule=rule.id, broken=broken, times=max(1, options.times)
            ),
            "bold red" if broken else "bold green",
        )
    )
    return exit_codes.of_replay(broken)


def _once(console: Console, session: Session, scenario: Scenario, rule: Rule, build: str) -> bool:
    example = judge(session, rule, scenario, build=build, fresh=True, sure=True)
    own = (found for found in (example.finding, *example.others) if found is not None and found.rule == rule.id)
    finding = next(own, None)
    console.print(plain(example.transcript.told()))
    if finding is not None:
        console.print(Text.assemble((column(say("expected"), 10), "green"), plain(finding.expected)))
        console.print(Text.assemble((column(say("got"), 10), "red"), plain(finding.got)))
        for line in finding.lines:
            console.print(Text.assemble("  ", plain(line)))
    return finding is not None and finding.conclusive
