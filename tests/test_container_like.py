"""In a container's usual profile, as root and as anybody, the tests pass, and what cannot run there is skipped by name.

A part of them is run there: the instruments, and the suites on two reference servers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gatecrash.paths import tree_root
from tests.container_like import CANNOT_BE_MADE
from tests.needs import need

ROOT = tree_root()
NOBODY = 65534
INSTRUMENTS = [f"tests/test_{name}.py" for name in ("arena", "gates", "borrowing", "census", "quiescence", "target")]
#: A glance: each rule of these two servers is looked for as long as a user would elsewhere, on this very machine; here
#: the question is what a container does to it, which two examples show as twenty do.
SUITES = ["suites", "--profile=glance", "-k", "c-http_fork] or python-udp_echo]"]
#: What environment variables name: nobody may write into those of whoever runs the tests. Bytecode need only be read.
_FOLDERS = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "HYPOTHESIS_STORAGE_DIRECTORY")


@dataclass(frozen=True)
class Somebody:
    """Who runs the tests: as whom, with which interpreter, in which folder of his own."""

    folder: Path
    python: str
    options: dict[str, object] = field(default_factory=dict)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`python ARGUMENTS` on a machine like a container."""
        here = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        here.pop("PYTHONDONTWRITEBYTECODE", None)
        own = dict.fromkeys(_FOLDERS, str(self.folder))
        environment = {**here, **own, "PYTHONPATH": _path()}
        command = [self.python, "-m", "tests.container_like", self.python, *arguments]
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False, **self.options
        )  # type: ignore[call-overload]
        if done.returncode == CANNOT_BE_MADE:
            pytest.skip(f"no machine like a container can be made here: {done.stderr}")
        return done


def _path() -> str:
    """Where this interpreter finds our tree and its packages, for another one of the same version."""
    return os.pathsep.join((str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))


@pytest.fixture(params=["who runs this", "nobody"])
def somebody(request: pytest.FixtureRequest) -> Iterator[Somebody]:
    with tempfile.TemporaryDirectory(prefix="gatecrash-") as made:
        folder = Path(made)
        if request.param == "who runs this":
            yield Somebody(folder, sys.executable)
            return
        if os.geteuid() != 0:
            pytest.skip("only root can run something as somebody else")
        os.chown(folder, NOBODY, NOBODY)
        options: dict[str, object] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        for python in (sys.executable, *filter(None, [shutil.which(version, path="/usr/local/bin:/usr/bin")])):
            nobody = Somebody(folder, python, options)
            if _can_run(nobody):
                yield nobody
                return
        pytest.skip(f"user {NOBODY} can run no {version} that reads the packages of this one")


def _can_run(somebody: Somebody) -> bool:
    try:
        return somebody.run("-c", "import conftest, gatecrash.pytest_plugin.plugin, xdist").returncode == 0
    except PermissionError:
        return False


@dataclass(frozen=True)
class Told:
    """What a run of pytest told in its JUnit report."""

    passed: int
    skipped: tuple[str, ...]


def tried(somebody: Somebody, *arguments: str) -> Told:
    """The tests named, in one process; they fail this one if any of them fails."""
    report = somebody.folder / "report.xml"
    done = somebody.run(
        "-m", "pytest", "-q", "-p", "no:xdist", "-o", "addopts=-p no:cacheprovider", f"--junitxml={report}", *arguments
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    cases = list(ElementTree.parse(report).iter("testcase"))
    assert not [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = [case.find("skipped") for case in cases]
    reasons = tuple(one.get("message") or "" for one in skipped if one is not None)
    return Told(len(cases) - len(reasons), reasons)


@pytest.mark.slow
def test_the_instruments_hold_and_what_is_refused_is_named(somebody: Somebody) -> None:
    told = tried(somebody, *INSTRUMENTS)
    assert told.passed >= 150
    unlike = "needs arena, which this machine refuses: ", "needs borrowed sockets, which this machine refuses: "
    assert {start for start in unlike for reason in told.skipped if reason.startswith(start)} == set(unlike)
    assert [reason for reason in told.skipped if not reason.startswith(unlike) and " compiler" not in reason] == []


@pytest.mark.slow
def test_the_suites_hold_and_what_cannot_be_seen_is_named(somebody: Somebody) -> None:
    need("C compiler")
    told = tried(somebody, *SUITES)
    assert told.passed >= 90
    assert [
        reason for reason in told.skipped if "not applicable: " not in reason and "not observable: " not in reason
    ] == []
    refused = "not observable: borrowed sockets are not available here: pidfd_getfd: Operation not permitted"
    assert [reason.split()[0] for reason in told.skipped if reason.endswith(refused)] == ["RESP-11"]


@pytest.mark.slow
def test_a_rule_that_cannot_be_seen_there_is_not_said_to_hold(somebody: Somebody) -> None:
    need("C compiler")
    done = somebody.run("-m", "gatecrash", "check", "servers/faulty/short_write_ignored.c", "--only=RESP-11")
    assert done.returncode == 5, done.stdout + done.stderr
    assert "RESP-11 not observable: borrowed sockets are not available here" in done.stdout


@pytest.mark.slow
def test_the_doctor_names_what_is_refused(somebody: Somebody) -> None:
    done = somebody.run("-m", "gatecrash", "doctor")
    said = [line[6:28].rstrip() for line in done.stdout.splitlines() if line.split()[:1] == ["no"]]
    assert [name for name in said if name != "C compiler"] == ["arena", "borrowed sockets"], done.stdout
