"""Control groups for confined arenas: what is decided, on a made-up folder; what happens, where this machine allows it.

The limits of memory and of tasks need controllers that a machine may not have delegated: they are tried on a folder of
plain files, in which the test plays the kernel.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from gatecrash.instruments.capabilities import limits
from gatecrash.model.confinement import Confined, Confinement
from gatecrash.sandbox import cgroups, delegation
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.brokers import BrokerProcess
from gatecrash.sandbox.cgroups import Ground, Group, NotDelegated, find
from tests.needs import need
from tests.test_arena_unprivileged import for_nobody

_ROOT = Path(__file__).parent.parent
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
_SLEEP = ["/bin/sh", "-c", "sleep 60 & sleep 60"]
_LIMITS = Confinement(memory=100, processes=10).to_json()
_FILES = {
    "cgroup.procs": "",
    "cgroup.type": "domain\n",
    "cgroup.controllers": "cpu memory pids\n",
    "cgroup.subtree_control": "",
    "cgroup.kill": "",
    "cpu.stat": "usage_usec 1500000\nuser_usec 1000000\n",
    "memory.max": "",
    "memory.swap.max": "",
    "memory.oom.group": "",
    "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
    "memory.peak": "0\n",
    "pids.max": "",
    "pids.events": "max 0\n",
    "pids.current": "1\n",
    "pids.peak": "1\n",
}


@dataclass(frozen=True)
class Machine:
    """Made up: where its groups are, what /proc/self says, and where systemd is when it runs."""

    groups: Path
    proc: Path
    systemd: Path

    def put_us(self, path: str, *, root: str = "/") -> Path:
        """Into this group, which is made; `root` is the group that is mounted."""
        self.proc.mkdir(exist_ok=True)
        (self.proc / "cgroup").write_text(f"4:memory:/elsewhere\n0::{path}\n")
        mounted = f"41 31 0:38 {root} {self.groups} rw,relatime shared:9 - cgroup2 none rw"
        (self.proc / "mountinfo").write_text(f"30 1 0:1 / / rw - ext4 /dev/sda rw\n{mounted}\n")
        folder = self.groups / os.path.relpath(path, root)
        for one in (folder, *folder.parents):
            if one.is_relative_to(self.groups):
                fill(one)
        return folder

    def found(self) -> Ground:
        return find(str(self.proc), str(self.systemd))

    def why_not(self) -> str:
        with pytest.raises(NotDelegated) as refused:
            self.found()
        return refused.value.why

    def settle(self) -> None:
        delegation.settle(str(self.proc), str(self.systemd))


def fill(folder: Path) -> None:
    """As the kernel does when a group is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _FILES.items():
        (folder / name).write_text(text)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Without systemd."""
    return Machine(tmp_path / "cgroup", tmp_path / "proc", tmp_path / "systemd")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    """A new folder of the made-up machine is full of files, and goes with them."""
    make, remove = os.mkdir, os.rmdir

    def made(path: Any, *rest: Any, **named: Any) -> None:
        make(path, *rest, **named)
        if str(path).startswith(str(machine.groups)):
            fill(Path(path))

    def removed(path: Any, **named: Any) -> None:
        if str(path).startswith(str(machine.groups)):
            for name in _FILES:
                Path(path, name).unlink()
        remove(path, **named)

    monkeypatch.setattr(os, "mkdir", made)
    monkeypatch.setattr(os, "rmdir", removed)


# --- Where groups may be made ---------------------------------------------------------------------------------------


def test_without_systemd_a_group_that_we_may_write_is_ours(machine: Machine) -> None:
    folder = machine.put_us("/job")
    (folder / "cgroup.subtree_control").write_text("cpu memory\n")
    assert machine.found() == Ground(str(folder), frozenset({"memory"}))


def test_where_systemd_runs_only_what_it_has_marked_is_ours(machine: Machine) -> None:
    folder = machine.put_us("/user.slice/session-1.scope")
    machine.systemd.mkdir()
    assert machine.why_not() == "managed"
    _mark(folder)
    assert machine.found().folder == str(folder)
    machine.put_us("/user.slice/session-1.scope/payload")  # DelegateSubgroup=
    assert machine.found().folder == str(folder)
    for one in ("payload/deeper", "of-systemd.service"):
        machine.put_us(f"/user.slice/session-1.scope/{one}")
        assert machine.why_not() == "managed"


def test_in_a_container_paths_count_from_what_is_mounted(machine: Machine) -> None:
    folder = machine.put_us("/docker/abc/job", root="/docker/abc")
    assert folder == machine.groups / "job"
    assert machine.found().folder == str(folder)


def test_without_version_2_or_outside_of_what_is_mounted_there_is_none(machine: Machine) -> None:
    machine.put_us("/job", root="/")
    (machine.proc / "cgroup").write_text("4:memory:/job\n")
    assert machine.why_not() == "none"
    (machine.proc / "cgroup").write_text("0::/../job\n")
    assert machine.why_not() == "elsewhere"
    (machine.proc / "cgroup").write_text("0::/job\n")
    (machine.proc / "mountinfo").unlink()
    assert machine.why_not() == "elsewhere"


def test_a_folder_that_has_no_groups_is_refused(machine: Machine) -> None:
    (machine.put_us("/job") / "cgroup.procs").unlink()
    assert machine.why_not() == "refused"


def test_we_move_to_a_leaf_so_that_groups_beside_it_are_limited(machine: Machine, kernel: None) -> None:
    folder = machine.put_us("/job")
    machine.settle()
    (leaf,) = (path for path in folder.iterdir() if path.is_dir())
    assert (leaf / "cgroup.procs").read_text() == "0"
    assert (folder / "cgroup.subtree_control").read_text() == "+memory +pids"
    machine.put_us(f"/job/{leaf.name}")
    (folder / "cgroup.subtree_control").write_text("memory pids\n")
    assert machine.found() == Ground(str(folder), frozenset({"memory", "pids"})), "beside us, not below"
    machine.settle()
    assert [path for path in folder.iterdir() if path.is_dir()] == [leaf], "once"


def test_we_move_back_where_others_are_in_the_group(
    machine: Machine, kernel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = machine.put_us("/job")

    def busy(folder: str, controllers: list[str]) -> None:
        raise OSError(16, os.strerror(16))

    monkeypatch.setattr(delegation, "_enable", busy)
    machine.settle()
    assert not [path for path in folder.iterdir() if path.is_dir()]
    assert (folder / "cgroup.procs").read_text() == "0"


def test_we_move_for_nothing_that_the_machine_does_not_have_and_not_from_the_root(
    machine: Machine, kernel: None
) -> None:
    folder = machine.put_us("/job")
    (folder / "cgroup.controllers").write_text("cpu hugetlb\n")
    machine.settle()
    (machine.put_us("/") / "cgroup.type").unlink()
    machine.settle()
    assert sorted(path.name for path in machine.groups.iterdir() if path.is_dir()) == ["job"]
    assert not [path for path in folder.iterdir() if path.is_dir()]
    assert (machine.groups / "cgroup.subtree_control").read_text() == ""


@pytest.mark.parametrize(("says", "settled"), [("yes", True), ("no", False), (None, False)])
def test_a_users_systemd_marks_nothing_and_is_asked(
    machine: Machine, kernel: None, says: str | None, settled: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    if says is not None:
        (tools / "systemctl").write_text(f'#!/bin/sh\n[ "$*" = "{_ASKED}" ] && echo {says}\n')
        (tools / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    machine.systemd.mkdir()
    folder = machine.put_us("/user.slice/user@1000.service/app.slice/run-1.scope")
    machine.settle()
    leaves = [path for path in folder.iterdir() if path.is_dir()]
    assert bool(leaves) == settled
    if leaves:
        machine.put_us(f"/user.slice/user@1000.service/app.slice/run-1.scope/{leaves[0].name}")
        assert machine.found().folder == str(folder)


_ASKED = "--user show --property=Delegate --value -- run-1.scope"


def _mark(folder: Path) -> None:
    try:
        os.setxattr(folder, "user.delegate", b"1")
    except OSError:
        pytest.skip("this file system has no extended attributes")


# --- What is held ---------------------------------------------------------------------------------------------------


@pytest.fixture
def group(tmp_path: Path) -> tuple[Group, Path]:
    """Of the made-up machine, with both controllers."""
    made = Group(Ground(str(tmp_path), frozenset({"memory", "pids"})))
    (folder,) = tmp_path.iterdir()
    fill(folder)
    made.limit(_LIMITS)
    made.restart()
    return made, folder


def test_memory_without_swap_and_tasks_are_limited(group: tuple[Group, Path]) -> None:
    told = {name: (group[1] / name).read_text() for name in _FILES}
    assert int(told["memory.max"]) >> 20 == 100 + 25 + 64, "above what is counted: the kernel has its own part in it"
    assert told["memory.swap.max"] == "0"
    assert told["memory.oom.group"] == "1"
    assert told["pids.max"] == "40"


def test_a_kernel_without_swap_has_no_file_for_it(group: tuple[Group, Path]) -> None:
    (group[1] / "memory.swap.max").unlink()
    group[0].limit(_LIMITS)


@pytest.mark.parametrize(
    ("files", "hit"),
    [
        ({}, None),
        ({"memory.events": "max 9\noom 1\noom_kill 3\n", "memory.peak": f"{189 << 20}\n"}, ("memory", 100, 189)),
        ({"memory.events": "max 9\noom 0\noom_kill 3\n"}, None),  # a limit above ours, or the machine
        ({"memory.events": "max 9\noom 0\noom_kill 0\n"}, None),  # what it could give back, it gave back
        ({"pids.events": "max 2\n", "pids.peak": "40\n"}, ("tasks", 40, 40)),
        ({"pids.events": "max 2\n", "pids.peak": "17\n"}, None),  # a limit above ours
    ],
)
def test_what_it_was_ended_for_is_told(
    group: tuple[Group, Path], files: dict[str, str], hit: tuple[str, int, int] | None
) -> None:
    for name, text in files.items():
        (group[1] / name).write_text(text)
    assert group[0].hit() == hit
    group[0].restart()
    assert group[0].hit() is None, "the next one starts anew"


def test_of_processor_time_what_was_used_since_counts(group: tuple[Group, Path]) -> None:
    assert group[0].seconds() == 0
    (group[1] / "cpu.stat").write_text("usage_usec 4000000\nuser_usec 1\n")
    assert group[0].seconds() == pytest.approx(2.5)


def test_without_controllers_nothing_is_limited_or_told(tmp_path: Path) -> None:
    made = Group(Ground(str(tmp_path), frozenset()))
    (folder,) = tmp_path.iterdir()
    fill(folder)
    made.limit(_LIMITS)
    (folder / "memory.events").write_text("oom 1\noom_kill 3\n")
    assert (folder / "memory.max").read_text() == ""
    assert made.hit() is None


def test_a_group_whose_owner_was_killed_goes_when_the_next_is_made(tmp_path: Path) -> None:
    ground = Ground(str(tmp_path), frozenset())
    first = Group(ground)
    second = Group(ground)
    assert len(list(tmp_path.iterdir())) == 2, "one that is in use stays"
    for descriptor in first.kept:
        os.close(descriptor)
    (tmp_path / "somebody's").mkdir()
    third = Group(ground)
    assert len(list(tmp_path.iterdir())) == 3
    second.remove()
    third.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["somebody's"]


_BROKER_OF_A_MADE_UP_MACHINE = """
import os, socket, sys
sys.path.insert(0, ROOT)
from gatecrash.sandbox import broker, cgroups, fork_server
from tests.test_cgroups import fill
from pathlib import Path
class Made(cgroups.Group):
    def fork(self):
        return os.fork()
