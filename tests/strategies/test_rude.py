"""Bytes that nobody expects: what is known to have crashed servers is all tried, by somebody who takes the answer."""

from __future__ import annotations

from gatecrash.engine.properties import properties
from gatecrash.model.contract import Contract
from gatecrash.protocols import protocol_of
from strategies.rude import known_nonsense


def test_every_known_nonsense_is_said_in_the_first_example_of_a_crash() -> None:
    contract = Contract(protocol="http")
    (probe,) = (one.probe for one in properties() if one.rule == "MEM-03")
    assert probe is not None
    said = set(probe(contract).sent.values())
    assert b"GET / HTTP/1.1\r\nNoColon\r\n\r\n" in said
    assert set(known_nonsense(protocol_of(contract))) <= said


def test_any_bytes_are_sense_to_an_echo() -> None:
    assert known_nonsense(protocol_of(Contract(protocol="echo"))) == ()
