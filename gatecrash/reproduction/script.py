"""From a broken rule to a Python file that shows it without Gatecrash: its scenario, step by step, and one look."""

from __future__ import annotations

import math
import re
import textwrap

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
    Thaw,
)
from gatecrash.model.transcript import TimePassed
from gatecrash.model.verdicts import Verdict
from gatecrash.protocols import ApplicationProtocol, protocol_of
from gatecrash.reproduction.checks import LOOKS, Check
from gatecrash.reproduction.layout import laid_out
from gatecrash.reproduction.payloads import Payloads
from gatecrash.reproduction.rows import CLIENT, GOT, Row, Writer
from gatecrash.reproduction.selection import imports_of, with_pieces
from gatecrash.rulebook import Rule, load
from gatecrash.shell import command
from gatecrash.text import duration, safe_text

#: What a plain client, /proc and signals can do. All other steps need the gates, or a server started for the purpose.
PLAYABLE = (
    Connect, Send, Receive, HalfClose, Close, Reset, SendDatagram, ReceiveDatagrams, Freeze, Thaw, Signal, Settle,
    LimitDescriptors, LiftLimit, LetTimePass,
)  # fmt: skip
_MOST_BYTES = 2 * 1024 * 1024
_LONGEST = 120.0  # seconds that a script waits for time to pass, in all


class NotAlone(UsageError):
    """A scenario that only Gatecrash can play, or judge; the message says which command does."""


def why_not_alone(verdict: Verdict, contract: Contract) -> str | None:
    """Why no stand-alone script can show this failure; None when one can."""
    scenario = verdict.scenario
    if scenario is None:
        return "no scenario was kept"
    if verdict.build != "plain":
        return "it is the sanitizers that show it"
    foreign = next((step for step in scenario.steps if not isinstance(step, PLAYABLE)), None)
    if foreign is not None:
        return f'a plain client cannot do this step: "{foreign.line()}"'
    if (seconds := passes(scenario)) > _LONGEST:
        return f"it lets {duration(seconds)} pass, and a script would have to wait for them"
    rule = load().get(verdict.rule)
    check = rule.script
    unseen = check in LOOKS and not any(isinstance(step, Settle) for step in scenario.steps)
    if not check and rule.area == "time":
        return "what breaks the rule is measured by the server's own clock, which Gatecrash has in its hand"
    if not check or unseen:
        return "what breaks the rule is seen with Gatecrash's instruments alone"
    if sum(len(data) for data in scenario.sent.values()) > _MOST_BYTES:
        return "its clients send more than a script should carry"
    if check in ("answers", "last", "pauses", "form") and not _judged(scenario, protocol_of(contract)):
        return "no client of the scenario waits for an answer"
    if check == "last" and verdict.transcript is not None and verdict.transcript.received(scenario.clients[-1]):
        return "its last client is answered, and what breaks the rule is seen with Gatecrash's instruments alone"
    return None


def script(verdict: Verdict, rule: Rule, contract: Contract, target: str = "", address: str = "") -> str:
    """The script as text, for a server that listened on `address`. Raises NotAlone where none can show the fault."""
    reason = why_not_alone(verdict, contract)
    scenario = verdict.scenario
    if reason is not None or scenario is None:
        again = command("replay", rule.id, target=target)
        raise NotAlone(f"{rule.id} cannot be shown by a script alone: {reason}. `{again}` replays it exactly.")
    judged = _judged(scenario, protocol_of(contract))
    by = "answers" if rule.script in ("last", "pauses") else rule.script
    judged = judged[-1:] if rule.script == "last" else judged
    check = Check(verdict, scenario, contract, by, judged)
    sent = [step.data for step in scenario.steps if isinstance(step, Send | SendDatagram)]
    payloads = Payloads(_name(protocol_of(contract), scenario), sent, check.named)
    host = _host(address)
    writer = Writer(scenario, contract, payloads, frozenset(check.judged), peeks=rule.script == "pauses")
    rows = _rows(writer, check, payloads)
    functions, body = with_pieces(laid_out(rows), _changed(contract, host), frozenset({"fail"} if check.wordy else ()))
    top = [
        *("if len(sys.argv) != 2:", "    print(__doc__)", "    sys.exit(2)"),
        f'SERVER = ("{host}", int(sys.argv[1]))',
        f"WAIT = {_patience(verdict, contract)}  # seconds after which silence is taken for one",
        *payloads.definitions,
    ]
    body.append(f'print("{rule.id} was not broken this time.")')
    code = "\n".join([*top, *functions, *(["", ""] if functions else [""]), *body])
    imports = "\n".join(imports_of(code))
    return f"{_head(verdict, rule, target)}\n\n{imports}\n\n{code}\n"


def _waits(verdict: Verdict) -> float:
    return 0.0 if verdict.scenario is None else passes(verdict.scenario)


