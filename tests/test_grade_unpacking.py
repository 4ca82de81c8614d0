"""What strangers packed is put into one folder, and nothing of it anywhere else."""

from __future__ import annotations

import gzip
import io
import os
import resource
import signal
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gatecrash.grading import judging
from gatecrash.grading.judging import little_memory
from gatecrash.grading.unpacking import Bounds, NotTaken, Refused, unpack
from gatecrash.grading.work import Course, Work

_SMALL = Bounds(most_bytes=1 << 20, most_entries=50)


def _zip(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def _tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def _link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


def _all(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*"))


def _unpack(source: Path, bounds: Bounds = _SMALL) -> tuple[Path, tuple[str, ...]]:
    folder = source.parent / "unpacked"
    notes = unpack((source,), folder, bounds)
    return folder, notes


def test_a_zip_and_a_tar_are_unpacked(tmp_path: Path) -> None:
    zipped = _zip(tmp_path / "a.zip", ("hw/", b""), ("hw/server.c", b"int main;"))
    tarred = _tar(tmp_path / "b.tgz", (tarfile.TarInfo("hw/server.c"), b"int main;"))
    for number, source in enumerate((zipped, tarred)):
        folder = tmp_path / f"unpacked-{number}"
        assert unpack((source,), folder, _SMALL) == ()
        assert (folder / "hw" / "server.c").read_bytes() == b"int main;"


def test_an_archive_that_is_all_a_folder_holds_is_unpacked_too(tmp_path: Path) -> None:
    (tmp_path / "ada").mkdir()
    _zip(tmp_path / "ada" / "handin.zip", ("server.c", b"x"))
    folder, _ = _unpack(tmp_path / "ada")
    assert _all(folder) == ["server.c"]


@pytest.mark.parametrize("name", ["../evil.c", "/etc/evil.c", "a/../../evil.c", "..\\evil.c", "\\evil.c"])
def test_a_path_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "deep" / "er"
    inner.mkdir(parents=True)
    with pytest.raises(Refused, match="leads out of its folder"):
        _unpack(_zip(inner / "a.zip", (zipfile.ZipInfo(name), b"x")))
    assert list(tmp_path.rglob("evil.c")) == []


def test_links_and_devices_are_left_out_and_said(tmp_path: Path) -> None:
    device = tarfile.TarInfo("null")
    device.type = tarfile.CHRTYPE
    source = _tar(
        tmp_path / "a.tar.gz",
        (_link("passwd", "/etc/passwd"), b""),
        (_link("hard", "/etc/passwd", tarfile.LNKTYPE), b""),
        (device, b""),
        (_link("folder", "/tmp"), b""),
        (tarfile.TarInfo("folder/inside.c"), b"x"),
    )
    folder, notes = _unpack(source)
    assert _all(folder) == ["folder", "folder/inside.c"]
    assert len(notes) == 4
    assert "passwd is a link" in notes[0]


def test_links_in_a_zip_and_in_a_folder_are_left_out(tmp_path: Path) -> None:
    linked = zipfile.ZipInfo("passwd")
    linked.external_attr = (0o120777) << 16
    folder, notes = _unpack(_zip(tmp_path / "a.zip", (linked, b"/etc/passwd"), ("s.c", b"x")))
    assert (_all(folder), len(notes)) == (["s.c"], 1)
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "s.c").write_text("x")
    (tmp_path / "ada" / "etc").symlink_to("/etc")
    (tmp_path / "ada" / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "ada" / "pipe")
    again = tmp_path / "again"
    assert len(unpack((tmp_path / "ada",), again, _SMALL)) == 3
    assert _all(again) == ["s.c"]


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ((_link("server.c", "/etc/passwd"), _link("hw/b.c", "a.c", tarfile.LNKTYPE)), "hw/b.c is a link, and was left"),
        ((tarfile.TarInfo("gatecrash.toml"),), "Its own gatecrash.toml was left out: the course's counts"),
        ((tarfile.TarInfo(".git/HEAD"), tarfile.TarInfo("__MACOSX/._a")), ".git was left out. __MACOSX was left out"),
    ],
)
def test_an_archive_of_which_nothing_is_taken_is_not_called_empty(
    tmp_path: Path, held: tuple[tarfile.TarInfo, ...], said: str
) -> None:
    source = _tar(tmp_path / "a.tgz", *((one, b"") for one in held))
    (tmp_path / "room").mkdir()
    judged = judging.judge(Work("ada", (str(source),), Course()), tmp_path / "room")
    assert judged.record is not None
    told = judged.record["prepared"]["error"]
    assert told.startswith("No source of a server was handed in: it holds nothing else than this. ")
    assert said in told
    assert told.endswith(("left out.", "counts."))


def test_what_is_passed_over_is_said_only_where_nothing_else_is_there(tmp_path: Path) -> None:
    source = _tar(tmp_path / "a.tgz", (tarfile.TarInfo(".git/HEAD"), b""), (tarfile.TarInfo("s.c"), b"x"))
    assert _unpack(source)[1] == ()


def _bomb(path: Path) -> Path:
    return _zip(path / "bomb.zip", ("zeros", bytes(64 << 20)))


def _gzip_bomb(path: Path) -> Path:
    return _tar(path / "bomb.tgz", (tarfile.TarInfo("zeros"), bytes(64 << 20)))


