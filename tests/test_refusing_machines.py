"""On a machine that refuses an instrument, what the wire shows is judged, and the rest is said not to be observable."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gatecrash.tree import tree_root
from tests.refusing import REFUSED

SERVERS = tree_root() / "servers"


def checked(folder: Path, refused: str, server: str, only: str) -> tuple[subprocess.CompletedProcess[str], Any]:
    """`gatecrash check` where an instrument is refused: how it ended, and each rule's verdict and reason."""
    report = folder / "report.json"
    command = [sys.executable, "-m", "tests.refusing", refused, sys.executable, "-P", "-m", "gatecrash", "check"]
    command += [str(SERVERS / server), f"--only={only}", "--jobs=1", f"--report=json={report}"]
    done = subprocess.run(command, cwd=tree_root(), capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    rows = json.loads(report.read_text())["verdicts"]
    return done, {row["rule"]: (row["verdict"], (row["evidence"] or {}).get("reason", "")) for row in rows}


@pytest.mark.parametrize(
    ("refused", "server", "only", "unseen", "reason"),
    [
        pytest.param(
            "gates",
            "python/http_iterative.py",
            "ACC-01,ACC-02,ACC-07,ACC-08,RESP-01,RESP-11",
            {"ACC-07", "ACC-08", "RESP-11"},
            "gates are not available here: seccomp user notification: Operation not permitted",
            id="gates",
        ),
        pytest.param(
            "queues",
            "python/http_iterative.py",
            "ACC-01,ACC-04,ACC-07,ACC-14,RESP-01,RESP-02,LIFE-02",
            {"ACC-04", "ACC-07", "ACC-14", "LIFE-02"},
            "this machine does not tell of its sockets (NETLINK_SOCK_DIAG: [Errno 1] Operation not permitted)",
            id="queues",
        ),
        pytest.param(
            "queues",
            "python/udp_echo.py",
            "DGRAM-01,DGRAM-02,LIFE-07",
            {"LIFE-07"},
            "this machine does not tell of its sockets",
            id="queues-udp",
        ),
    ],
)
def test_the_rules_of_the_wire_hold_and_the_others_are_not_observable(
    tmp_path: Path, refused: str, server: str, only: str, unseen: set[str], reason: str
) -> None:
    done, verdicts = checked(tmp_path, refused, server, only)
    assert done.returncode == 0
    assert {rule for rule, (verdict, _) in verdicts.items() if verdict == "not_observable"} == unseen
    assert {rule for rule, (verdict, _) in verdicts.items() if verdict == "pass"} == set(only.split(",")) - unseen
    assert all(reason in said for rule, (_, said) in verdicts.items() if rule in unseen)
    assert reason in done.stdout


@pytest.mark.parametrize("refused", sorted(REFUSED))
def test_what_is_broken_on_the_wire_is_still_found(tmp_path: Path, refused: str) -> None:
    done, verdicts = checked(tmp_path, refused, "faulty/two_answers_for_404.py", "RESP")
    assert done.returncode == 1
    assert "fail" in {verdict for verdict, _ in verdicts.values()}


@pytest.mark.parametrize("refused", sorted(REFUSED))
def test_nothing_that_can_be_seen_is_no_conformance(tmp_path: Path, refused: str) -> None:
    done, _ = checked(tmp_path, refused, "python/http_iterative.py", "ACC-07")
    assert done.returncode == 5
    assert "was not judged" in done.stdout


@pytest.mark.parametrize("refused", sorted(REFUSED))
def test_the_doctor_says_what_is_refused(refused: str) -> None:
    command = [sys.executable, "-m", "tests.refusing", refused, sys.executable, "-P", "-m", "gatecrash", "doctor"]
    done = subprocess.run(command, cwd=tree_root(), capture_output=True, text=True, timeout=60, check=False)
    assert [line.split()[1] for line in done.stdout.splitlines() if line.split()[:1] == ["no"]] == [refused]