def passes(scenario: Scenario) -> float:
    """Seconds that a script lets pass in all, besides those in which it waits for answers."""
    return sum(step.seconds for step in scenario.steps if isinstance(step, LetTimePass))


#: Seconds after which silence is taken for one; where the server takes its time for answers; and more than it took.
_WAIT, _PATIENT, _LONGER = 1, 3, 2


def _patience(verdict: Verdict, contract: Contract) -> int:
    """Where a limit of the server's own ended the waiting, a script waits for that as well."""
    events = () if verdict.transcript is None else verdict.transcript.events
    passed = sum(event.seconds for event in events if isinstance(event, TimePassed))
    waited = passed - (0.0 if verdict.scenario is None else passes(verdict.scenario))
    own = math.ceil(waited) + _LONGER if 0.5 < waited <= _LONGEST else 0
    return max(_PATIENT if contract.sleeps else _WAIT, own)


def _name(protocol: ApplicationProtocol, scenario: Scenario) -> str:
    """What the bytes that clients send are called."""
    if protocol.connectionless:
        return "DATAGRAM"
    return "REQUEST" if any(protocol.single_requests(scenario.sent_by(one)) for one in scenario.clients) else "DATA"


def _host(address: str) -> str:
    """Where a client on this machine finds a server that listened there."""
    host = address.rpartition(":")[0].strip("[]")
    return "127.0.0.1" if not re.fullmatch(r"[0-9A-Fa-f.:]+", host) or host in ("0.0.0.0", "::") else host


def _changed(contract: Contract, host: str) -> dict[str, str]:
    """What is said otherwise in the functions of scripts for servers of datagrams, and of IPv6."""
    udp = {'"/proc/net/tcp*"': '"/proc/net/udp*"', '"0A"': '"07"'} if protocol_of(contract).connectionless else {}
    inet6 = {"socket.socket()": "socket.socket(socket.AF_INET6)", "socket.AF_INET,": "socket.AF_INET6,"}
    return {**udp, **(inet6 if ":" in host else {})}


def _rows(writer: Writer, check: Check, payloads: Payloads) -> list[Row]:
    """The steps, and what is looked at behind them; nothing behind the last look."""
    rows = [Row("", asked)] if (asked := check.before(payloads)) else []
    looks, last = check.looks(), 0
    for number, step in enumerate(writer.steps):
        client = getattr(step, "client", "")
        waits = writer.waits.of(client)
        rows += [Row("", looks[number])] if number in looks else writer.rows(number)
        if client in check.judged and waits and number == waits[-1]:
            rows.append(Row(client, check.of(client, GOT if writer.keeps_all(client) else "got", payloads)))
            last = len(rows)
        last = len(rows) if number in looks else last
    for client in check.judged:
        if not writer.waits.of(client):
            rows += [Row(client, (f"got, end = received({CLIENT})",)), Row(client, check.of(client, "got", payloads))]
            last = len(rows)
    if check.by == "end":
        return [*rows, Row("", check.ended())]
    leaves = bool(last) and rows[last:] and rows[last] == Row(rows[last - 1].client, (f"{CLIENT}.close()",))
    return rows[: last + bool(leaves)]


def _head(verdict: Verdict, rule: Rule, target: str) -> str:
    finding = verdict.finding
    said = [("expected  ", finding.expected), ("got       ", finding.got)] if finding is not None else []
    seen, of = verdict.confirmed or (1, 1)
    lines = [
        *(line for label, words in said for line in _wrapped(label, words)),
        *([""] if said else []),
        "Start the server, then: python3 THIS_FILE PORT. Exit status 1: the fault shows; 0: it does not.",
        *(["It does not show every time: run this again."] if seen < of else []),
        *([f"It waits for {duration(waits)} in between."] if (waits := _waits(verdict)) else []),
        _quoted(f"Gatecrash proves it: {command('replay', rule.id, target=target)}"),
    ]
    title = f'"""{rule.id} ({rule.level}): {_quoted(rule.title)}'
    return "\n".join(["#!/usr/bin/env python3", title, "", *lines, '"""'])


def _wrapped(label: str, words: str) -> list[str]:
    """A sentence of a finding as lines of the docstring."""
    text = _quoted(words) if len(words) <= _MOST_WORDS else _quoted(words[:_MOST_WORDS]) + " ..."
    return textwrap.wrap(label + text, _WIDTH, subsequent_indent=" " * len(label)) or [label.rstrip()]


#: Characters of a finding's sentence that a docstring tells, and of its lines.
_MOST_WORDS, _WIDTH = 400, 110


def _quoted(line: str) -> str:
    """A line that is safe inside a docstring, whoever's words are in it."""
    return safe_text(line).replace("\\", "\\\\").replace('"""', "'''").encode("ascii", "backslashreplace").decode()


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
