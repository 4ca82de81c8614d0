"""The census against processes whose every state the test arranged."""

from __future__ import annotations

import math
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash.instruments import procfs, syscalls
from gatecrash.instruments.blocked import blocked_where
from gatecrash.instruments.census import Census, parse_call
from gatecrash.model.blocked import BlockedTask, Descriptor
from gatecrash.model.processes import Task
from tests.needs import need
from tests.nursery import Nursery, compiled, running_nursery, until

GONE = 2**22 + 1  # above the kernel's largest pid (proc(5), pid_max)

SERVER = """
import socket
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
kept = []
while True:
    kept.append(listening.accept())
"""


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    yield from running_nursery()


def asleep_in(nursery: Nursery, *calls: str) -> Task:
    """The nursery's only task, once it sleeps in one of `calls`."""

    def there() -> bool:
        tasks = nursery.census.tasks()
        return len(tasks) == 1 and tasks[0].state == "S" and tasks[0].call in calls

    until(there, f"a task sleeps in {calls}")
    return nursery.census.tasks()[0]


def test_a_server_waiting_for_a_client_sleeps_in_accept(nursery: Nursery) -> None:
    nursery.python(SERVER)
    task = asleep_in(nursery, "accept4", "accept")
    assert (task.pid, task.args[0], task.pending, task.timed) == (task.tid, 3, False, None)


def test_the_call_is_named_with_its_descriptor(nursery: Nursery) -> None:
    nursery.python(SERVER)
    task = asleep_in(nursery, "accept4", "accept")
    name = procfs.read(f"/proc/{task.pid}/comm").decode().strip()
    where = blocked_where(task, nursery.census)
    assert where == BlockedTask(task.pid, task.pid, name, "blocked", task.call, Descriptor(3, "socket"))
    assert where.line() == f"process {task.pid} ({name}) is blocked in {task.call} on descriptor 3 (a socket)"


def test_a_name_of_which_the_kernel_keeps_the_beginning_is_told_whole(tmp_path: Path) -> None:
    program = tmp_path / "parent_keeps_connection"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "60"]) as running:
        # The kernel names a program first, and has its arguments a moment later.
        until(lambda: procfs.name_of(running.pid) == "parent_keeps_connection", "it is executed, and told whole")
        assert procfs.read(f"/proc/{running.pid}/comm") == b"parent_keeps_co\n"
        assert procfs.whole_name(running.pid, b"another program") == "another program"
        running.kill()


def test_a_child_is_waited_for_in_the_call_that_a_program_makes() -> None:
    where = BlockedTask(7, 7, "server", "blocked", "wait4")
    assert where.line() == "process 7 (server) is blocked in waitpid (wait4), waiting for a child to end"


@pytest.mark.parametrize("way", ["poll", "select", "epoll"])
def test_what_an_event_loop_watches_is_named(nursery: Nursery, way: str) -> None:
    waits = {
        "poll": "p = select.poll(); p.register(listening, 1); p.poll()",
        "select": "select.select([listening], [], [])",
        "epoll": "p = select.epoll(); p.register(listening, 1); p.poll()",
    }
    head = "import socket, select\nlistening = socket.create_server(('127.0.0.1', 0)); print(1, flush=True)\n"
    nursery.python(head + waits[way])
    task = asleep_in(nursery, "poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait")
    where = blocked_where(task, nursery.census)
    assert (where.descriptor, where.watched, where.more) == (None, (Descriptor(3, "socket"),), 0)
    assert where.line().endswith(", watching descriptor 3 (a socket)")


LIMITED = """
import os, select, signal, socket, struct
ends = socket.socketpair()
server = socket.create_server(("127.0.0.1", 0))
def limited(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("qq", 6, 500000))
    return sock
print(1, flush=True)
"""


@pytest.mark.parametrize(
    ("statement", "limit"),
    [
        ("select.poll().poll(7000)", 7.0),
        ("select.poll().poll()", None),
        ("select.epoll().poll(8)", 8.0),
        ("select.select([], [], [], 9)", 9.0),
        ("signal.sigtimedwait([signal.SIGUSR1], 12)", 12.0),
        ("signal.pause()", None),
        ("pipe = os.pipe(); os.read(pipe[0], 1)", None),
        ("limited(ends[0]).recv(1)", 6.5),
        ("limited(server).accept()", 6.5),
        ("ends[0].recv(1)", None),
    ],
)
def test_the_time_limit_of_a_wait_is_known(nursery: Nursery, statement: str, limit: float | None) -> None:
    if "limited" in statement:
        need("borrowed sockets")
    nursery.python(LIMITED + statement)
    until(lambda: [task.state for task in nursery.census.tasks()] == ["S"], "it sleeps")
    assert nursery.census.tasks()[0].timed == limit


