"""After a skip every clock of the program says so, in every process and thread, and nothing else has changed."""

from __future__ import annotations

import signal
import time

import pytest

from gatecrash.instruments.clock import CLOCK_TRAPS
from gatecrash.instruments.quiescence import Quiet, Resting
from tests.clock.conftest import Start

CLOCKS = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static const struct { const char *name; clockid_t id; } clocks[] = {
    {"REALTIME", CLOCK_REALTIME}, {"MONOTONIC", CLOCK_MONOTONIC}, {"RAW", CLOCK_MONOTONIC_RAW},
    {"REALTIME_COARSE", CLOCK_REALTIME_COARSE}, {"MONOTONIC_COARSE", CLOCK_MONOTONIC_COARSE},
    {"BOOTTIME", CLOCK_BOOTTIME}, {"TAI", CLOCK_TAI},
    {"PROCESS_CPUTIME_ID", CLOCK_PROCESS_CPUTIME_ID}, {"THREAD_CPUTIME_ID", CLOCK_THREAD_CPUTIME_ID},
};
enum { COUNT = sizeof clocks / sizeof clocks[0] };
static double seconds(struct timespec t) { return t.tv_sec + t.tv_nsec / 1e9; }
static void read_all(double *to) {
    struct timespec t;
    struct timeval v;
    for (int i = 0; i < COUNT; i++) { READ(clocks[i].id, &t); to[i] = seconds(t); }
    DAY(&v, NULL);
    to[COUNT] = v.tv_sec + v.tv_usec / 1e6;
    to[COUNT + 1] = TIME(NULL);
}
int main(void) {
    double before[COUNT + 2], after[COUNT + 2];
    read_all(before);
    sleep(100);
    read_all(after);
    for (int i = 0; i < COUNT; i++) printf("%s %.0f\n", clocks[i].name, after[i] - before[i]);
    printf("gettimeofday %.0f\n", after[COUNT] - before[COUNT]);
    time_t t, u = TIME(&t);
    printf("time %s, %d\n", after[COUNT + 1] - before[COUNT + 1] < 100 ? "too early" : "well", t == u);
    struct timespec late;
    READ(CLOCK_REALTIME, &late);
    printf("behind %d\n", u > late.tv_sec);
    return 0;
}
"""
BY = {
    "the C library": "#define READ clock_gettime\n#define DAY gettimeofday\n#define TIME time\n",
    "system calls": "#define READ(i, t) syscall(SYS_clock_gettime, i, t)\n"
    "#define DAY(v, z) syscall(SYS_gettimeofday, v, z)\n#define TIME(t) syscall(SYS_time, t)\n",
}


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("flags", [(), ("-static",)], ids=["dynamic", "static"])
def test_all_clocks_agree_but_those_of_the_processor(start: Start, by: str, flags: tuple[str, ...]) -> None:
    said = start(c=BY[by] + CLOCKS, flags=flags).run()
    assert dict(line.split(maxsplit=1) for line in said.splitlines()) == {
        **dict.fromkeys(
            ("REALTIME", "MONOTONIC", "RAW", "REALTIME_COARSE", "MONOTONIC_COARSE", "BOOTTIME", "TAI"), "100"
        ),
        **dict.fromkeys(("PROCESS_CPUTIME_ID", "THREAD_CPUTIME_ID"), "0"),
        "gettimeofday": "100",
        "time": "well, 1",
        "behind": "0",
    }


def test_before_the_first_skip_the_clocks_are_those_of_the_machine(start: Start) -> None:
    target = start(py="import time; print(time.time(), time.monotonic(), flush=True); time.sleep(50)")
    target.until(lambda: target.said().endswith("\n"), "it says what time it is")
    wall, monotonic = map(float, target.said().split())
    assert abs(wall - time.time()) < 20
    assert abs(monotonic - time.monotonic()) < 20
    assert target.clock.skipped == 0


PROCESSES = """
import os, subprocess, sys, threading, time
began = time.monotonic()
def say(who):
    os.write(1, f"{who} {time.monotonic() - began:.0f}\\n".encode())
