"""What a server does to its files on our requests is done to copies, and each start sees them as they were."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gatecrash.engine.session import Session
from gatecrash.errors import Unavailable
from gatecrash.model.contract import Contract
from gatecrash.model.launch import Launch
from gatecrash.model.scenario import Connect, Receive, Restart, Scenario, Send, scenario
from gatecrash.paths import tree_root
from gatecrash.sandbox import shelter
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.overlays import UNMAPPED, refuse_unmapped
from gatecrash.sandbox.shelter import FolderCopy
from tests.needs import need
from tests.sessions import ITERATIVE

#: Obeys one word a connection: writes a file by a path, removes it, reads it, lists a folder.
OBEYS = """
import pathlib
def serve(client):
    word, _, name = client.recv(4096).decode().strip().partition(" ")
    path = pathlib.Path(name.replace("HERE", os.path.dirname(os.path.abspath(__file__))))
    try:
        said = {"write": lambda: path.write_text("written"), "remove": path.unlink, "read": path.read_text,
                "list": lambda: sorted(os.listdir(path)), "mode": lambda: oct(path.stat().st_mode)}[word]()
    except OSError as error:
        said = type(error).__name__
    client.sendall(f"{said}\\n".encode())
    client.close()
main(serve)
"""
KINDS = ["auto", "loopback"]


def asks(*words: str) -> Scenario:
    names = [f"A{number}" for number in range(len(words))]
    pairs = zip(names, words, strict=True)
    return scenario(*((Connect(name), Send(name, word.encode() + b"\n"), Receive(name)) for name, word in pairs))


def told(session: Session, *words: str, fresh: bool = False) -> list[str]:
    """What the server says to these words, each of a client of its own."""
    transcript = session.play(asks(*words), fresh=fresh)
    return [transcript.received(f"A{number}").decode().strip() for number in range(len(words))]


@contextmanager
def sheltered(folder: Path, room: Path, kind: str) -> Iterator[Session]:
    folder.mkdir(exist_ok=True)
    room.mkdir(exist_ok=True)
    program = folder / "server.py"
    program.write_text(ITERATIVE + OBEYS)
    (folder / "page").write_text("page")
    (folder / "pages").mkdir(exist_ok=True)
    (folder / "pages" / "deep").write_text("deep")
    launch = Launch((sys.executable, "-I", "-S", str(program), "{port}"), folder, room=room)
    with Session({"plain": launch}, Contract(protocol="none"), arena=kind) as session:
        yield session


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["", "HERE/"], ids=["from its folder", "from its source"])
def test_what_is_written_and_removed_is_gone_at_the_next_start(tmp_path: Path, kind: str, where: str) -> None:
    with sheltered(tmp_path / "work", tmp_path / "room", kind) as session:
        before = contents(tmp_path / "work")
        request = [
            f"{wish} {where}{name}" for wish, name in (("write", "page"), ("write", "new"), ("remove", "pages/deep"))
        ]
        assert told(session, *request, f"read {where}page", f"list {where}pages") == ["7", "7", "None", "written", "[]"]
        assert told(session, f"read {where}new") == ["written"], "the same server keeps what it has written"
        assert contents(tmp_path / "work") == before
        again = told(session, f"read {where}page", f"read {where}new", f"list {where}pages", fresh=True)
        assert again == ["page", "FileNotFoundError", "['deep']"]
    assert contents(tmp_path / "work") == before
    assert not list((tmp_path / "room").iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_started_again_within_a_scenario_finds_what_it_left(tmp_path: Path, kind: str) -> None:
    with sheltered(tmp_path / "work", tmp_path / "room", kind) as session:
        played = scenario(asks("write left").steps, Restart(), Connect("Z"), Send("Z", b"read left\n"), Receive("Z"))
        assert session.play(played, fresh=True).received("Z").decode().strip() == "written"


def test_the_folder_keeps_its_mode_and_its_path(tmp_path: Path) -> None:
    folder = tmp_path / "a, b:c=d"
    folder.mkdir()
    folder.chmod(0o751)
    with sheltered(folder, tmp_path / "room", "auto") as session:
        assert told(session, "mode .") == ["0o40751"]
        if session.arena.kind == "namespace":
            assert told(session, f"read {folder}/page") == ["page"]
            assert session.shelter.note == ""


def test_where_it_runs_below_the_runs_own_folder_is_its_room(tmp_path: Path) -> None:
    """Sanitizers write their reports into the run's folder, which may lie in the folder where a server runs."""
    with sheltered(tmp_path, tmp_path / "room", "auto") as session:
        if session.arena.kind != "namespace":
            pytest.skip("no namespaces here")
        told(session, "write room/report", "write page")
    assert (tmp_path / "room" / "report").read_text() == "written"
    assert (tmp_path / "page").read_text() == "page"


