"""From a broken rule to a Python file that shows it without Gatecrash: decided here, played by `alone.py`."""

from __future__ import annotations

import pprint
from dataclasses import fields
from importlib.resources import files
from typing import Any

from gatecrash.errors import UsageError
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    Freeze,
    HalfClose,
    LetTimePass,
    LiftLimit,
    LimitDescriptors,
    Receive,
    ReceiveDatagrams,
    Reset,
    Scenario,
    Send,
    SendDatagram,
    Settle,
    Signal,
    Step,
    Thaw,
)
from gatecrash.model.verdicts import Verdict
from gatecrash.protocols import ApplicationProtocol, protocol_of
from gatecrash.rulebook import Rule, load
from gatecrash.text import safe_text

#: What a plain client, /proc and signals can do. All other steps need the gates, or a server started for the purpose.
_PLAYABLE = (
    Connect, Send, Receive, HalfClose, Close, Reset, SendDatagram, ReceiveDatagrams, Freeze, Thaw, Signal, Settle,
    LimitDescriptors, LiftLimit, LetTimePass,
)  # fmt: skip
_MOST_BYTES = 2 * 1024 * 1024


class NotAlone(UsageError):
    """A scenario that only Gatecrash can play, or judge; the message says which command does."""


def why_not_alone(verdict: Verdict, contract: Contract) -> str | None:
    """Why no stand-alone script can show this failure; None when one can."""
    scenario = verdict.scenario
    if scenario is None:
        return "no scenario was kept"
    if verdict.build != "plain":
        return "it is the sanitizers that show it"
    foreign = next((step for step in scenario.steps if not isinstance(step, _PLAYABLE)), None)
    if foreign is not None:
        return f'a plain client cannot do this step: "{foreign.line()}"'
    check = load().get(verdict.rule).script
    if not check:
        return "what breaks the rule is seen with Gatecrash's instruments alone"
    if sum(len(data) for data in scenario.sent.values()) > _MOST_BYTES:
        return "its clients send more than a script should carry"
    if check == "answers" and not _judged(scenario, protocol_of(contract)):
        return "no client of the scenario waits for an answer"
    return None


def script(verdict: Verdict, rule: Rule, contract: Contract, target: str = "") -> str:
    """The script as text. Raises NotAlone where none can show the fault."""
    reason = why_not_alone(verdict, contract)
    if reason is not None or verdict.scenario is None:
        command = f"gatecrash replay {rule.id} {target}".rstrip()
        raise NotAlone(f"{rule.id} cannot be shown by a script alone: {reason}. `{command}` replays it exactly.")
    data = {
        "RULE": rule.id,
        "PROTOCOL": contract.protocol,
        "ECHO": contract.echo.unit,
        "CHECK": rule.script,
        "JUDGED": list(_judged(verdict.scenario, protocol_of(contract))),
        "SCENARIO": [_row(step) for step in verdict.scenario.steps],
    }
    constants = "\n".join(f"{name} = {pprint.pformat(value, width=110)}" for name, value in data.items())
    runtime = (files(__package__) / "alone.py").read_text(encoding="utf-8")
    return f"{_head(verdict, rule, target)}\n\n{constants}\n\n{runtime.replace(_AS_MODULE, '')}"


_AS_MODULE = """if "SCENARIO" not in globals():  # read as a module, for its functions
    RULE, PROTOCOL, ECHO, CHECK, SCENARIO, JUDGED = "", "echo", "bytes", "answers", [], []

"""


def _head(verdict: Verdict, rule: Rule, target: str) -> str:
    finding = verdict.finding
    lines = [
        "#!/usr/bin/env python3",
        f'"""{rule.id} ({rule.level}): {rule.title}',
        "",
        f"expected  {finding.expected if finding else ''}",
        f"got       {finding.got if finding else ''}",
        "",
        "Start the server, then: python3 THIS_FILE PORT. Exit status 1: the fault shows; 0: it does not.",
        f"Gatecrash proves it: {f'gatecrash replay {rule.id} {target}'.rstrip()}",
        '"""',
    ]
    return "\n".join(lines[:2] + [_quoted(line) for line in lines[2:-1]] + lines[-1:])


def _quoted(line: str) -> str:
    """A line that is safe inside a docstring, whoever's words are in it."""
    return safe_text(line).replace("\\", "\\\\").replace('"""', "'''").encode("ascii", "backslashreplace").decode()


def _row(step: Step) -> dict[str, Any]:
    return {
        "kind": step.kind,
        **{one.name: getattr(step, one.name) for one in fields(step)},
        "line": safe_text(step.line())[:200],
    }


def _judged(scenario: Scenario, protocol: ApplicationProtocol) -> tuple[str, ...]:
    """The clients that ask for something whole and wait for the answer: they are owed one."""
    owed = []
    for client in scenario.clients:
        acts = [step for step in scenario.steps if getattr(step, "client", None) == client]
        waits = [a for a in acts if isinstance(a, Receive | ReceiveDatagrams)]
        if isinstance(acts[-1], Reset) or (isinstance(acts[-1], Close) and not waits):
            continue
        last = waits[-1] if waits else None
        if (protocol.connectionless and last is None) or (isinstance(last, Receive) and last.at_most is not None):
            continue
        if protocol.may_expect(scenario.sent_by(client)):
            owed.append(client)
    return tuple(owed)