time.sleep(100)
say("itself")
if os.fork() == 0:
    say("a child")
    time.sleep(100)
    say("a child, later")
    os._exit(0)
os.wait()
say("its parent")
thread = threading.Thread(target=lambda: (say("a thread"), time.sleep(100), say("a thread, later")))
thread.start(); thread.join()
code = f"import time; print('a program', round(time.monotonic() - {began})); time.sleep(100)"
code += f"; print('a program, later', round(time.monotonic() - {began}))"
subprocess.run([sys.executable, "-I", "-S", "-c", code])
say("at last")
"""


def test_processes_threads_and_programs_started_later_live_by_the_same_clock(start: Start) -> None:
    target = start(py=PROCESSES)
    assert target.run().splitlines() == [
        *("itself 100", "a child 100", "a child, later 200", "its parent 200"),
        *("a thread 200", "a thread, later 300", "a program 300", "a program, later 400", "at last 400"),
    ]


def test_a_shell_that_looks_for_its_commands_finds_them(start: Start) -> None:
    """execvp(3) tries one folder after the other: what is not there is no program whose clock to set."""
    shell = "sleep 100; sleep 100; exec date +%s"
    code = f"import os; os.execvpe('sh', ['sh', '-c', {shell!r}], {{'PATH': '/no:/bin:/usr/bin'}})"
    before = time.time()
    target = start(py=code)
    said = int(target.run())
    assert 199 < said - before < 220


def test_a_program_executed_by_a_thread_has_the_clock_too(start: Start) -> None:
    code = (
        "import os, sys, threading, time\n"
        "began = time.time()\n"
        "time.sleep(100)\n"
        "code = f'import time; print(round(time.time() - {began}))'\n"
        "argv = [sys.executable, '-I', '-S', '-c', code]\n"
        "threading.Thread(target=lambda: os.execv(sys.executable, argv)).start()\n"
        "time.sleep(1000)\n"
    )
    assert start(py=code).run() == "100\n"


def test_the_soonest_comes_first_whoever_began_to_wait_first(start: Start) -> None:
    code = (
        "import os, time\n"
        "began = time.monotonic()\n"
        "for seconds in (70, 30, 50):\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(seconds)\n"
        "        print(seconds, round(time.monotonic() - began))\n"
        "        os._exit(0)\n"
        "for _ in range(3): os.wait()\n"
    )
    target = start(py=code)
    assert target.run().splitlines() == ["30 30", "50 50", "70 70"]
    assert 69 < target.clock.skipped <= 70


def test_who_waits_until_a_moment_waits_for_that_of_its_own_clock(start: Start) -> None:
    code = (
        "import threading, time\n"
        "lock = threading.Lock(); lock.acquire()\n"
        "began = time.monotonic()\n"
        "for _ in range(5):\n"
        "    print(lock.acquire(timeout=40), threading.Event().wait(60), round(time.monotonic() - began))\n"
    )
    target = start(py=code)
    assert target.run().splitlines() == [f"False False {100 * number}" for number in range(1, 6)]
    assert len(target.expired) == 10


DEADLINE = r"""
#include <poll.h>
#include <stdio.h>
#include <time.h>
static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
int main(void) {
    long deadline = now() + 60000, left;
    int rounds = 0;
    while ((left = deadline - now()) > 0) { poll(NULL, 0, left < 7000 ? left : 7000); rounds++; }
    printf("%d rounds, %ld late\n", rounds, -left / 1000);
    return 0;
}
"""


def test_a_deadline_that_a_program_works_out_itself_is_met(start: Start) -> None:
    assert start(c=DEADLINE).run(most=12).split(",")[1] == " 0 late\n"


# --- Nothing is skipped by itself, and what happens meanwhile happens ------------------------------------------------

WAITING = """
import os, select, signal, socket, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
"""


def test_a_wait_is_proven_to_be_one_with_its_limit_and_stays_until_the_word_is_given(start: Start) -> None:
    target = start(py=WAITING + "print(select.select([server], [], [], 30))")
    target.says("\n")
    still = target.settle()
    assert isinstance(still, Resting)
    assert 20 < still.wakes_in <= 30
    (held,) = target.clock.held()
    assert held.call in ("select", "pselect6")
    assert 20 < held.left <= 30
    assert target.clock.skipped == 0
    assert target.process.exit_status() is None
    expired = target.clock.expire(still.tasks)
    assert expired is not None
    assert target.run().splitlines()[1:] == ["([], [], [])"]


def test_who_waits_without_a_limit_is_quiet_and_no_word_wakes_it(start: Start) -> None:
    target = start(py=WAITING + "select.select([server], [], [])")
    target.says("\n")
    assert isinstance(target.settle(), Quiet)
    assert (target.clock.held(), target.clock.expire()) == ((), None)
    assert target.clock.skipped == 0


def test_a_client_is_served_while_a_limit_runs(start: Start, arena: object) -> None:
    code = WAITING + "print([len(one) for one in select.select([server], [], [], 300)]); time.sleep(300)"
    target = start(py=code)
    target.says("\n")
    assert isinstance(target.settle(), Resting)
    with target.connect():
        target.says("[1, 0, 0]")
    assert target.clock.skipped == 0


def test_a_wait_that_has_ended_is_not_ended_again(start: Start) -> None:
    code = WAITING + "print(len(select.select([server], [], [], 300)[0])); time.sleep(500)"
    target = start(py=code)
    target.says("\n")
    still = target.settle()
    assert isinstance(still, Resting)
    with target.connect():
        target.says("1\n")
        target.settle()
        assert target.clock.expire(still.tasks) is None
    assert target.clock.skipped == 0


HANDLING = (
    "import signal, select, time, os\nsignal.signal(signal.SIGUSR1, lambda *_: print('handled'))\nprint('ready')\n"
)


def test_a_signal_interrupts_a_wait_as_ever(start: Start) -> None:
    target = start(
        py=HANDLING + "signal.siginterrupt(signal.SIGUSR1, True)\nselect.select([], [], [], 300); print('up')"
    )
    target.says("ready")
    assert isinstance(target.settle(), Resting)
    target.process.signal(signal.SIGUSR1)
    target.says("handled")
    assert target.clock.skipped == 0
    assert target.run().splitlines() == ["ready", "handled", "up"]


def test_a_signal_that_ends_it_ends_it(start: Start) -> None:
    target = start(py="import time; print('ready'); time.sleep(300)")
    target.says("ready")
    assert isinstance(target.settle(), Resting)
    target.process.signal(signal.SIGTERM)
    target.until(lambda: target.process.exit_status() is not None, "it ends")
    assert target.process.exit_status() == -signal.SIGTERM
    assert target.clock.skipped == 0


@pytest.mark.parametrize("wait", ["time.sleep(300)", "select.poll().poll(300000)", "lock.acquire(timeout=300)"])
def test_who_is_stopped_and_continued_waits_for_the_rest(start: Start, wait: str) -> None:
    code = HANDLING + f"import threading\nlock = threading.Lock(); lock.acquire()\nbegan = time.monotonic()\n{wait}\n"
    target = start(py=code + "print(round(time.monotonic() - began))")
    target.says("ready")
    assert isinstance(target.settle(), Resting)
    target.process.signal(signal.SIGSTOP)
    target.until(lambda: all(task.state == "T" for task in target.census.tasks()), "it is stopped")
    assert target.clock.expire() is None
    assert isinstance(target.settle(), Quiet)
    target.process.signal(signal.SIGCONT)
    assert target.run().splitlines() == ["ready", "300"]


def test_a_dead_child_is_waited_for_while_its_parent_sleeps(start: Start) -> None:
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGCHLD, lambda *_: print('reaped', os.waitpid(-1, os.WNOHANG)[1]))\n"
        "if os.fork() == 0: time.sleep(50); os._exit(0)\n"
        "began = time.monotonic(); time.sleep(200); print(round(time.monotonic() - began))\n"
    )
    assert start(py=code).run().splitlines() == ["reaped 0", "200"]


def test_what_began_before_a_skip_ends_in_its_time_though_nothing_is_still(start: Start) -> None:
    """One thread works without a rest: nothing is skipped any more, and the other's last second is a real one."""
    code = (
        "import os, threading, time\n"
        "began = time.monotonic()\n"
        "def late():\n"
        "    time.sleep(1000.3)\n"
        "    os.write(1, f'{time.monotonic() - began:.0f}'.encode()); os._exit(0)\n"
        "threading.Thread(target=late).start()\n"
        "time.sleep(1000)\n"
        "while True: pass\n"
    )
    target = start(py=code)
    target.until(lambda: len(target.clock.held()) == 2, "both sleep")
    assert target.skip() is not None
    target.until(lambda: target.process.exit_status() is not None, "it ends")
    assert target.said() == "1000"
    assert target.clock.skipped < 1000.1