def group():
    made = Made(cgroups.Ground(FOLDER, frozenset(cgroups.CONTROLLERS)))
    fill(next(Path(FOLDER).iterdir()))
    return made
broker.group_here = fork_server.group_here = group
os.setsid()
fork_server.serve("loopback", socket.socket(fileno=int(sys.argv[1])))
"""


@pytest.fixture
def confined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Arena, Path]]:
    """An arena whose broker has a group of the made-up machine, with both controllers; and that group's folder."""
    there = tmp_path / "groups"
    there.mkdir()
    code = _BROKER_OF_A_MADE_UP_MACHINE.replace("ROOT", repr(str(_ROOT))).replace("FOLDER", repr(str(there)))

    brokers: list[subprocess.Popen[bytes]] = []

    def start(kind: str, control: socket.socket) -> BrokerProcess:
        number = control.fileno()
        started = subprocess.Popen([sys.executable, "-c", code, str(number)], pass_fds=[number])
        brokers.append(started)
        return BrokerProcess(started.pid, os.pidfd_open(started.pid))

    monkeypatch.setattr("gatecrash.sandbox.arena.start_broker", start)
    limits = Confinement(memory=100, processes=10, cpu_seconds=1)
    with Arena.open(kind="loopback", confined=Confined(limits)) as arena:
        yield arena, next(there.iterdir())
    for one in brokers:
        one.wait(20)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("memory.events", "oom 1\noom_kill 1\n", "it had 100 MiB of memory, and wanted more"),
        ("pids.events", "max 1\n", "it was given 40 processes and threads, and wanted more"),
        ("cpu.stat", "usage_usec 5600000\n", "its processes used up the 4 s of processor time that they had together"),
    ],
)
def test_what_the_kernel_holds_against_it_ends_it_and_is_told(
    confined: tuple[Arena, Path], tmp_path: Path, file: str, text: str, said: str
) -> None:
    arena, folder = confined
    process = arena.spawn(_SLEEP, cwd=tmp_path, env=_ENVIRONMENT)
    (folder / "pids.peak").write_text("40\n")
    (folder / file).write_text(text)
    assert process.wait(30) == -signal.SIGKILL, "its child was killed by the kernel: it is ended with it"
    hit = process.hit()
    assert hit is not None
    assert hit.said == said
    arena.clear()
    again = arena.spawn(_SLEEP, cwd=tmp_path, env=_ENVIRONMENT)
    assert again.wait(0.3) is None
    assert again.hit() is None, "it starts anew"


