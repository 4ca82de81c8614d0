"""The number of workers follows what this process may use, and they find done what need be done only once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatecrash.engine.cpu_quota import default_workers, quota, workers_for
from gatecrash.paths import tree_root

_WARMED_UP = """
import sys
from pathlib import Path
from gatecrash.engine.properties import properties
from gatecrash.engine.worker_pool import warm_up
properties()
warm_up(Path(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("processors", "limit", "expected"),
    [(1, None, 2), (2, None, 3), (8, None, 12), (8, 2.0, 3), (8, 0.5, 1), (2, 16.0, 3)],
)
def test_workers_follow_the_quota_and_not_the_host(processors: int, limit: float | None, expected: int) -> None:
    assert workers_for(processors, limit) == expected


def groups(folder: Path, own: str, files: dict[str, str]) -> tuple[Path, Path]:
    """A control group file system with these files, and what /proc/self/cgroup says."""
    for name, text in files.items():
        path = folder / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "self").write_text(own)
    return folder / "sys", folder / "self"


def test_a_container_sees_its_quota_at_the_root(tmp_path: Path) -> None:
    assert quota(*groups(tmp_path, "0::/\n", {"cpu.max": "150000 100000\n"})) == 1.5


def test_the_tightest_group_above_us_counts(tmp_path: Path) -> None:
    files = {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "max 100000\n"}
    assert quota(*groups(tmp_path, "0::/a/b\n", files)) == 0.5


def test_version_1_has_two_files(tmp_path: Path) -> None:
    files = {"cpu/x/cpu.cfs_quota_us": "400000\n", "cpu/x/cpu.cfs_period_us": "100000\n"}
    assert quota(*groups(tmp_path, "4:cpu,cpuacct:/x\n3:memory:/y\n", files)) == 4.0


@pytest.mark.parametrize(
    "files", [{}, {"cpu.max": "max 100000\n"}, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}]
)
def test_without_a_quota_there_is_none(tmp_path: Path, files: dict[str, str]) -> None:
    assert quota(*groups(tmp_path, "0::/\n", files)) is None


def test_this_machine_gets_at_least_one_worker() -> None:
    assert default_workers() >= 1


def test_no_source_of_ours_is_read_before_the_workers_are_forked(tmp_path: Path) -> None:
    """Hypothesis keeps what it found in each, and would take half a second for ours: nothing of it is ever drawn."""
    environment = {name: value for name, value in os.environ.items() if name != "HYPOTHESIS_STORAGE_DIRECTORY"}
    command = (sys.executable, "-c", _WARMED_UP, tmp_path)
    subprocess.run(command, cwd=tree_root(), env=environment, check=True)
    assert not (tmp_path / "hypothesis" / "constants").exists()
