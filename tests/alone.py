"""Runs stand-alone reproductions against servers that listen on the shared loopback, as their readers would."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from gatecrash.engine.session import Session
from gatecrash.model.contract import Contract
from gatecrash.model.launch import Launch
from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Verdict
from gatecrash.reproduction import script, why_not_alone
from gatecrash.rulebook import load

#: Seconds after which a script takes silence for silence: a faulty server's, and one's that may be slow, not silent.
_SHORT_WAIT, _WAIT = "0.3", "0.7"
_STUCK = 60  # seconds after which a script is stuck


def written(verdict: Verdict, contract: Contract, folder: Path) -> Path | None:
    """The script of a broken rule; None where none can show it."""
    if why_not_alone(verdict, contract) is not None:
        return None
    path = folder / f"{verdict.rule}.py"
    path.write_text(script(verdict, load().get(verdict.rule), contract))
    return path


def status(
    path: Path, session: Session, build: str = "plain", *, times: int = 12, wait: str = _SHORT_WAIT
) -> tuple[int, str]:
    """The script's exit status against a freshly started server of the session, and what it printed."""
    host, port = session.fresh(build).address
    command = [sys.executable, "-I", "-S", str(path), f"{host}:{port}", "--wait", wait, f"--times={times}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_STUCK)
    return run.returncode, run.stdout + run.stderr


#: The correct server that a script must find nothing wrong with, by protocol.
REFERENCES = {"http": "http_fork", "echo": "echo_fork", "udp": "udp_echo"}


def wrong_scripts(
    broken: Iterable[Verdict], prepared: Prepared, references: dict[str, Launch], folder: Path
) -> list[str]:
    """What is wrong with the scripts of broken rules: each must show the fault, and find none in a correct server."""
    contract = prepared.contract
    scripts = [path for verdict in broken if (path := written(verdict, contract, folder)) is not None]
    if not scripts:
        return []
    launches = {"plain": prepared.launches["plain"]}
    if contract.protocol in references:
        launches["correct"] = references[contract.protocol]
    with Session(launches, contract, arena="loopback") as session:
        return [wrong for path in scripts if (wrong := _wrong(path, session))]


def _wrong(path: Path, session: Session) -> str:
    code, said = status(path, session)
    if code != 1:
        return f"{path.name} does not show the fault (status {code}):\n{said}"
    if "correct" in session.launches:
        code, said = status(path, session, "correct", times=1, wait=_WAIT)
        if code != 0:
            return f"{path.name} finds a fault in the correct server (status {code}):\n{said}"
    return ""
