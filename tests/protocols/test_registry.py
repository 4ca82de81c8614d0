"""A protocol is one file: each name in a contract has its own, and nobody else asks which one it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from gatecrash.model import contract as model
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Receive, Send, SendDatagram
from gatecrash.protocols import ApplicationProtocol, protocol_of
from gatecrash.protocols.datagram import DatagramEcho
from gatecrash.protocols.discard import Discard
from gatecrash.protocols.echo import ECHO_PAYLOAD, StreamEcho
from gatecrash.protocols.greeting import Greeting
from gatecrash.protocols.http import Http
from gatecrash.protocols.line_echo import LineEcho
from gatecrash.protocols.registry import PROTOCOLS
from gatecrash.protocols.unknown import UnknownProtocol
from gatecrash.protocols.upper_echo import UpperEcho
from gatecrash.rulebook import load
from gatecrash.rulebook.applies import PROTOCOL_GROUPS, PROTOCOL_NAMES

_VARIANTS: dict[str, tuple[Contract, type[ApplicationProtocol]]] = {
    "http": (Contract(protocol="http"), Http),
    "an echo of bytes": (Contract(protocol="echo"), StreamEcho),
    "an echo of lines": (Contract.of(protocol="echo", echo="lines"), LineEcho),
    "an echo in upper case": (Contract.of(protocol="echo", echo="upper"), UpperEcho),
    "datagrams": (Contract(protocol="udp"), DatagramEcho),
    "a greeting": (Contract(protocol="greeting"), Greeting),
    "unknown": (Contract(protocol="none"), UnknownProtocol),
    "discard": (Contract.of(protocol="none", silence="promised"), Discard),
}
#: Who may ask for a protocol by its name: those that read and write it, and the rulebook, whose rules name theirs.
#: Discovery finds out which one it is.
_MAY_ASK = tuple(f"gatecrash/{place}" for place in ("protocols", "config", "rulebook", "engine/discovery"))
_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("contract", "kind"), _VARIANTS.values(), ids=_VARIANTS)
def test_what_a_contract_promises_is_found(contract: Contract, kind: type[ApplicationProtocol]) -> None:
    assert type(protocol_of(contract)) is kind


def test_every_protocol_has_its_class_and_its_name_in_the_rulebook() -> None:
    assert set(PROTOCOLS) == set(get_args(model.Protocol)) == set(PROTOCOL_NAMES)


def test_the_group_tcp_is_every_protocol_with_connections() -> None:
    assert PROTOCOL_GROUPS["tcp"] == tuple(name for name in PROTOCOLS if not PROTOCOLS[name].connectionless)
    assert set(PROTOCOL_GROUPS["any"]) == set(PROTOCOLS)


@pytest.mark.parametrize("kind", PROTOCOLS.values(), ids=PROTOCOLS)
def test_basic_rules_are_rules(kind: type[ApplicationProtocol]) -> None:
    assert {load().get(rule).id for rule in kind.basic_rules} == set(kind.basic_rules)


@pytest.mark.parametrize(("contract", "kind"), _VARIANTS.values(), ids=_VARIANTS)
def test_who_asks_sends_the_plain_request_and_waits(contract: Contract, kind: type[ApplicationProtocol]) -> None:
    protocol = protocol_of(contract)
    sent = [step.data for step in protocol.ask("A") if isinstance(step, Send | SendDatagram)]
    assert b"".join(sent) == protocol.plain_request
    assert any(isinstance(step, Connect) for step in protocol.ask("A")) is not kind.connectionless


def test_who_speaks_first_is_asked_nothing() -> None:
    assert protocol_of(Contract(protocol="greeting")).ask("A") == (Connect("A"), Receive("A"))


def test_silence_is_right_when_all_that_was_sent_came_back() -> None:
    echo, http = protocol_of(Contract(protocol="echo")), protocol_of(Contract(protocol="http"))
    size = len(ECHO_PAYLOAD)
    assert [echo.owes_nothing(size, size), echo.owes_nothing(size, size - 1)] == [True, False]
    assert not http.owes_nothing(size, size)


@pytest.mark.parametrize(
    ("silence", "unpromised"), [("", False), ("seen", True), ("promised", False)], ids=["answers", "seen", "promised"]
)
def test_only_silence_that_was_seen_and_not_promised_is_no_conformity(silence: str, unpromised: bool) -> None:
    assert protocol_of(Contract.of(silence=silence)).is_silent_unpromised is unpromised


def test_nobody_else_asks_which_protocol_it_is() -> None:
    files = [path for top in ("gatecrash", "suites", "strategies") for path in (_ROOT / top).rglob("*.py")]
    others = [path for path in files if not str(path.relative_to(_ROOT)).startswith(_MAY_ASK)]
    assert len(others) > 100
    assert [f"{path}:{line}" for path in others for line in _questions(ast.parse(path.read_text()))] == []


@pytest.mark.parametrize(
    "text", ["contract.protocol == 'udp'", "protocol in ('http', 'echo')", "match contract.protocol:\n case _: pass"]
)
def test_a_question_would_be_found(text: str) -> None:
    assert list(_questions(ast.parse(text))) == [1]


def _questions(tree: ast.AST) -> Iterator[int]:
    """The lines where something called `protocol` is compared with a protocol's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            names = {leaf.value for side in sides for leaf in ast.walk(side) if isinstance(leaf, ast.Constant)}
            if any(_is_protocol(side) for side in sides) and names & set(PROTOCOLS):
                yield node.lineno
        elif isinstance(node, ast.Match) and _is_protocol(node.subject):
            yield node.lineno


def _is_protocol(node: ast.expr) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "protocol") or (
        isinstance(node, ast.Name) and node.id == "protocol"
    )
