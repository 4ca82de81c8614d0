"""Submissions that mean harm: each is judged, none does any, and nothing of it is left."""

from __future__ import annotations

import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gatecrash.engine.preparation import OpenTarget, SessionPool
from gatecrash.engine.profiles import profile
from gatecrash.engine.properties import properties
from gatecrash.engine.suite_run import try_property
from gatecrash.errors import TargetError
from gatecrash.model.confinement import Confinement
from gatecrash.model.scenario import scenario
from gatecrash.model.verdicts import Verdict
from gatecrash.protocols import ask
from tests.needs import need

_FOLDER = Path(__file__).parent / "submissions"
_SHARED = ("hostile.h", "hostile.py")
_SUBMISSIONS = sorted(path for path in _FOLDER.iterdir() if path.name not in (*_SHARED, "__pycache__"))
#: Small, so that a limit is soon hit.
_LIMITS = Confinement(
    memory=96,
    processes=64,
    cpu_seconds=1,
    file_size=8,
    disk=8,
    inodes=512,
    output=2,
    build_seconds=6,
    build_memory=300,
    build_disk=16,
)
_RULES = ("ACC-01", "RES-07")
_MOST_MEMORY = 200 << 10  # KiB that judging may take beside what this process has already
_SAID = {
    "memory": "MiB of memory, and wanted more",
    "processes": "processes, and wanted more|processes before any client came|processes, zombies included",
    "disk": "it could write 8 MiB|a file of it could have 8 MiB",
    "output": "it could print 2 MiB",
    "cpu": "processor time that it had",
}
_WORLD = ("/tmp", "/var/tmp", "/dev/shm", "/", "/usr", "/usr/local", "/etc", str(Path.home()))


@dataclass(frozen=True)
class Outside:
    """What it must not reach."""

    canary: Path
    service: socket.socket
    abstract: str


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    """A secret, a neighbour's submission, a service on the machine's loopback, and one in the abstract namespace."""
    need("arena")
    canary = tmp_path / "secrets" / "canary"
    canary.parent.mkdir()
    canary.write_text("nobody may read this")
    (tmp_path / "neighbour").mkdir()
    (tmp_path / "neighbour" / "server.c").write_text("a neighbour's")
    abstract = f"gatecrash-{uuid.uuid4()}"
    with socket.create_server(("127.0.0.1", 0)) as service, socket.socket(socket.AF_UNIX) as named:
        named.bind("\0" + abstract)
        named.listen()
        yield Outside(canary, service, abstract)


@pytest.fixture
def contract(tmp_path: Path, outside: Outside) -> str:
    """The course's, which names what the submissions are to look for."""
    contract = tmp_path / "course.toml"
    contract.write_text(
        f'[target]\nenv = {{ CANARY = "{outside.canary}", SERVICE = "{outside.service.getsockname()[1]}", '
        f'ABSTRACT = "{outside.abstract}" }}\n'
    )
    return str(contract)


@pytest.fixture
def run_folder() -> Iterator[Path]:
    """Of one run."""
    folder = SessionPool.new_folder()
    yield folder
    SessionPool.remove_folder(folder)
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("source", _SUBMISSIONS, ids=[path.stem for path in _SUBMISSIONS])
def test_it_is_judged_and_does_no_harm(
    source: Path, contract: str, run_folder: Path, outside: Outside, tmp_path: Path
) -> None:
    expected = _expected(source)
    submission = _handed_in(source, tmp_path)
    before = _files(submission.parent if submission.is_file() else submission)
    Path("/proc/self/clear_refs").write_text("5")  # the most memory is counted from here on (proc(5))
    at_first = _most_memory()
    mounts = Path("/proc/self/mountinfo").read_bytes()
    with SessionPool(
        run_folder, arena="namespace", contract=contract, sanitized=False, confinement=_LIMITS
    ) as session_pool:
        said = _judged(session_pool, submission)
    assert re.search(_SAID.get(expected.removeprefix("limit "), "."), said), said
    if expected == "serves":
        assert said == "ACC-01 pass, RES-07 pass, nothing got out"
    if expected == "build":
        assert said.startswith("not built: "), said
    assert "got out" not in said.replace("nothing got out", ""), said
    # Nothing of it is left, nothing was changed, and nobody who judges it needs much.
    assert not list(_living(str(run_folder)))
    assert _files(submission.parent if submission.is_file() else submission) == before
    assert Path("/proc/self/mountinfo").read_bytes() == mounts
    assert outside.canary.read_text() == "nobody may read this"
    there = [place for place in _WORLD if os.path.isdir(place)]
    assert not [name for place in there for name in os.listdir(place) if name.startswith("gatecrash-hostile")]
    outside.service.settimeout(0)
    with pytest.raises(BlockingIOError):
        outside.service.accept()
    assert _most_memory() < _MOST_MEMORY + at_first


