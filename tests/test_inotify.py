"""A watch of files is given back to the next one, which hears nothing of what the one before was told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash.instruments import inotify
from gatecrash.instruments.inotify import Inotify


@pytest.fixture
def idle() -> Iterator[list[int]]:
    """Those that are kept: none at first."""
    while inotify._IDLE:
        os.close(inotify._IDLE.pop())
    yield inotify._IDLE
    while inotify._IDLE:
        os.close(inotify._IDLE.pop())


def told(watching: Inotify) -> list[str]:
    return [event.name for event in watching.events()]


def test_the_next_one_hears_its_own_folder_only(idle: list[int], tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    first = Inotify()
    first.watch(before, inotify.CREATED)
    (before / "unheard").touch()
    first.close()
    assert len(idle) == 1
    second = Inotify()
    assert idle == []
    number = second.watch(after, inotify.CREATED)
    (before / "nobody's").touch()
    (after / "heard").touch()
    assert [(event.watch, event.name) for event in second.events()] == [(number, "heard")]
    second.close()
    assert told(second) == []


def test_what_was_removed_meanwhile_is_no_error(idle: list[int], tmp_path: Path) -> None:
    watching = Inotify()
    watching.watch(tmp_path / "is not there", inotify.CREATED)
    gone = tmp_path / "gone"
    gone.mkdir()
    watching.watch(gone, inotify.REMOVED)
    gone.rmdir()
    watching.close()
    assert len(idle) == 1


#: In an interpreter of its own: one that has threads may be locked up by a fork (fork(2)).
FORKS = """
import os
from gatecrash.instruments import inotify
inotify.Inotify().close()
(kept,) = inotify._IDLE
if (pid := os.fork()) == 0:
    os._exit(0 if not inotify._IDLE and not os.path.exists(f"/proc/self/fd/{kept}") else 1)
assert os.waitpid(pid, 0)[1] == 0
assert os.readlink(f"/proc/self/fd/{kept}") == "anon_inode:inotify"
"""


def test_a_fork_leaves_those_that_are_kept_to_its_parent() -> None:
    subprocess.run([sys.executable, "-P", "-c", FORKS], check=True, timeout=60)
