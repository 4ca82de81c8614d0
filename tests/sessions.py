"""Sessions for tests: small programs judged in an arena of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

from gatecrash.engine.discovery import discover
from gatecrash.engine.session import Session
from gatecrash.model.contract import Contract
from gatecrash.model.launch import Launch

#: Listens on the port it is given and calls `serve(client)` for one client after another.
ITERATIVE = """
import os, signal, socket, struct, sys, time
def main(serve):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[1])))
    listener.listen(16)
    while True:
        client, _ = listener.accept()
        serve(client)
"""


@contextmanager
def session_of(
    folder: Path, body: str, contract: Contract, *, arena: str = "auto", patience: float = 5.0
) -> Iterator[Session]:
    """A session for a Python program: ITERATIVE and `body`, which calls main(serve) or does it all itself."""
    with Session({"plain": launch_of(folder, body)}, contract, arena=arena, patience=patience) as session:
        yield session


@contextmanager
def discovered_session_of(folder: Path, body: str, contract: Contract) -> Iterator[Session]:
    """The same for a program that was discovered before."""
    launch = launch_of(folder, body)
    with Session({"plain": launch}, discover(launch, contract, body).contract) as session:
        yield session


def launch_of(folder: Path, body: str) -> Launch:
    """How a Python program of ITERATIVE and `body` is started."""
    program = folder / "server.py"
    program.write_text(ITERATIVE + dedent(body))
    return Launch((sys.executable, "-I", "-S", str(program), "{port}"), folder)
