"""What cannot be written, started or waited for costs no student a point, and one sentence says what to do."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from gatecrash.errors import Unwritable, UsageError
from gatecrash.grading import judge as judging_process
from gatecrash.grading.class_run import scratch_of
from gatecrash.grading.judges import JudgesGone, LocalJudges
from gatecrash.grading.judging import judge
from gatecrash.grading.state import State, kept_or_told
from gatecrash.grading.work import Course, Judged, Work, packed
from gatecrash.model.confinement import Confinement
from gatecrash.target.workshop import Workshop

_GOES_ON = "What was judged so far is kept, and the same command goes on."


def _work(folder: Path, contract: str | None = None) -> Work:
    (folder / "ada").mkdir()
    (folder / "ada" / "server.c").write_text("int main(void) { return 0; }\n")
    return Work("ada", (str(folder / "ada"),), Course(contract), ("ACC-01",))


def _full(*_: object, **__: object) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _room(folder: Path) -> Path:
    room = folder / "scratch" / "work"
    room.mkdir(parents=True)
    return room


@pytest.mark.parametrize("where", ["grading.unpacking.open", "sandbox.trees._make_folder"])
def test_a_full_disk_is_no_students_fault_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(f"gatecrash.{where}", _full, raising=False)
    judged = judge(_work(tmp_path), _room(tmp_path))
    assert (judged.record, judged.ours) == (None, True)
    assert judged.why == (
        f"{tmp_path} cannot be written: No space left on device. Make room there, or name another folder with TMPDIR. "
        f"{_GOES_ON}"
    )


def test_a_submission_that_finds_no_room_to_be_copied_to_is_not_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatecrash.target.workshop.copy_tree", _full)
    with pytest.raises(OSError, match="No space left"):
        Workshop(tmp_path, Confinement()).move_in(Path(_work(tmp_path).sources[0]))


def test_a_folder_for_what_is_unpacked_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with State(tmp_path) as state, pytest.raises(Unwritable, match=r"gone/\S+ cannot be written: No such file"):
        scratch_of(state)


def test_a_state_that_can_grow_no_more_is_said_in_a_sentence(tmp_path: Path) -> None:
    with State(tmp_path) as state:
        state._database.execute("pragma max_page_count = 1")
        with pytest.raises(Unwritable) as told, kept_or_told(tmp_path):
            state.set_meta("scheme", "x" * 100_000)
    path = tmp_path / "grade.sqlite"
    assert str(told.value) == f"{path} cannot be written: database or disk is full. {_GOES_ON}"


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        ({}, "incomplete input"),
        ({"f_bavail": 0}, "No space left on device"),
        ({"f_favail": 0}, "No space left on device"),
        ({"f_bavail": 0, "f_blocks": 0, "f_files": 0, "f_favail": 0}, "incomplete input"),
    ],
)
def test_a_disk_that_is_full_at_the_start_is_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: dict[str, int], reason: str
) -> None:
    room = {"f_blocks": 1 << 20, "f_bavail": 1 << 20, "f_frsize": 4096, "f_files": 1 << 20, "f_favail": 1 << 20}
    monkeypatch.setattr("gatecrash.grading.state._TABLES", "create table")
    monkeypatch.setattr("gatecrash.paths.os.statvfs", lambda _: SimpleNamespace(**room | left))
    with pytest.raises(UsageError) as told:
        State(tmp_path)
    assert str(told.value) == f"{tmp_path / 'grade.sqlite'} cannot be used: {reason}. Name another --output."


def test_what_is_no_database_of_ours_is_called_that_on_a_full_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "grade.sqlite").write_text("no database " * 100)
    monkeypatch.setattr("gatecrash.grading.state.has_room", lambda _: False)
    with pytest.raises(UsageError, match="file is not a database"):
        State(tmp_path)


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/python"])
def test_judges_that_cannot_be_started_end_the_command_and_no_submission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    works = [replace(_work(tmp_path), id=id) for id in ("ada",)] * 5
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(JudgesGone, match=r"no process that judges can be started: .* the same command goes on\."):
        list(LocalJudges(2, tmp_path).results(iter(works)))


def test_judges_without_room_say_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatecrash.grading.judges.Judge", _full)
    monkeypatch.setattr("gatecrash.grading.judges.tempfile.TemporaryFile", _full)
    with pytest.raises(JudgesGone, match="cannot be written: No space left on device"):
        list(LocalJudges(1, tmp_path).results(iter([_work(tmp_path)])))


def _asleep(work: Work, room: Path) -> Judged:
    time.sleep(600)
    return Judged(work.id)


def test_whoever_takes_longer_than_all_limits_together_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging_process, "judge", _asleep)
    monkeypatch.setattr(judging_process, "BESIDE_THE_RUN", 0.5)
    work = replace(_work(tmp_path), course=Course(seconds=0.0))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        judged = judging_process._judged_apart(work, tmp_path, theirs)
    assert judged == Judged("ada", why="it took more than 0.5 s in all", ours=True)


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ("most_files = 3", "It holds more than 3 files and folders, which is the most."),
        ("most_mib = 1", "It is larger than 1 MiB, which is the most."),
    ],
)
def test_the_contract_says_how_large_a_submission_may_be(tmp_path: Path, bound: str, said: str) -> None:
    work = _work(tmp_path, f"[submission]\n{bound}\n")
    for number in range(3):
        (tmp_path / "ada" / f"data{number}").write_bytes(bytes(1 << 19))
    here = judge(work, _room(tmp_path))
    sent = judge(replace(work, sources=(), packed=packed((tmp_path / "ada",))), _room(tmp_path / "other"))
    for judged in (here, sent):
        assert judged.record is not None
        assert judged.record["prepared"]["error"] == said