# --- What cannot be skipped ------------------------------------------------------------------------------------------


def test_a_program_whose_clock_cannot_be_set_is_named_and_its_time_is_real(start: Start) -> None:
    code = "import os; os.execv('/bin/sleep', ['sleep', '300'])"
    target = start(py=code, traps=CLOCK_TRAPS - {"exec"})
    target.until(lambda: target.clock.held(), "it sleeps")
    assert target.skip() is not None
    assert target.clock.real_because == f"the clock of sleep (process {target.process.pid}) cannot be set"
    assert target.clock.expire() is None


COUNTING = r"""
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
int main(void) {
    double began = now(), rate;
    unsigned long long zero = __rdtsc();
    while (now() < began + 0.3) continue;
    rate = (__rdtsc() - zero) / (now() - began);
    for (;;) {
        double left = 60 - (__rdtsc() - zero) / rate;
        if (left <= 0) return 0;
        poll(NULL, 0, left * 1000);
    }
}
"""


def test_a_program_that_counts_time_by_its_processor_is_found_and_its_time_is_real(start: Start) -> None:
    target = start(c=COUNTING)
    for _ in range(400):
        if target.clock.real_because is not None:
            break
        target.skip()
    assert target.clock.real_because is not None
    assert "program (process" in target.clock.real_because
    assert "asks again for the wait that it was just given" in target.clock.real_because
    assert target.clock.expire() is None
    assert isinstance(target.settle(), Resting)


