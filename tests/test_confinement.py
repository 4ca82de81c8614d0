"""A confined arena: what a program that nobody trusts sees of the machine, and who it is there."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from gatecrash.model.confinement import Confined, Confinement, Place
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.process import Process
from tests.needs import need

Run = Callable[..., Process]
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
#: What the kernel refuses it tries again: on a busy machine it comes so far before anybody counts.
_FORKS_ON = """
import os, time
while True:
    try:
        if os.fork() == 0: time.sleep(60)
    except BlockingIOError: time.sleep(0.001)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A submission of one file, owned by whoever a confined program is."""
    made = tmp_path / "submission"
    made.mkdir()
    (made / "page.txt").write_text("as it was")
    if os.geteuid() == 0:
        for path in (made, made / "page.txt"):
            os.chown(path, 65534, 65534)
    return made


@pytest.fixture
def arena(folder: Path) -> Iterator[Arena]:
    """Confined, with that folder and a shared one."""
    need("arena")
    places = (Place(folder, "copied"), Place(folder.parent / "reports", "shared"))
    with Arena.open(kind="namespace", confined=Confined(Confinement(disk=4, inodes=64), places)) as opened:
        yield opened


@pytest.fixture
def shell(arena: Arena, folder: Path) -> Callable[[str], str]:
    """What a command prints that runs in there."""

    def run(command: str) -> str:
        process = arena.spawn(["/bin/sh", "-c", f"({command}) 2>&1"], cwd=folder, env=_ENVIRONMENT)
        assert process.wait(20) is not None
        arena.clear()
        return process.output().text

    return run


def test_it_is_nobody_without_any_capability(shell: Callable[[str], str]) -> None:
    assert shell("id -u; id -g") == "65534\n65534\n"
    told = dict(re.split(r":\s+", line) for line in shell("grep -E '^(Cap|NoNew)' /proc/self/status").splitlines())
    assert {told[name] for name in told if name.startswith("Cap")} == {"0" * 16}
    assert told["NoNewPrivs"] == "1"


def test_it_writes_into_a_copy_of_its_folder_that_is_new_at_each_start(
    shell: Callable[[str], str], folder: Path
) -> None:
    assert shell("echo changed > page.txt; echo new > more.txt; cat page.txt; ls") == "changed\nmore.txt\npage.txt\n"
    assert shell("cat page.txt; ls") == "as it waspage.txt\n"
    assert os.listdir(folder) == ["page.txt"]
    assert (folder / "page.txt").read_text() == "as it was"


def test_nothing_else_can_be_written_but_scratch_that_is_as_new(shell: Callable[[str], str]) -> None:
    places = ("/usr/x", "/etc/x", "/x", "/dev/x", "/proc/x", "/tmp/../x", "/mnt/x")
    refused = shell("; ".join(f"touch {place} && echo wrote {place}" for place in places))
    assert "wrote" not in refused
    assert shell("for d in /tmp /var/tmp /dev/shm; do echo x > $d/x && cat $d/x; done") == "x\nx\nx\n"
    assert shell("ls /var/tmp /dev/shm").split() == ["/dev/shm:", "/var/tmp:"]


def test_no_home_no_neighbour_and_no_other_process_is_there(
    shell: Callable[[str], str], folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "neighbour").mkdir()
    (tmp_path / "contract.toml").write_text("secret")
    assert sorted(shell(f"ls {tmp_path}").split()) == ["reports", "submission"]
    assert "No such file" in shell(f"ls {Path.home() / '.bashrc'}")
    assert "No such file" in shell("cat /proc/1/environ")
    assert shell("ls /proc | grep -c '^[0-9]'") in ("3\n", "4\n", "5\n"), "the shell and what it started"


def test_it_makes_no_namespace_and_has_no_call_that_nobody_sees(arena: Arena, folder: Path) -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print(libc.unshare(0x10000000), os.strerror(ctypes.get_errno()))
for number in (425, 250, 321, 298, 323, 319):
    print(libc.syscall(number, 0, 0, 0, 0, 0), ctypes.get_errno())
"""
    process = arena.spawn([sys.executable, "-I", "-S", "-c", code], cwd=folder, env=_ENVIRONMENT)
    assert process.wait(20) == 0
    first, *others = process.output().text.splitlines()
    assert first == "-1 No space left on device"
    assert others == ["-1 1"] * 6


