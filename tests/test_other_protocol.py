"""Where the contract promises another protocol than the server speaks, discovery says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatecrash.engine.discovery import discover
from gatecrash.model.contract import Contract
from tests.sessions import launch_of

ECHO = (
    "def serve(client):\n    while data := client.recv(4096): client.sendall(data)\n    client.close()\nmain(serve)\n"
)
HTTP = r"""
def serve(client):
    data = client.recv(4096)
    status = b"200 OK" if data.startswith(b"GET ") else b"400 Bad Request"
    client.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    client.close()
main(serve)
"""
AN_ECHO = "GET / came back as it was sent, as an echo does; it is judged as HTTP."
IN_HTTP = "It answers in HTTP what it is to send back; the contract says echo."


@pytest.mark.parametrize(
    ("program", "protocol", "note"),
    [(ECHO, "http", AN_ECHO), (HTTP, "echo", IN_HTTP), (ECHO, "echo", ""), (HTTP, "http", "")],
    ids=["an echo as HTTP", "HTTP as an echo", "an echo", "HTTP"],
)
def test_that_another_protocol_is_spoken_than_promised_is_noted(
    tmp_path: Path, program: str, protocol: str, note: str
) -> None:
    contract = Contract.of(protocol=protocol, written=frozenset({"protocol"}))
    notes = [one for one in discover(launch_of(tmp_path, program), contract).notes if one in (AN_ECHO, IN_HTTP)]
    assert notes[:1] == ([note] if note else [])