def test_an_armed_timer_in_an_event_loop_is_a_time_limit(nursery: Nursery, tmp_path: Path) -> None:
    program = compiled(
        tmp_path,
        """
        #include <poll.h>
        #include <stdio.h>
        #include <sys/timerfd.h>
        int main(void) {
            struct itimerspec in_an_hour = {.it_value.tv_sec = 3600};
            struct pollfd timer = {timerfd_create(CLOCK_MONOTONIC, 0), POLLIN, 0};
            timerfd_settime(timer.fd, 0, &in_an_hour, NULL);
            puts("1"); fflush(stdout);
            return poll(&timer, 1, -1);
        }
        """,
    )
    nursery.start(program)
    limit = asleep_in(nursery, "poll", "ppoll").timed
    assert limit is not None
    assert 3500 < limit <= 3600


def test_a_deadline_of_a_condition_variable_is_a_time_limit(nursery: Nursery) -> None:
    nursery.python("import threading\nprint(1, flush=True)\nthreading.Event().wait(1000)")
    limit = asleep_in(nursery, "futex").timed
    assert limit is not None
    assert 900 < limit <= 1000


def test_a_sleep_until_a_point_in_time_is_a_time_limit(nursery: Nursery) -> None:
    nursery.python("import time\nprint(1, flush=True)\ntime.sleep(1000)")
    limit = asleep_in(nursery, "clock_nanosleep", "nanosleep", "select", "pselect6").timed
    assert limit is not None
    assert 900 < limit <= 1000


def test_a_wait_that_a_stop_interrupted_keeps_its_name_and_limit(nursery: Nursery) -> None:
    nursery.python("import select\nprint(1, flush=True)\nselect.poll().poll(900_000)")
    before = asleep_in(nursery, "poll", "ppoll")
    os.kill(before.pid, signal.SIGSTOP)
    until(lambda: nursery.census.tasks()[0].state == "T", "it stops")
    os.kill(before.pid, signal.SIGCONT)
    until(lambda: nursery.census.tasks()[0].state == "S", "it goes on")
    after = nursery.census.tasks()[0]
    assert (after.call, after.args, after.timed) == (before.call, before.args, before.timed)


def test_a_restarted_wait_nobody_saw_before_has_an_unknown_limit(nursery: Nursery) -> None:
    nursery.python("import select\nprint(1, flush=True)\nselect.poll().poll(900_000)")
    pid = asleep_in(nursery, "poll", "ppoll").pid
    os.kill(pid, signal.SIGSTOP)
    until(lambda: nursery.census.tasks()[0].state == "T", "it stops")
    os.kill(pid, signal.SIGCONT)
    until(lambda: nursery.census.tasks()[0].state == "S", "it goes on")
    (task,) = Census(nursery.census.root).tasks()
    assert (task.call, task.timed) == ("restart_syscall", math.inf)


def test_a_stopped_process_has_no_time_limit(nursery: Nursery) -> None:
    nursery.python("import select\nprint(1, flush=True)\nselect.poll().poll(900_000)")
    pid = asleep_in(nursery, "poll", "ppoll").pid
    os.kill(pid, signal.SIGSTOP)
    until(lambda: nursery.census.tasks()[0].state == "T", "it stops")
    (task,) = nursery.census.tasks()
    assert task.timed is None
    where = blocked_where(task, nursery.census)
    assert where.state == "stopped"
    assert where.call in ("poll", "ppoll")


def test_every_thread_is_a_task(nursery: Nursery) -> None:
    nursery.python(
        "import threading, signal\n"
        "for _ in range(3): threading.Thread(target=threading.Event().wait).start()\n"
        "print(1, flush=True)\nsignal.pause()"
    )
    tasks = nursery.census.tasks()
    assert len(tasks) == 4
    assert len({task.pid for task in tasks}) == 1
    assert len({task.tid for task in tasks}) == 4


def test_a_child_of_a_thread_is_found(nursery: Nursery) -> None:
    nursery.python(
        "import os, threading, signal\n"
        "def fork():\n"
        "    if os.fork() == 0: signal.pause()\n"
        "    print(1, flush=True)\n"
        "    threading.Event().wait()\n"
        "threading.Thread(target=fork).start()\n"
        "signal.pause()"
    )
    assert len(nursery.census.pids()) == 2


