"""When silence is proven, and every way in which it must not be."""

from __future__ import annotations

import itertools
import math
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gatecrash.instruments import procfs, sockdiag
from gatecrash.instruments.patience import OwnTime
from gatecrash.instruments.queues import Queues
from gatecrash.instruments.quiescence import Quiet, Resting, Restless, Spinning, Stillness, blocked_where, settle
from gatecrash.instruments.real_time.ticks import Ticks
from gatecrash.model.blocked import Descriptor
from tests.needs import need
from tests.nursery import Nursery, compiled, running_nursery, until

_A_LOOK = 0.2  # seconds: two looks and what a busy machine makes of them

ITERATIVE = """
import socket
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
while True:
    connection, _ = listening.accept()
    while received := connection.recv(4096):
        connection.sendall(received)
    connection.close()
"""

FORKING = """
import os, signal, socket
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
while True:
    connection, _ = listening.accept()
    if os.fork() == 0:
        while received := connection.recv(4096):
            connection.sendall(received)
        os._exit(0)
    connection.close()
"""

NAPPING = """
import select
print(1, flush=True)
while True:
    select.poll().poll({milliseconds})
"""


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    yield from running_nursery()


@pytest.fixture
def queues() -> Iterator[Queues]:
    found = Queues(sockdiag.open_socket())
    yield found
    found.close()


def no_queues() -> None:
    """For programs without sockets."""


def looking_at(queues: Queues, port: int) -> Callable[[], object]:
    return lambda: queues.connections(port)


def test_an_idle_server_is_quiet(nursery: Nursery) -> None:
    nursery.python(ITERATIVE)
    assert isinstance(settle(nursery.census, no_queues), Quiet)


def test_nobody_at_all_is_quiet(nursery: Nursery) -> None:
    assert settle(nursery.census, no_queues) == Quiet((), None)


def test_the_queues_read_in_the_middle_are_in_the_proof(nursery: Nursery) -> None:
    nursery.python(ITERATIVE)
    still = settle(nursery.census, lambda: "as they were")
    assert isinstance(still, Quiet)
    assert still.queues == "as they were"


@pytest.mark.parametrize("program", [ITERATIVE, FORKING], ids=["iterative", "forking"])
def test_the_answer_is_there_when_the_server_is_quiet(nursery: Nursery, queues: Queues, program: str) -> None:
    port = nursery.python(program)
    for number in range(40):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(b"%d" % number)
            assert isinstance(settle(nursery.census, looking_at(queues, port)), Quiet)
            assert client.recv(100, socket.MSG_DONTWAIT) == b"%d" % number


def test_a_server_that_waits_for_more_is_quiet_and_says_where(nursery: Nursery, queues: Queues) -> None:
    port = nursery.python(ITERATIVE.replace("sendall(received)", "recv(100)"))
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"request")
        still = settle(nursery.census, looking_at(queues, port))
        assert isinstance(still, Quiet)
        connection = queues.connection(("127.0.0.1", port), client.getsockname())
        assert connection is not None
        where = blocked_where(still.tasks[0], nursery.census)
    assert (where.state, where.call, where.descriptor) == ("blocked", "recvfrom", Descriptor(4, "socket"))
    assert connection.consumed == 7


def test_a_stopped_server_is_quiet(nursery: Nursery) -> None:
    nursery.python("print(1, flush=True)\nwhile True: pass")
    (pid,) = nursery.census.pids()
    os.kill(pid, signal.SIGSTOP)
    still = settle(nursery.census, no_queues)
    assert isinstance(still, Quiet)
    assert [task.state for task in still.tasks] == ["T"]


def test_a_server_that_was_stopped_and_goes_on_in_poll_is_quiet_again(nursery: Nursery) -> None:
    nursery.python("import select\nprint(1, flush=True)\nselect.poll().poll()")
    until(lambda: [task.call for task in nursery.census.tasks()] in (["poll"], ["ppoll"]), "it polls")
    (pid,) = nursery.census.pids()
    os.kill(pid, signal.SIGSTOP)
    until(lambda: nursery.census.tasks()[0].state == "T", "it stops")
    os.kill(pid, signal.SIGCONT)
    until(lambda: nursery.census.tasks()[0].state == "S", "it goes on")
    assert isinstance(settle(nursery.census, no_queues), Quiet)