def test_whoever_was_killed_with_its_group_is_told_why(confined: tuple[Arena, Path], tmp_path: Path) -> None:
    arena, folder = confined
    process = arena.spawn(["/bin/sh", "-c", "read line"], cwd=tmp_path, env=_ENVIRONMENT)
    (folder / "memory.events").write_text("oom 1\noom_kill 1\n")
    process.signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    hit = process.hit()
    assert hit is not None
    assert (hit.limit, hit.given) == ("memory", 100)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"memory", "pids"}, "The kernel limits, too, in a control group (cgroup v2): memory, pids."),
        ({"pids"}, "The kernel limits, too, in a control group (cgroup v2): pids."),
        ({"pids"}, "A control group (cgroup v2) counts the processor time. Not delegated to it: memory."),
        (set(), "A control group (cgroup v2) counts the processor time. Not delegated to it: memory, pids."),
        ("none", "No control group (cgroup v2): this machine does not have it."),
        ("refused", "No control group (cgroup v2): this user may not make one here."),
    ],
)
def test_the_doctor_says_who_holds_the_limits(
    held: Any, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def found() -> Ground:
        if isinstance(held, str):
            raise NotDelegated(cast(Any, held))
        return Ground(str(tmp_path), frozenset(held))

    monkeypatch.setattr("gatecrash.instruments.capabilities.settle", lambda: None)
    monkeypatch.setattr(cgroups, "find", found)
    counted, *others = limits()
    assert counted.startswith("of a submission: memory, processes, processor time counted")
    assert said in others
    assert not list(tmp_path.iterdir())


# --- For real -------------------------------------------------------------------------------------------------------


@pytest.fixture
def ground() -> Ground:
    """Of this machine."""
    try:
        found = find()
        Group(found).remove()
    except (NotDelegated, OSError) as refused:
        pytest.skip(f"this machine lets us make no control group of version 2: {refused}")
    return found


@pytest.fixture
def real(ground: Ground) -> Iterator[Group]:
    """One for the test."""
    made = Group(ground)
    yield made
    made.kill()
    while _populated(made):
        time.sleep(0.01)
    made.remove()
    for descriptor in made.kept:
        os.close(descriptor)


def test_a_child_is_made_in_it_and_its_time_is_counted(real: Group) -> None:
    pid = real.fork()
    if pid == 0:
        while time.process_time() < 0.1:
            pass
        os._exit(7)
    assert _name(real) in Path(f"/proc/{pid}/cgroup").read_text()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert 0.09 < real.seconds() < 5


def test_all_in_it_are_killed_and_others_come_after_them(real: Group) -> None:
    for _ in range(2):
        pid = real.fork()
        if pid == 0:
            os.fork()
            while True:
                signal.pause()
        assert _populated(real), "a child that is made in there lives"
        real.kill()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        while _populated(real):
            time.sleep(0.01)


@pytest.mark.parametrize("kind", ["namespace", "loopback"])
def test_a_confined_target_is_in_a_group_that_goes_with_its_arena(ground: Ground, kind: Any, tmp_path: Path) -> None:
    if kind == "namespace":
        need("arena")
    where = Path("/tmp") if kind == "namespace" else tmp_path
    group = ""
    with Arena.open(kind=kind, confined=Confined(Confinement())) as arena:
        for _ in range(3):
            process = arena.spawn(_SLEEP, cwd=where, env=_ENVIRONMENT)
            group = _group_of(process.pid)
            assert group not in _group_text(os.getpid())
            assert group not in _group_text(arena.broker_pid), "whoever judges is not limited with it"
            arena.clear()
    assert not Path(ground.folder, group).exists()


_NOBODY_WAITS = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    child = os.fork()
    if child == 0:
        while time.process_time() < 0.5: pass
        os._exit(0)
    while os.path.exists(f"/proc/{child}"): time.sleep(0.01)
"""


def test_the_time_of_children_for_whom_nobody_waits_counts(ground: Ground, tmp_path: Path) -> None:
    with Arena.open(kind="loopback", confined=Confined(Confinement(cpu_seconds=1))) as arena:
        process = arena.spawn([sys.executable, "-I", "-S", "-c", _NOBODY_WAITS], cwd=tmp_path, env=_ENVIRONMENT)
        assert process.wait(60) == -signal.SIGKILL
        hit = process.hit()
    assert hit is not None
    assert (hit.limit, hit.given) == ("cpu_together", 4)


def test_inside_its_group_is_the_root(ground: Ground) -> None:
    need("arena")
    with Arena.open(kind="namespace", confined=Confined(Confinement())) as arena:
        process = arena.spawn(["/bin/grep", "^0:", "/proc/self/cgroup"], cwd=Path("/tmp"), env=_ENVIRONMENT)
        assert process.wait(20) == 0
        assert process.output().text == "0::/\n"


def test_it_goes_when_the_broker_is_killed(ground: Ground) -> None:
    need("arena")
    arena = Arena.open(kind="namespace", confined=Confined(Confinement()))
    group = _group_of(arena.spawn(_SLEEP, cwd=Path("/tmp"), env=_ENVIRONMENT).pid)
    os.kill(arena.broker_pid, signal.SIGKILL)
    arena.close()
    assert not Path(ground.folder, group).exists()


_ONE_THAT_IS_KILLED = """
import os, signal, sys
sys.path.insert(0, ROOT)
from pathlib import Path
from gatecrash.instruments.capabilities import limits
from gatecrash.model.confinement import Confined, Confinement
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.brokers import BrokerProcess
arena = Arena.open(kind=KIND, confined=Confined(Confinement()))
process = arena.spawn(["/bin/sh", "-c", "sleep 60 & sleep 60"], cwd=Path("/tmp"), env={"PATH": "/usr/bin:/bin"})
print(open(f"/proc/{process.pid}/cgroup").read(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["namespace", "loopback"])
def test_it_goes_when_the_tester_is_killed(ground: Ground, kind: str) -> None:
    if kind == "namespace":
        need("arena")
    code = _ONE_THAT_IS_KILLED.replace("ROOT", repr(str(_ROOT))).replace("KIND", repr(kind))
    told = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False, timeout=60)
    found = re.search(r"gatecrash-arena-\w+", told.stdout)
    assert found is not None
    _wait_until(lambda: not Path(ground.folder, found[0]).exists())


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("kind", ["namespace", "loopback"])
def test_somebody_without_privileges_has_one_in_what_was_given_to_them(ground: Ground, kind: str, given: bool) -> None:
    if kind == "namespace":
        need("arena")
    command = for_nobody()
    if os.geteuid() != 0 or command is None or os.path.isdir("/run/systemd/system"):
        pytest.skip("needs root, who gives a group away, and no systemd, whose groups they are")
    folder = Path(ground.folder, f"gatecrash-test-{os.getpid()}-{kind}-{given}")
    folder.mkdir()
    try:
        for path in (folder, folder / "cgroup.procs", folder / "cgroup.subtree_control") if given else ():
            os.chown(path, 65534, 65534)
        code = _ONE_THAT_IS_KILLED.replace("ROOT", repr(str(_ROOT))).replace("KIND", repr(kind))
        join = f'echo 0 > {folder}/cgroup.procs; exec "$@"'
        joined = ["/bin/sh", "-c", join, "sh", *command, "-c", code]
        told = subprocess.run(joined, stdout=subprocess.PIPE, text=True, check=False, timeout=60)
        assert f"0::/{folder.relative_to(ground.folder)}" in told.stdout
        assert ("/gatecrash-arena-" in told.stdout) == given
    finally:
        _wait_until(lambda: _removed(folder))


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def _group_text(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text()


def _group_of(pid: int) -> str:
    found = re.search(r"gatecrash-arena-\w+", _group_text(pid))
    assert found is not None
    return found[0]


def _name(group: Group) -> str:
    return Path(os.readlink(f"/proc/self/fd/{group.kept[1]}")).name


def _populated(group: Group) -> bool:
    return "populated 1" in Path(f"/proc/self/fd/{group.kept[1]}", "cgroup.events").read_text()