def _most_memory() -> int:
    """KiB that this process had at most (proc(5), VmHWM)."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_there_is_a_zoo() -> None:
    assert len(_SUBMISSIONS) >= 50
    assert {_expected(path).split()[0] for path in _SUBMISSIONS} == {"serves", "limit", "build", "judged"}


def _expected(source: Path) -> str:
    """ "serves", "limit NAME", "build" or "judged", as its first lines say."""
    text = (source / "Makefile" if source.is_dir() else source).read_text()
    found = re.search(r"Expect: ([a-z ]+[a-z])", text)
    assert found, f"{source.name} does not say what is expected of it"
    return found[1]


def _handed_in(source: Path, tmp_path: Path) -> Path:
    """A folder as it comes, with what it shares with others; what is judged in there."""
    folder = tmp_path / "submission"
    folder.mkdir()
    for name in _SHARED:
        shutil.copy(_FOLDER / name, folder)
    if source.is_dir():
        shutil.copytree(source, folder, dirs_exist_ok=True)
        (folder / "hostile.py").unlink()
        return folder
    shutil.copy(source, folder)
    copy = folder / source.name
    if source.stem == "nested":
        copy.write_text(f"{copy.read_text()}\nx = {'-' * 4_000_000}1\n")
    return copy


def _judged(session_pool: SessionPool, submission: Path) -> str:
    """What is said of it: the verdicts and what it has got away with, or why there are none."""
    try:
        opened = session_pool.open(str(submission))
    except TargetError as error:
        built = "It says" not in str(error) and "listen" in str(error)
        return f"{'not started' if built else 'not built'}: {error}"
    assert opened is not None
    verdicts = [one for id in _RULES for one in _tried(opened, id)]
    told = ", ".join(f"{one.rule} {one.outcome}{f': {_why(one)}' if one.outcome != 'pass' else ''}" for one in verdicts)
    return f"{told}, {_got_away_with(opened)}"


def _why(verdict: Verdict) -> str:
    return str(verdict.finding.got if verdict.finding is not None else verdict.reason)


def _tried(opened: OpenTarget, rule: str) -> tuple[Verdict, ...]:
    one = next(one for one in properties() if one.rule == rule)
    return try_property(one, opened, "plain", profile("glance"))


def _got_away_with(opened: OpenTarget) -> str:
    try:
        transcript = opened.session.play(scenario(ask("A", opened.session.contract)))
    except TargetError as error:
        return f"not started again: {error}"
    answer = transcript.received("A")[:4096].decode(errors="replace")
    return answer.rpartition("\r\n\r\n")[2] if "Content-Length" in answer else "no page"


def _files(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        seen = path.lstat()
        found[str(path)] = (seen.st_mode, seen.st_size, seen.st_mtime_ns)
    return found


def _living(folder: str) -> Iterator[str]:
    """Processes of the machine that name this folder, or run in it."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            where = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            continue
        if folder in words or where.startswith(folder):
            yield f"{pid}: {words}"
