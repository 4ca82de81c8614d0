"""Builds of a program that nobody trusts: what goes in, what comes out, and what its sanitizers report."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.profiles import profile
from gatecrash.engine.properties import properties
from gatecrash.engine.suite_run import try_property
from gatecrash.errors import TargetError, UsageError
from gatecrash.model.confinement import Confinement
from gatecrash.paths import tree_root
from gatecrash.sandbox.trees import Room, TooMuch, add_written, copy_tree
from gatecrash.target.sanitizers import new_reports, sanitizer_environment
from gatecrash.target.workshop import Workshop
from tests.needs import need

_SERVERS = tree_root() / "servers"


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    need("arena")
    folder = tmp_path / "run"
    folder.mkdir()
    return Workshop(folder, Confinement(build_seconds=20, build_disk=8), "namespace")


@pytest.fixture
def moved(workshop: Workshop, tmp_path: Path) -> Path:
    """A submission's copy."""
    submission = tmp_path / "kim"
    submission.mkdir()
    (submission / "notes.txt").write_text("mine")
    return workshop.move_in(submission)


def test_what_a_build_leaves_is_brought_out_and_links_stay_within(workshop: Workshop, moved: Path) -> None:
    command = (
        "mkdir d; echo made > d/made; rm notes.txt; ln -s made d/near; ln -s /etc/passwd far; ln -s ../.. up; mkfifo f"
    )
    status, output = workshop.run(["/bin/sh", "-c", f"{command}; chmod 4777 d/made; cat"], cwd=moved)
    assert (status, output) == (0, "")
    found = {str(path.relative_to(moved)): path.lstat().st_mode for path in moved.rglob("*")}
    assert sorted(found) == ["d", "d/made", "d/near"]
    assert stat.S_IMODE(found["d/made"]) & (stat.S_ISUID | stat.S_ISGID) == 0
    assert (moved / "d" / "made").read_text() == "made\n"
    assert os.readlink(moved / "d" / "near") == "made"


def test_a_build_sees_what_the_one_before_has_left(workshop: Workshop, moved: Path) -> None:
    workshop.run(["/bin/sh", "-c", "echo one > made"], cwd=moved)
    assert workshop.run(["/bin/sh", "-c", "cat made notes.txt; echo two >> made"], cwd=moved) == (0, "one\nmine")
    assert (moved / "made").read_text() == "one\ntwo\n"


def test_a_build_that_leaves_more_than_it_may_is_told_so(workshop: Workshop, moved: Path) -> None:
    with pytest.raises(TargetError, match="8 MiB"):
        workshop.run(["/bin/sh", "-c", "truncate -s 6M a; truncate -s 6M b"], cwd=moved)


def test_a_build_has_nothing_of_our_environment(
    workshop: Workshop, moved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "a secret")
    _, output = workshop.run(["/usr/bin/env"], cwd=moved, environment={**os.environ, "CFLAGS": "-g"})
    assert "a secret" not in output
    assert {"CFLAGS=-g", "HOME=/tmp"} <= set(output.splitlines())


def test_only_files_and_folders_are_copied(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    (source / "d").mkdir(parents=True)
    (source / "d" / "file").write_text("text")
    os.mkfifo(source / "fifo")
    (source / "out").symlink_to("/etc/passwd")
    (source / "d" / "up").symlink_to("../../x")
    (source / "near").symlink_to("d/file")
    (source / "d" / "back").symlink_to("../d/file")
    (source / "here").symlink_to(".")
    (source / "above").symlink_to("here/..")  # its words stay within, and it does not
    copy_tree(source, copy, Room(100, 100))
    assert sorted(str(path.relative_to(copy)) for path in copy.rglob("*")) == [
        *("d", "d/back", "d/file", "here", "near")
    ]
    assert (copy / "near").read_text() == "text"


@pytest.mark.parametrize("room", [Room(3, 100), Room(100, 1)], ids=["bytes", "entries"])
def test_no_more_is_copied_than_there_is_room_for(tmp_path: Path, room: Room) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in "ab":
        (source / name).write_text("xx")
    with pytest.raises(TooMuch):
        copy_tree(source, tmp_path / "copy", room)


def test_folders_in_folders_have_an_end(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.joinpath(*["d"] * 60).mkdir(parents=True)
    copy.mkdir()
    written = os.open(source, os.O_RDONLY)
    try:
        with pytest.raises(TooMuch):
            add_written(written, copy, Room(100, 100))
    finally:
        os.close(written)


def test_what_is_no_file_is_not_read_as_a_report(tmp_path: Path) -> None:
    environment = sanitizer_environment(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("==1==ERROR: AddressSanitizer: heap-buffer-overflow")
    os.mkfifo(tmp_path / "report.1")
    (tmp_path / "report.2").symlink_to(secret)
    (tmp_path / "report.3").mkdir()
    with (tmp_path / "report.4").open("wb") as huge:
        huge.truncate(1 << 40)
    assert new_reports(environment, 0) == []
    assert secret.read_text().startswith("==1==")


@pytest.fixture
def session_pool(tmp_path: Path) -> Iterator[SessionPool]:
    need("arena")
    (tmp_path / "run").mkdir()
    with SessionPool(tmp_path / "run", arena="namespace", confinement=Confinement()) as opened:
        yield opened


@pytest.mark.slow
def test_a_memory_error_is_reported_out_of_a_confined_arena(session_pool: SessionPool, tmp_path: Path) -> None:
    folder = tmp_path / "with spaces, 'quotes' and 한글"
    folder.mkdir()
    shutil.copy(_SERVERS / "faulty" / "buffer_off_by_one.c", folder / "server.c")
    (folder / "Makefile").write_text("server: server.c\n\t$(CC) -O1 -g -pthread -o server server.c\n")
    opened = session_pool.open(str(folder), "sanitized")
    assert opened is not None, "it has a build with the sanitizers"
    one = next(one for one in properties() if one.rule == "MEM-01")
    verdicts = try_property(one, opened, "sanitized", profile("matrix"))
    assert [verdict.outcome for verdict in verdicts if verdict.rule == "MEM-01"] == ["fail"]
    assert sorted(os.listdir(folder)) == ["Makefile", "server.c"], "nothing is built where it was handed in"


def test_its_source_is_named_as_it_was_handed_in(session_pool: SessionPool, tmp_path: Path) -> None:
    source = tmp_path / "server.py"
    shutil.copy(_SERVERS / "python" / "http_iterative.py", source)
    assert session_pool.prepare(str(source)).source == str(source)


def test_only_files_and_folders_are_judged_confined(session_pool: SessionPool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "server.c")
    (tmp_path / "link.c").symlink_to("/etc/passwd")
    for target in ("127.0.0.1:80", str(tmp_path / "server.c"), str(tmp_path / "link.c")):
        with pytest.raises(UsageError, match="neither a file nor a folder"):
            session_pool.prepare(target)