def test_an_orphan_is_adopted_and_found(nursery: Nursery) -> None:
    daemon = "import os, signal\nif os.fork(): os._exit(0)\nif os.fork(): os._exit(0)\n"
    pid = nursery.python(daemon + "print(os.getpid(), flush=True)\nsignal.pause()")
    parents = {entry.pid: entry.parent for entry in nursery.census.processes()}
    until(lambda: len(nursery.census.zombies()) == 2, "its ancestors end")
    assert pid in nursery.census.pids()
    assert {entry.pid: entry.parent for entry in nursery.census.processes()}[pid] == nursery.census.root, parents


def test_a_zombie_is_a_process_and_not_a_task(nursery: Nursery) -> None:
    pid = nursery.python(
        "import os, signal\npid = os.fork()\nif pid == 0: os._exit(3)\nprint(pid, flush=True)\nsignal.pause()"
    )
    until(lambda: nursery.census.zombies() == (pid,), "the child ends")
    assert pid in nursery.census.pids()
    assert pid not in {task.pid for task in nursery.census.tasks()}


def test_a_zombie_that_was_noted_is_there_until_somebody_waits_for_it(nursery: Nursery) -> None:
    """It is not looked at again, and what comes after it is."""
    parent = nursery.python(
        "import os, signal\n"
        "if (first := os.fork()) == 0: os._exit(3)\n"
        "def wait(*_): os.waitpid(first, 0); os.write(1, b'0\\n')\n"
        "def fork(*_):\n"
        "    if (pid := os.fork()) == 0: os._exit(3)\n"
        "    os.write(1, b'%d\\n' % pid)\n"
        "signal.signal(signal.SIGUSR1, wait); signal.signal(signal.SIGUSR2, fork)\n"
        "os.write(1, b'%d\\n' % os.getpid())\n"
        "while True: signal.pause()"
    )
    census = nursery.census
    until(lambda: len(census.zombies()) == 1, "the first child ends")
    (first,) = census.zombies()
    assert not census.note_dead(parent, procfs.read(f"/proc/{parent}/status"))
    assert census.note_dead(first, procfs.read(f"/proc/{first}/status"))
    assert census.pids() == (parent, first)
    os.kill(parent, signal.SIGUSR2)
    second = int(nursery.line())
    until(lambda: set(census.zombies()) == {first, second}, "the second child ends")
    os.kill(parent, signal.SIGUSR1)
    nursery.line()
    assert census.pids() == (parent, second)
    assert first not in census.dead


def test_a_process_whose_first_thread_ended_lives(nursery: Nursery, tmp_path: Path) -> None:
    program = compiled(
        tmp_path,
        """
        #include <pthread.h>
        #include <stdio.h>
        #include <unistd.h>
        static void *stay(void *unused) { puts("1"); fflush(stdout); pause(); return unused; }
        int main(void) { pthread_t thread; pthread_create(&thread, NULL, stay, NULL); pthread_exit(NULL); }
        """,
        "-pthread",
    )
    nursery.start(program)
    until(lambda: len(nursery.census.tasks()) == 1, "the first thread ends")
    assert nursery.census.zombies() == ()
    (pid,) = nursery.census.pids()
    assert not nursery.census.note_dead(pid, procfs.read(f"/proc/{pid}/status"))


def test_signal_masks_are_those_the_process_set(nursery: Nursery) -> None:
    nursery.python(
        "import signal\n"
        "signal.signal(signal.SIGTERM, lambda *_: None); signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
        "print(1, flush=True)\nsignal.pause()"
    )
    (entry,) = nursery.census.processes()
    assert entry.caught >> signal.SIGTERM - 1 & 1
    assert entry.ignored >> signal.SIGHUP - 1 & 1
    assert entry.blocked == 1 << signal.SIGUSR1 - 1


def test_a_blocked_signal_is_not_pending(nursery: Nursery) -> None:
    nursery.python(
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
        "print(1, flush=True)\nsignal.pause()"
    )
    task = asleep_in(nursery, "pause", "rt_sigsuspend", "ppoll")
    os.kill(task.pid, signal.SIGUSR1)
    assert not nursery.census.tasks()[0].pending


def test_descriptors_and_their_holders_are_found(nursery: Nursery) -> None:
    nursery.python(SERVER.replace("kept = []", "kept = []\nimport os\nos.dup2(3, 9)\nos.fork()"))
    until(lambda: len(nursery.census.pids()) == 2, "it forks")
    first, second = nursery.census.pids()
    inode = _inode(nursery.census, first, 3)
    assert nursery.census.holders(inode) == {first: (3, 9), second: (3, 9)}
    assert len(nursery.census.descriptors(first)) == 5