def test_zombies_are_quiet(nursery: Nursery) -> None:
    nursery.python("import os, signal\nprint(1, flush=True)\nif os.fork() == 0: os._exit(0)\nsignal.pause()")
    until(nursery.census.zombies, "the child ends")
    assert isinstance(settle(nursery.census, no_queues), Quiet)


def test_a_parent_in_vfork_is_quiet_while_its_child_waits(nursery: Nursery, tmp_path: Path) -> None:
    program = compiled(
        tmp_path,
        """
        #define _DEFAULT_SOURCE
        #include <unistd.h>
        int main(void) { if (vfork() == 0) { write(1, "1\\n", 2); pause(); } }
        """,
    )
    nursery.start(program)
    still = settle(nursery.census, no_queues)
    assert isinstance(still, Quiet)
    assert sorted(task.state for task in still.tasks) == ["D", "S"]


def test_a_timed_wait_rests_when_nobody_waits_it_out(nursery: Nursery) -> None:
    nursery.python(NAPPING.format(milliseconds=60_000))
    still = settle(nursery.census, no_queues, wait_out=False)
    assert isinstance(still, Resting)
    assert still.wakes_in == 60


SLEEPS_BESIDE = """
import signal, threading, time
threading.Thread(target=signal.pause).start()
print(1, flush=True)
time.sleep({})
"""


def test_a_long_mere_sleep_beside_one_that_waits_is_overlooked(nursery: Nursery) -> None:
    nursery.python(SLEEPS_BESIDE.format(3600))
    assert isinstance(settle(nursery.census, no_queues), Quiet)
    assert isinstance(settle(nursery.census, no_queues, patience=0.2, spin=9.0), Resting)  # it is to end by itself


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(SLEEPS_BESIDE.format(500), id="no long one"),
        pytest.param("import time\nprint(1, flush=True)\ntime.sleep(3600)", id="alone"),
        pytest.param(NAPPING.format(milliseconds=3_600_000), id="a wait for something"),
    ],
)
def test_another_sleep_is_never_overlooked(nursery: Nursery, program: str) -> None:
    nursery.python(program)
    assert isinstance(settle(nursery.census, no_queues, wait_out=False), Resting)


def test_a_process_on_its_way_out_is_told_from_a_living_one(nursery: Nursery) -> None:
    nursery.python("import os, signal\nprint(1, flush=True)\nif os.fork() == 0: os._exit(0)\nsignal.pause()")
    until(nursery.census.zombies, "the child ends")
    (zombie,) = nursery.census.zombies()
    endings = {pid: procfs.is_ending(pid) for pid in nursery.census.pids()}
    assert endings.pop(zombie, True)
    assert list(endings.values()) == [False]
    assert procfs.is_ending(2**22 + 1)  # beyond any number the kernel gives (proc(5): pid_max)


def test_a_short_timed_wait_is_waited_out_once(nursery: Nursery) -> None:
    nursery.python(NAPPING.format(milliseconds=150))
    start = time.monotonic()
    still = settle(nursery.census, no_queues)
    assert isinstance(still, Quiet)
    assert time.monotonic() - start < 3


def test_a_wait_longer_than_patience_is_not_waited_out(nursery: Nursery) -> None:
    nursery.python(NAPPING.format(milliseconds=60_000))
    start = time.monotonic()
    assert isinstance(settle(nursery.census, no_queues, patience=2), Resting)
    assert time.monotonic() - start < 1


def test_a_receive_limit_of_a_socket_is_not_taken_for_silence(nursery: Nursery) -> None:
    need("borrowed sockets")
    nursery.python(
        "import socket, struct\nends = socket.socketpair()\n"
        "ends[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('qq', 3600, 0))\n"
        "print(1, flush=True)\nends[0].recv(1)"
    )
    still = settle(nursery.census, no_queues, patience=1)
    assert isinstance(still, Resting)
    assert still.wakes_in == 3600


