"""Runs stand-alone reproductions against servers that listen on the shared loopback, as their readers would."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from gatecrash.engine.session import Session
from gatecrash.model.contract import Contract
from gatecrash.model.launch import Launch
from gatecrash.model.prepared import Prepared
from gatecrash.model.scenario import Close, Connect, Reset, Scenario
from gatecrash.model.verdicts import Verdict
from gatecrash.reproduction import script, why_not_alone
from gatecrash.reproduction.script import passes
from gatecrash.rulebook import load

#: Seconds after which a script takes silence for silence: a faulty server's, and one's that may be slow, not silent.
_SHORT_WAIT, _WAIT = "0.3", "0.7"
_LONGEST = 10.0  # seconds that a script may let pass
_STUCK = 60  # seconds after which a script is stuck


def written(verdict: Verdict, contract: Contract, folder: Path) -> Path | None:
    """The script of a broken rule; None where none can show it, or it would wait for long."""
    if why_not_alone(verdict, contract) is not None:
        return None
    if verdict.scenario is not None and passes(verdict.scenario) > _LONGEST:
        return None
    path = folder / f"{verdict.rule}.py"
    path.write_text(script(verdict, load().get(verdict.rule), contract))
    return path


def status(
    path: Path, session: Session, build: str = "plain", *, times: int = 12, wait: str = _SHORT_WAIT
) -> tuple[int, str]:
    """The script's exit status against a freshly started server of the session, and what it printed.

    It is run again, as its reader is told to, until the fault shows. A script that breaks shows nothing: -1.
    """
    host, port = session.fresh(build).address
    text = re.sub(r"(?m)^WAIT = \d+", f"WAIT = {wait}", path.read_text()).replace('"127.0.0.1"', f'"{host}"')
    hasty = path.with_suffix(".hasty.py")
    hasty.write_text(text)
    command = [sys.executable, "-I", "-S", str(hasty), str(port)]
    code, said = 0, ""
    for _ in range(times):
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_STUCK)
        code, said = run.returncode, run.stdout + run.stderr
        if "Traceback" in said:
            return -1, said
        if code != 0:
            break
    return code, said


#: The correct server that a script must find nothing wrong with, by protocol; CLOSES: of HTTP, one that ends each
#: connection behind its answer, to _WORKERS clients at once.
CLOSES, _WORKERS = "http, closing", 4
REFERENCES = {"http": "http_fork", CLOSES: "http_prefork", "echo": "echo_fork", "udp": "udp_echo"}


def wrong_scripts(
    broken: Iterable[Verdict], prepared: Prepared, references: dict[str, Launch], folder: Path
) -> list[str]:
    """What is wrong with the scripts of broken rules: each must show the fault, and find none in a correct server."""
    contract = prepared.contract
    written_for = [(path, one) for one in broken if (path := written(one, contract, folder)) is not None]
    if not written_for:
        return []
    launches = {"plain": prepared.launches["plain"], **references}
    with Session(launches, contract, arena="loopback") as session:
        return [wrong for path, one in written_for if (wrong := _wrong(path, session, _correct(one, contract)))]


def _correct(verdict: Verdict, contract: Contract) -> str | None:
    """A correct server that promises what the script of this verdict waits for; None where there is none."""
    if contract.http.closes and verdict.scenario is not None and _at_once(verdict.scenario) <= _WORKERS:
        return CLOSES
    return contract.protocol if contract.protocol in REFERENCES else None


def _at_once(played: Scenario) -> int:
    """The most clients that are connected together."""
    there, most = 0, 0
    for step in played.steps:
        there += isinstance(step, Connect) - isinstance(step, Close | Reset)
        most = max(most, there)
    return most


def unused(text: str) -> list[str]:
    """The names that a script imports, defines or takes, and never uses."""
    nodes = list(ast.walk(ast.parse(text)))
    known = [alias.asname or alias.name for node in nodes if isinstance(node, _IMPORTS) for alias in node.names]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    known += [node.name for node in functions]
    known += [argument.arg for node in functions for argument in node.args.args]
    known += [node.id for node in nodes if isinstance(node, ast.Name) and node.id.isupper() and len(node.id) > 3]
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return [name for name in known if name not in used]


_IMPORTS = (ast.Import, ast.ImportFrom)


#: Times that a script may play a scenario with a race in it, of which nobody without Gatecrash decides the end.
_TRIES = 5


def _wrong(path: Path, session: Session, correct: str | None) -> str:
    if found := unused(path.read_text()):
        return f"{path.name} has what it does not use: {', '.join(found)}"
    code, said = 0, ""
    for _ in range(_TRIES):
        if code == 0:  # a client that leaves before its answer may leave too late on a busy machine, or too early
            code, said = status(path, session)
    if code != 1 or "expected  " not in said or "got       " not in said:
        return f"{path.name} does not show the fault (status {code}):\n{said}"
    if correct is not None:
        code, said = status(path, session, correct, times=1, wait=_WAIT)
        if code != 0:
            return f"{path.name} finds a fault in the correct server {correct} (status {code}):\n{said}"
    return ""