def test_a_process_that_is_gone_has_nothing_and_raises_nothing() -> None:
    census = Census(GONE)
    found = (census.pids(), census.tasks(), census.processes(), census.zombies(), census.holders(1))
    assert found == ((), (), (), (), {})
    assert (census.task(GONE, GONE), census.descriptors(GONE)) == (None, {})


def test_looking_while_processes_come_and_go_never_fails(nursery: Nursery) -> None:
    nursery.python(
        "import os\nprint(1, flush=True)\n"
        "for _ in range(300):\n    if os.fork() == 0: os._exit(0)\n    os.wait()\n"
        "while True: os.read(os.pipe()[0], 1)"
    )
    looks = 0
    while looks < 2000 and [task.call for task in nursery.census.tasks()] != ["read"]:
        nursery.census.processes()
        for pid in nursery.census.pids():
            nursery.census.descriptors(pid)
        looks += 1
    until(lambda: [task.call for task in nursery.census.tasks()] == ["read"], "that all have come and gone")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"running\n", ("running", ())),
        (b"-1 0x7ffd 0x7f19\n", ("running", ())),
        (b"", ("?", ())),
        (procfs.DENIED, ("?", ())),
        (b"9999 0x1 0x2 0x3 0x4 0x5 0x6 0x7ffd 0x7f19\n", ("call 9999", (1, 2, 3, 4, 5, 6))),
    ],
)
def test_what_the_kernel_says_of_a_call_is_understood(content: bytes, expected: tuple[str, tuple[int, ...]]) -> None:
    assert parse_call(content) == expected


def test_the_tables_agree_with_the_headers_of_this_machine(tmp_path: Path) -> None:
    names = sorted(syscalls.names().values())
    checks = "".join(f'#ifdef SYS_{name}\nprintf("{name} %d\\n", SYS_{name});\n#endif\n' for name in names)
    program = compiled(
        tmp_path, f"#include <stdio.h>\n#include <sys/syscall.h>\nint main(void) {{\n{checks}return 0; }}\n"
    )
    lines = subprocess.run([program], capture_output=True, text=True, check=True, timeout=10).stdout.splitlines()
    numbers = {name: int(number) for name, number in (line.split() for line in lines)}
    ours = {name: number for number, name in syscalls.names().items() if name in numbers}
    assert ours == numbers


def test_both_machines_have_the_calls_that_every_server_sleeps_in() -> None:
    for machine in ("x86_64", "aarch64"):
        assert {"accept", "accept4", "recvfrom", "read", "sendto", "write", "wait4", "futex", "ppoll"} <= set(
            syscalls.names(machine).values()
        )


def test_a_machine_without_a_table_still_gives_numbers() -> None:
    assert syscalls.names("m68k") == {}


def _inode(census: Census, pid: int, descriptor: int) -> int:
    return int(census.descriptors(pid)[descriptor].removeprefix("socket:[").removesuffix("]"))


STATUS = (
    b"State:\tS (sleeping)\nSigPnd:\t0\nShdPnd:\t0\nSigBlk:\t0\n"
    b"voluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t0\n"
)


def calling(name: str, *first: int) -> bytes:
    """What /proc/PID/task/TID/syscall says of a thread in this call."""
    number = next(number for number, known in syscalls.NAMES.items() if known == name)
    fields = [*first, *([0] * (6 - len(first)))]
    return b"%d %s 0x0 0x0\n" % (number, b" ".join(b"%#x" % field for field in fields))


def test_a_limit_read_while_the_task_moved_on_is_not_kept_for_its_next_call() -> None:
    """The call was read before the times: both belong to one sleep only when they agree again."""
    census, pid = Census(os.getpid()), os.getpid()
    torn = census.describe(pid, pid, calling("epoll_pwait", 3, 4, 5, 200), STATUS, b"7 7 7")
    after = census.describe(pid, pid, calling("recvfrom", 0xFFFF), STATUS, b"7 7 7")
    assert torn is not None
    assert after is not None
    assert (torn.timed, after.timed) == (0.2, None)


def test_a_look_in_the_middle_of_a_restart_does_not_forget_the_call() -> None:
    census, pid = Census(os.getpid()), os.getpid()
    census.describe(pid, pid, calling("epoll_pwait", 3, 4, 5, 900), STATUS, b"1 1 1")
    census.describe(pid, pid, b"running", STATUS, b"2 2 2")
    after = census.describe(pid, pid, calling("restart_syscall", 3, 4, 5, 900), STATUS, b"3 3 3")
    assert after is not None
    assert (after.call, after.timed) == ("epoll_pwait", 0.9)