COUNTING_BY_A_SLEEP = r"""
#include <poll.h>
#include <unistd.h>
#include <x86intrin.h>
int main(void) {
    unsigned long long before = __rdtsc(), rate;
    sleep(1);
    rate = __rdtsc() - before;
    for (;;) {
        unsigned long long zero = __rdtsc();
        for (double left = 30; left > 0; left = 30 - (double)(__rdtsc() - zero) / rate)
            poll(NULL, 0, left * 1000);
    }
}
"""


def test_a_program_that_has_measured_its_counter_by_a_sleep_is_found_too(start: Start) -> None:
    target = start(c=COUNTING_BY_A_SLEEP)
    for _ in range(400):
        if target.clock.real_because is not None:
            break
        target.skip()
    assert target.clock.real_because is not None
    assert "asks again for the wait that it was just given" in target.clock.real_because


@pytest.mark.parametrize(
    "loop",
    [
        pytest.param("time.sleep(10)", id="a tick"),
        pytest.param("time.sleep(max(0, began + 10 * number + 10 - time.monotonic()))", id="a tick without drift"),
        pytest.param("select.select([], [], [], 10 - number / 10)", id="less each time"),
    ],
)
def test_who_waits_again_and_again_for_its_own_reasons_is_believed(start: Start, loop: str) -> None:
    code = f"import select, time\nbegan = time.monotonic()\nfor number in range(30):\n    {loop}\nprint('done')\n"
    assert start(py=code).run() == "done\n"