def test_the_home_of_its_user_is_covered_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "notes").write_text("mine")
    monkeypatch.setenv("HOME", str(home))
    with sheltered(tmp_path / "work", tmp_path / "room", "auto") as session:
        if session.arena.kind != "namespace":
            pytest.skip("no namespaces here")
        assert told(session, f"write {home}/notes", f"read {home}/notes") == ["7", "written"]
    assert (home / "notes").read_text() == "mine"


def test_where_overlays_are_refused_the_folder_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Arena, "cover", lambda _, folders, kept: dict.fromkeys(map(str, folders), "no"))
    with sheltered(tmp_path / "work", tmp_path / "room", "auto") as session:
        assert session.shelter.note == f"It runs in a copy of {tmp_path}/work: what it writes there is thrown away."
        assert told(session, "write page", "read HERE/page") == ["7", "written"]
    assert (tmp_path / "work" / "page").read_text() == "page"


def test_a_folder_that_is_too_large_is_used_as_it_is_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelter, "_MOST_ENTRIES", 2)
    with sheltered(tmp_path / "work", tmp_path / "room", "loopback") as session:
        assert session.shelter.note == (
            f"It runs in {tmp_path}/work itself, and what it writes there stays: it is too large to be copied."
        )
        assert told(session, "write page") == ["7"]
    assert (tmp_path / "work" / "page").read_text() == "written"


def test_a_copy_leads_where_the_folder_does(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    for path in (folder / "pages", folder / ".git", folder / "env" / "bin", elsewhere):
        path.mkdir(parents=True)
    (folder / "env" / "pyvenv.cfg").write_text("")
    (folder / "page").write_text("page")
    (folder / "within").symlink_to("page")
    (folder / "to_itself").symlink_to(folder / "pages")
    (folder / "out").symlink_to("../elsewhere")
    os.mkfifo(folder / "pipe")
    room = tmp_path / "room"
    room.mkdir()
    copy = FolderCopy(folder, room, leave_out=tmp_path / "none")
    top = copy.launch(Launch((str(folder / "env" / "bin" / "python"), str(folder / "page"), "/etc/hosts"), folder))
    assert top.cwd == room / "work"
    assert top.argv[1:] == (str(room / "work" / "page"), "/etc/hosts")
    assert (top.cwd / "env").resolve() == folder / "env"
    assert (top.cwd / ".git").resolve() == folder / ".git"
    assert (top.cwd / "within").resolve() == top.cwd / "page"
    assert (top.cwd / "to_itself").resolve() == top.cwd / "pages"
    assert (top.cwd / "out").resolve() == elsewhere
    assert not (top.cwd / "pipe").exists()


def test_a_copy_is_made_anew_only_after_a_change(tmp_path: Path) -> None:
    folder, room = tmp_path / "work", tmp_path / "room"
    folder.mkdir()
    room.mkdir()
    (folder / "page").write_text("page")
    copy = FolderCopy(folder, room, leave_out=room)
    page = room / "work" / "page"
    number = page.stat().st_ino
    copy.renew()
    assert page.stat().st_ino == number
    (room / "work" / "log").write_text("new")
    page.unlink()
    copy.renew()
    assert contents(room / "work") == {"page": b"page"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_file_whose_group_a_namespace_has_no_number_for_is_not_covered(tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.write_text("page")
    refuse_unmapped(str(tmp_path))
    os.chown(page, -1, UNMAPPED)
    with pytest.raises(OSError, match="too large"):
        refuse_unmapped(str(tmp_path))


def test_nothing_is_covered_on_the_shared_loopback(tmp_path: Path) -> None:
    with Arena.open(kind="loopback") as arena, pytest.raises(Unavailable):
        arena.cover([tmp_path], [])


def test_a_run_of_the_command_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    text = (tree_root() / "servers" / "python" / "http_thread.py").read_text()
    (tmp_path / "server.py").write_text(f"open('server.log', 'w').close()\n{text}")
    command = [sys.executable, "-P", "-m", "gatecrash", "check", "server.py", "--only", "ACC-01,RESP-02"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["server.py"]


def test_what_programs_leave_in_the_folders_for_all_is_in_no_other_arena(tmp_path: Path) -> None:
    need("arena")
    name = f"/tmp/gatecrash-test-{os.getpid()}.lock"
    with sheltered(tmp_path / "one", tmp_path / "room", "auto") as one:
        with sheltered(tmp_path / "two", tmp_path / "room", "auto") as two:
            assert told(one, f"write {name}", f"read {name}") == ["7", "written"]
            assert told(two, f"read {name}") == ["FileNotFoundError"]
        assert not Path(name).exists()
        assert told(one, f"read {name}", fresh=True) == ["FileNotFoundError"]
