"""Servers that could keep a tester busy for ever, or fill its memory: a check of each ends, and stays small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "awkward"
MOST_MEMORY = 300  # MiB of one process of ours
#: Runs the command, and prints how large the largest of its processes came to be, in MiB (getrusage(2)).
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.iterdir()))
def test_a_check_of_it_ends_and_stays_small(name: str, tmp_path: Path) -> None:
    """The guard against a hang is ten times what is asked for."""
    report = tmp_path / "report.json"
    command = [sys.executable, "-P", "-m", "gatecrash", "check", str(FOLDER / name), "--max-time=12", "--jobs=1"]
    told = subprocess.run(
        [sys.executable, "-c", MEASURE, *command, f"--report=json={report}"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    code, mebibytes = map(int, told.stdout.split())
    found = json.loads(report.read_text())
    assert found["fault"] is None
    assert code in (1, 5), "too little time to say that it conforms"
    assert mebibytes < MOST_MEMORY
    reasons = {row["rule"]: str((row["evidence"] or {}).get("reason")) for row in found["verdicts"]}
    untried = [row for row in found["verdicts"] if reasons[row["rule"]].startswith("not tried")]
    assert untried or code == 1, "all was tried in time, and nothing was broken"
    assert all(row["verdict"] == "inconclusive" for row in untried)