def _many(path: Path) -> Path:
    return _zip(path / "many.zip", *((f"{number}.c", b"") for number in range(100)))


def _huge_header(path: Path) -> Path:
    """A pax header that says it is as long as 8 GiB of zeros, which compress well."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, (8 << 30) - 1
    bomb = path / "header.tgz"
    with gzip.open(bomb, "wb", compresslevel=1) as file:
        file.write(member.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(64):
            file.write(bytes(1 << 20))
    return bomb


@pytest.mark.parametrize(
    ("make", "said"),
    [(_bomb, "larger than 1 MiB"), (_gzip_bomb, "larger than 1 MiB"), (_many, "more than 50 files")],
)
def test_a_bomb_is_given_up_at_the_bound(tmp_path: Path, make: Callable[[Path], Path], said: str) -> None:
    with pytest.raises(Refused, match=said):
        _unpack(make(tmp_path))
    written = sum(one.stat().st_size for one in (tmp_path / "unpacked").rglob("*") if one.is_file())
    assert written <= _SMALL.most_bytes


def test_a_header_that_is_a_bomb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be unpacked"):
        _unpack(_huge_header(tmp_path))


def _encrypted(path: Path) -> Path:
    archive = _zip(path, ("s.c", b"secret"))
    data = bytearray(archive.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    archive.write_bytes(data)
    return archive


def test_what_is_no_archive_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "words.zip").write_text("not a zip")
    (tmp_path / "words.tgz").write_text("not a tar")
    (tmp_path / "cut.zip").write_bytes(_zip(tmp_path / "whole.zip", ("s.c", b"x" * 9999)).read_bytes()[:60])
    for number, source in enumerate(
        (*map(tmp_path.joinpath, ("words.zip", "words.tgz", "cut.zip")), _encrypted(tmp_path / "e.zip"))
    ):
        with pytest.raises(Refused, match="cannot be unpacked"):
            unpack((source,), tmp_path / str(number), _SMALL)


def test_an_encrypted_archive_is_called_that(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"It cannot be unpacked: it is encrypted\.$"):
        _unpack(_encrypted(tmp_path / "e.zip"))


def test_a_file_where_a_folder_is_and_a_name_that_is_too_long_are_refused(tmp_path: Path) -> None:
    for number, names in enumerate((("a", "a/b"), ("x" * 300,))):
        source = _zip(tmp_path / f"{number}.zip", *((name, b"x") for name in names))
        with pytest.raises(Refused, match="cannot be unpacked"):
            unpack((source,), tmp_path / f"unpacked-{number}", _SMALL)


def test_what_cannot_be_read_and_a_disk_that_is_full_are_no_students_fault(tmp_path: Path) -> None:
    with pytest.raises(NotTaken, match="No such file"):
        unpack((tmp_path / "gone",), tmp_path / "out", _SMALL)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "server.c").write_bytes(b"x" * 4096)
    said = _in_a_child(lambda: unpack((tmp_path / "one",), tmp_path / "full", _SMALL))
    assert said == "NotTaken"


def _in_a_child(act: Callable[[], object]) -> str:
    """The name of what it raises where a file may have 1024 bytes (setrlimit(2))."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
            act()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told, and the child ends
            os.write(theirs, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    with open(ours, "rb") as told:
        return told.read().decode()


def test_a_fault_of_ours_is_told_by_its_first_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> None:
        raise ZeroDivisionError("x" * 10 + "y" * 3000)  # what is kept of a traceback begins anywhere

    monkeypatch.setattr(judging, "unpack", wrong)
    room = tmp_path / "room"
    room.mkdir()
    judged = judging.judge(Work("ada", (str(tmp_path),), Course()), room)
    assert judged.why.startswith("Gatecrash itself failed: ZeroDivisionError: xxx")
    assert judged.ours


def test_its_own_contract_does_not_count(tmp_path: Path) -> None:
    folder, notes = _unpack(_zip(tmp_path / "a.zip", ("s.c", b"x"), ("gatecrash.toml", b"[contract]")))
    assert _all(folder) == ["s.c"]
    assert "the course's counts" in notes[0]


def test_no_file_keeps_a_mode_that_matters(tmp_path: Path) -> None:
    member = tarfile.TarInfo("run")
    member.mode = 0o6777
    plain = tarfile.TarInfo("s.c")
    plain.mode = 0o000
    folder, _ = _unpack(_tar(tmp_path / "a.tgz", (member, b"x"), (plain, b"x")))
    assert [(one.name, oct(one.stat().st_mode & 0o7777)) for one in sorted(folder.iterdir())] == [
        ("run", "0o755"),
        ("s.c", "0o644"),
    ]


def test_names_of_any_script_and_line_ends_are_kept(tmp_path: Path) -> None:
    names = ["서버.c", "a b.c", "new\nline.c", 'quo"te.c']
    folder, _ = _unpack(_zip(tmp_path / "a.zip", *((name, b"x") for name in names)))
    assert _all(folder) == sorted(names)


def test_what_an_archive_may_ask_for_is_bounded() -> None:
    with pytest.raises(MemoryError), little_memory():
        bytearray(1 << 30)
    assert len(bytearray(1 << 20)) == 1 << 20