def test_what_a_timed_wait_does_at_its_end_is_seen(nursery: Nursery, queues: Queues) -> None:
    port = nursery.python(
        "import select, socket\nlistening = socket.create_server(('127.0.0.1', 0))\n"
        "print(listening.getsockname()[1], flush=True)\n"
        "connection, _ = listening.accept()\n"
        "select.poll().poll(200)\nconnection.sendall(b'late')\nconnection.recv(1)"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        assert isinstance(settle(nursery.census, looking_at(queues, port)), Quiet)
        assert client.recv(10, socket.MSG_DONTWAIT) == b"late"


def test_a_task_woken_for_nothing_has_not_ended_its_timed_wait(nursery: Nursery, queues: Queues) -> None:
    """When the peer acknowledges a FIN, whoever polls that connection is woken and goes on waiting."""
    port = nursery.python(
        "import os, select, socket\nlistening = socket.create_server(('127.0.0.1', 0))\n"
        "print(listening.getsockname()[1], flush=True)\n"
        "connection, _ = listening.accept()\nconnection.setblocking(False)\n"
        "try:\n    while True:\n        connection.send(bytes(65536))\nexcept BlockingIOError:\n    pass\n"
        "connection.shutdown(socket.SHUT_WR)\n"
        "poll = select.poll()\npoll.register(connection, select.POLLIN)\npoll.poll(500)\nos._exit(0)"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        assert isinstance(settle(nursery.census, no_queues, wait_out=False), Resting)

        looks = itertools.count()

        def reads_it_all_while_it_is_waited_for() -> int:
            if next(looks) == 3:
                while client.recv(1 << 20):
                    continue
            return 0

        asleep = settle(nursery.census, no_queues, pump=reads_it_all_while_it_is_waited_for)
        assert isinstance(asleep, Quiet)
        assert not asleep.tasks


def test_timed_waits_that_never_repeat_prove_nothing(nursery: Nursery) -> None:
    nursery.python("import select\nprint(1, flush=True)\nn = 20\nwhile True:\n    select.poll().poll(n)\n    n += 20")
    assert isinstance(settle(nursery.census, no_queues, patience=0.6), Resting | Restless)


def test_an_unreadable_call_is_never_quiet(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    nursery.python(ITERATIVE)
    files, real = nursery.census.files, nursery.census.files.read
    monkeypatch.setattr(files, "read", lambda path: procfs.DENIED if path.endswith("/syscall") else real(path))
    still = settle(nursery.census, no_queues, patience=1)
    assert isinstance(still, Resting)
    assert still.wakes_in == math.inf


def test_a_kernel_that_counts_no_runs_still_allows_the_proof(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    nursery.python(ITERATIVE)
    files, real = nursery.census.files, nursery.census.files.read
    monkeypatch.setattr(files, "read", lambda path: b"0 0 0\n" if path.endswith("/schedstat") else real(path))
    assert isinstance(settle(nursery.census, no_queues), Quiet)


def test_a_server_that_burns_cpu_is_spinning(nursery: Nursery) -> None:
    nursery.python("print(1, flush=True)\nwhile True: pass")
    still = settle(nursery.census, no_queues)
    assert isinstance(still, Spinning)
    assert 0.9 <= still.share <= 1


def test_a_spinning_thread_among_sleeping_ones_is_named(nursery: Nursery, tmp_path: Path) -> None:
    program = compiled(
        tmp_path,
        """
        #include <pthread.h>
        #include <stdio.h>
        #include <unistd.h>
        static void *spin(void *unused) {
            printf("%d\\n", gettid()); fflush(stdout);
            for (volatile unsigned n = 0;; n++) {}
            return unused;
        }
        int main(void) { pthread_t thread; pthread_create(&thread, NULL, spin, NULL); pause(); }
        """,
        "-D_GNU_SOURCE",
        "-pthread",
    )
    tid = nursery.start(program)
    still = settle(nursery.census, no_queues)
    assert isinstance(still, Spinning)
    assert still.task.tid == tid


def test_waiting_for_a_cpu_counts_as_spinning(nursery: Nursery) -> None:
    pinned = "import os\nos.sched_setaffinity(0, {max(os.sched_getaffinity(0))})\nprint(os.getpid(), flush=True)\n"
    pids = {nursery.python(pinned + "while True: pass") for _ in range(3)}
    still = settle(nursery.census, no_queues)
    assert isinstance(still, Spinning)
    assert still.task.pid in pids


def test_a_busy_server_whose_queues_move_is_not_spinning(nursery: Nursery) -> None:
    nursery.python("print(1, flush=True)\nwhile True: pass")
    ticks = iter(range(1_000_000))
    assert isinstance(settle(nursery.census, lambda: next(ticks), patience=0.6), Restless)


def test_two_processes_that_never_rest_are_restless(nursery: Nursery) -> None:
    nursery.python(
        "import os\nthere, back = os.pipe(), os.pipe()\nprint(1, flush=True)\n"
        "mine, yours = (there[0], back[1]) if os.fork() else (back[0], there[1])\n"
        "if mine == there[0]: os.write(yours, b'x')\n"
        "while True: os.write(yours, os.read(mine, 1))"
    )
    still = settle(nursery.census, no_queues, patience=0.5)
    assert isinstance(still, Restless | Spinning)


def test_a_trapped_call_that_was_let_go_starts_the_look_anew(nursery: Nursery) -> None:
    nursery.python(ITERATIVE)
    waiting = [3, 2, 1]
    pumped: list[int] = []

    def pump() -> int:
        pumped.append(waiting.pop() if waiting else 0)
        return pumped[-1]

    assert isinstance(settle(nursery.census, no_queues, pump=pump), Quiet)
    assert (waiting, pumped[-1]) == ([], 0)


def test_silence_is_never_proven_before_the_answer_is_there(nursery: Nursery, queues: Queues) -> None:
    port = nursery.python(ITERATIVE)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        proofs: list[Stillness] = []
        for _ in range(200):
            client.sendall(b"x")
            proofs.append(settle(nursery.census, looking_at(queues, port)))
            assert client.recv(1, socket.MSG_DONTWAIT) == b"x"
    assert all(isinstance(proof, Quiet) for proof in proofs)


def test_a_one_process_server_settles_in_less_than_a_millisecond(nursery: Nursery) -> None:
    nursery.python(ITERATIVE)
    settle(nursery.census, no_queues)
    costs = []
    for _ in range(200):
        start = time.perf_counter()
        settle(nursery.census, no_queues)
        costs.append(time.perf_counter() - start)
    assert min(costs) < 0.001


def test_a_tick_may_hide_a_later_one_so_whoever_is_blamed_is_watched_for_longer(
    nursery: Nursery, queues: Queues
) -> None:
    port = nursery.python(
        "import select, socket\nlistening = socket.create_server(('127.0.0.1', 0))\n"
        "print(listening.getsockname()[1], flush=True)\n"
        "connection, _ = listening.accept()\n"
        "for _ in range(10): select.poll().poll(50)\n"
        "connection.sendall(b'late')\nwhile True: select.poll().poll(50)"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        still = settle(nursery.census, looking_at(queues, port), ticks=Ticks(sure=True))
        assert isinstance(still, Quiet)
        assert client.recv(10, socket.MSG_DONTWAIT) == b"late"


def test_work_that_ends_is_no_spin_where_more_is_asked_for(nursery: Nursery) -> None:
    nursery.python(
        "import time\nprint(1, flush=True)\nuntil = time.process_time() + 0.6\n"
        "while time.process_time() < until: pass\nimport signal\nsignal.pause()"
    )
    assert isinstance(settle(nursery.census, no_queues, patience=30, spin=2.0), Quiet)


BUSY_FOR_LONG = """
import time
print(1, flush=True)
time.sleep(0.5)
while True: pass
"""


def test_who_was_seen_asleep_between_two_tries_is_not_restless_when_patience_ends(nursery: Nursery) -> None:
    nursery.python(BUSY_FOR_LONG)
    assert isinstance(settle(nursery.census, no_queues, patience=0.8, spin=99.0), Resting)


def test_what_the_target_took_is_no_more_than_was_waited(nursery: Nursery) -> None:
    nursery.python(BUSY_FOR_LONG)
    own = OwnTime()
    settle(nursery.census, no_queues, patience=0.8, spin=99.0, own=own)
    assert 0 < own.seconds <= 0.8 + _A_LOOK


def test_a_long_sleep_of_one_thread_does_not_hide_that_another_ends_the_process(nursery: Nursery) -> None:
    nursery.python(
        "import os, threading, time\nthreading.Thread(target=time.sleep, args=(900,), daemon=True).start()\n"
        "print(1, flush=True)\ntime.sleep(0.3)\nos._exit(0)"
    )
    assert isinstance(settle(nursery.census, no_queues, patience=30), Resting)
    still = settle(nursery.census, no_queues, patience=30, spin=2.0)
    assert isinstance(still, Quiet)
    assert not still.tasks