def test_whoever_fills_its_room_is_ended_and_told_why(shell: Callable[[str], str], arena: Arena, folder: Path) -> None:
    for command, limit in (
        ("cat /dev/zero > /tmp/full; sleep 60", "disk"),
        ("i=0; while :; do i=$((i+1)); : > /dev/shm/$i; done", "disk"),
    ):
        process = arena.spawn(["/bin/sh", "-c", command], cwd=folder, env=_ENVIRONMENT)
        assert process.wait(20) in (-9, 2), command
        hit = process.hit()
        assert hit is not None
        assert hit.limit == limit
        arena.clear()
    assert shell("echo x > /tmp/full; cat /tmp/full") == "x\n", "the next start has room again"


def test_what_it_shares_is_read_by_the_tester(shell: Callable[[str], str], arena: Arena, folder: Path) -> None:
    assert shell(f"echo said > {folder.parent}/reports/one; cat {folder.parent}/reports/one") == "said\n"
    assert (arena.shared(folder.parent / "reports") / "one").read_text() == "said\n"


def test_what_it_leaves_in_shared_memory_and_queues_is_gone_at_the_next_start(arena: Arena, folder: Path) -> None:
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.shmget(0x1234, 4096, 0o1600), libc.semget(0x1234, 1, 0o1600), libc.msgget(0x1234, 0o1600))
print(libc.mq_open(b"/queue", 0o302, 0o600, None))
for kind in ("shm", "sem", "msg"):
    print(len(open(f"/proc/sysvipc/{kind}").readlines()) - 1, libc.shmget(0x1234, 4096, 0) >= 0)
"""
    told = []
    for _ in range(2):
        process = arena.spawn([sys.executable, "-I", "-S", "-c", code], cwd=folder, env=_ENVIRONMENT)
        assert process.wait(20) == 0
        told.append(process.output().text.splitlines())
        arena.clear()
    assert told[0][2:] == ["1 True"] * 3
    assert told[1][1:] == told[0][1:], "made anew, each of them"


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("kept = []\nwhile True: kept.append(b'x' * (1 << 20))", "memory"),
        ("while True: print('x' * 1000)", "output"),
        ("while True: pass", "cpu"),
        ("import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", "cpu"),
        ("import os\nif os.fork() == 0:\n    while True: pass\nos.wait()", "cpu"),
        (
            "import os, time\nwhile True:\n    if os.fork() == 0:\n        while time.process_time() < 0.5: pass\n"
            "        os._exit(0)\n    os.wait()",
            "cpu_together",
        ),
        (_FORKS_ON, "processes"),
    ],
)
@pytest.mark.parametrize("kind", ["namespace", "loopback"])
def test_a_limit_is_held_where_namespaces_are_refused_as_well(
    kind: Literal["namespace", "loopback"], code: str, limit: str, tmp_path: Path
) -> None:
    if kind == "namespace":
        need("arena")
    limits = Confinement(memory=64, output=1, cpu_seconds=1, processes=20)
    with Arena.open(kind=kind, confined=Confined(limits)) as arena:
        where = Path("/tmp") if kind == "namespace" else tmp_path
        process = arena.spawn([sys.executable, "-I", "-S", "-c", code], cwd=where, env=_ENVIRONMENT)
        status = process.wait(60)
        assert status is not None
        assert status < 0
        hit = process.hit()
    assert hit is not None
    assert hit.limit == limit
    assert hit.limit != "memory" or hit.had < 1024, "it was ended soon"


def test_who_forks_without_end_is_said_to_do_that_whoever_counts_first(tmp_path: Path) -> None:
    need("arena")
    code = "import os, time\nwhile True:\n    if os.fork() == 0: time.sleep(60)"
    for _ in range(3):
        with Arena.open(kind="namespace", confined=Confined(Confinement())) as arena:
            process = arena.spawn([sys.executable, "-I", "-S", "-c", code], cwd=Path("/tmp"), env=_ENVIRONMENT)
            assert process.wait(60) == -signal.SIGKILL
            assert process.overrun() > 1024
            assert process.hit() is None


def test_an_arena_without_confinement_is_as_it_was(tmp_path: Path) -> None:
    with Arena.open() as arena:
        code = "import os, resource; print(os.getuid(), resource.getrlimit(resource.RLIMIT_FSIZE)[0])"
        process = arena.spawn([sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, env=_ENVIRONMENT)
        assert process.wait(20) == 0
        uid = "0" if arena.kind == "namespace" else str(os.geteuid())
        assert process.output().text == f"{uid} -1\n"
        assert process.hit() is None
