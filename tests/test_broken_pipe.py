"""Who stops reading what is printed has seen enough: no exit code says anything else than it would have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SERVERS = Path(__file__).parent.parent / "servers"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(("explain", "RESP-01"), 0, id="explain"),
        pytest.param(("rules",), 0, id="rules"),
        pytest.param(("check", str(SERVERS / "python/echo_fork.py"), "--only", "ACC-01"), 0, id="it conforms"),
        pytest.param(("check", str(SERVERS / "faulty/accept_once.c"), "--only", "ACC-01"), 1, id="it does not"),
    ],
)
def test_nobody_reads(arguments: tuple[str, ...], code: int, tmp_path: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    command = (sys.executable, "-m", "gatecrash", *arguments)
    with os.fdopen(writes, "wb") as nobody:
        ended = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, cwd=tmp_path, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (code, b"")
