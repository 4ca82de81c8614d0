"""Timers, which no task sleeps in: they come when the tester says so, and say what is left by the program's clock."""

from __future__ import annotations

import pytest

from gatecrash.instruments.quiescence import Quiet, Resting, Span, settle
from tests.clock.conftest import Start

PYTHON = """
import os, select, signal, sys, threading, time
began = time.monotonic()
def say(*what):
    os.write(1, (" ".join(map(str, what)) + f" {time.monotonic() - began:.0f}\\n").encode())
"""
PYTHONS = {
    "alarm": (
        "signal.signal(signal.SIGALRM, lambda *_: say('rang')); signal.alarm(30); signal.pause(); say('on')",
        "rang 30\non 30\n",
    ),
    "alarm in the middle of a longer wait": (
        "signal.signal(signal.SIGALRM, lambda *_: say('rang')); signal.alarm(30); time.sleep(70); say('on')",
        "rang 30\non 70\n",
    ),
    "alarm that was called off": (
        "signal.alarm(30); time.sleep(10); say('left', signal.alarm(0)); time.sleep(60); say('on')",
        "left 20 10\non 70\n",
    ),
    "alarm as a limit of a read": (
        "class Late(Exception): pass\n"
        "def late(*_): raise Late\n"
        "signal.signal(signal.SIGALRM, late); signal.alarm(30)\n"
        "try: os.read(os.pipe()[0], 1)\n"
        "except Late: say('late')",
        "late 30\n",
    ),
    "alarm that is waited for": (
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}); signal.alarm(30)\n"
        "say(signal.sigwait({signal.SIGALRM}).name)",
        "SIGALRM 30\n",
    ),
    "setitimer": (
        "signal.signal(signal.SIGALRM, lambda *_: say('rang')); signal.setitimer(signal.ITIMER_REAL, 30, 20)\n"
        "for _ in range(3): signal.pause()\n"
        "say(*map(round, signal.getitimer(signal.ITIMER_REAL)))",
        "rang 30\nrang 50\nrang 70\n20 20 70\n",
    ),
    "setitimer and what else takes time": (
        "signal.signal(signal.SIGALRM, lambda *_: say('rang')); signal.setitimer(signal.ITIMER_REAL, 30, 20)\n"
        "for _ in range(3): time.sleep(24)\n"
        "say(*map(round, signal.setitimer(signal.ITIMER_REAL, 0)), *signal.getitimer(signal.ITIMER_REAL))",
        "rang 30\nrang 50\nrang 70\n18 20 0.0 0.0 72\n",
    ),
    "threading.Timer": ("threading.Timer(30, lambda: say('now')).start(); say('on')", "on 0\nnow 30\n"),
    "asyncio": (
        "import asyncio\n"
        "async def main():\n"
        "    loop, end = asyncio.get_running_loop(), asyncio.Event()\n"
        "    loop.call_later(30, say, 'called'); loop.call_later(60, end.set)\n"
        "    await end.wait(); say('on')\n"
        "asyncio.run(main())",
        "called 30\non 60\n",
    ),
    "a child has no alarm of its parent's": (
        "signal.signal(signal.SIGALRM, lambda *_: say('rang', os.getpid() == parent))\n"
        "parent = os.getpid(); signal.alarm(30)\n"
        "if os.fork() == 0: say('left', signal.alarm(0)); time.sleep(50); os._exit(0)\n"
        "os.wait(); say('on')",
        "left 0 0\nrang True 30\non 50\n",
    ),
    "the next program has it": (
        "code = f\"import os, time, signal; end = lambda *_: os._exit(round(time.monotonic() - {began}))\"\n"
        "code += '; signal.signal(signal.SIGALRM, end); time.sleep(99)'\n"
        "signal.alarm(30)\n"
        "if os.fork() == 0:\n"
        "    signal.alarm(40); os.execv(sys.executable, [sys.executable, '-I', '-S', '-c', code])\n"
        "signal.signal(signal.SIGALRM, lambda *_: say('rang'))\n"
        "say(os.waitstatus_to_exitcode(os.wait()[1]))",
        "rang 30\n40 40\n",
    ),
    "an alarm ends with its process": (
        "if os.fork() == 0: signal.alarm(30); os._exit(0)\n"
        "os.wait(); time.sleep(90); say('on')",
        "on 90\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PYTHONS)
def test_a_timer_of_a_program_in_python_comes_in_its_time(start: Start, name: str) -> None:
    code, said = PYTHONS[name]
    assert start(py=PYTHON + code).run() == said


def test_an_alarm_that_nobody_handles_ends_the_program(start: Start) -> None:
    target = start(py="import signal; signal.alarm(30); signal.pause()")
    assert target.run() == ""
    assert target.process.exit_status() == -14
    assert 29 < target.clock.skipped <= 30


PREAMBLE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static struct timespec began;
static volatile sig_atomic_t rang;
static inline double passed(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec - began.tv_sec + (t.tv_nsec - began.tv_nsec) / 1e9;
}
#define SAY(...) (printf(__VA_ARGS__), printf(" at %.0f\n", passed()), fflush(stdout))
static inline void ring(int number) { (void)number; rang++; }
static inline struct itimerspec spec(long value, long interval) {
    return (struct itimerspec){{interval, 0}, {value, 0}};
}
static inline struct itimerspec until(clockid_t clock, long later, long interval) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (struct itimerspec){{interval, 0}, {t.tv_sec + later, t.tv_nsec}};
}
static inline long left(struct itimerspec s) { return s.it_value.tv_sec + (s.it_value.tv_nsec >= 500000000); }
static inline uint64_t ticks(int fd) { uint64_t n = 0; return read(fd, &n, sizeof n) == sizeof n ? n : 0; }
static inline void *waits(void *nothing) {
    while (!rang) pause();
    SAY("%d", (int)rang);
    exit(0);
    return nothing;
}
static inline void handle(int number) {
    if (sigaction(number, &(struct sigaction){.sa_handler = ring}, NULL)) exit(9);
}
"""
MAIN = "int main(void) { clock_gettime(CLOCK_MONOTONIC, &began); %s return 0; }"
TIMER = "timer_t t; struct itimerspec s; handle(SIGALRM); if (timer_create(%s, NULL, &t)) return 1;"
TIMERFD = "struct itimerspec s; int fd = timerfd_create(%s, 0); if (fd < 0) return 1;"
POSIX = {
    "relative": (
        TIMER % "CLOCK_MONOTONIC" + "s = spec(30, 0); timer_settime(t, 0, &s, NULL); pause(); SAY(\"%d\", (int)rang);"
        "timer_gettime(t, &s); SAY(\"left %ld\", left(s)); sleep(60); SAY(\"%d\", (int)rang);",
        "1 at 30\nleft 0 at 30\n1 at 90\n",
    ),
    "absolute": (
        TIMER % "CLOCK_REALTIME" + "sleep(100); s = until(CLOCK_REALTIME, 30, 0);"
        "timer_settime(t, TIMER_ABSTIME, &s, NULL); pause(); SAY(\"%d\", (int)rang);",
        "1 at 130\n",
    ),
    "at a moment that has passed": (
        TIMER % "CLOCK_MONOTONIC" + "sleep(100); s = until(CLOCK_MONOTONIC, -10, 0);"
        "timer_settime(t, TIMER_ABSTIME, &s, NULL); while (!rang) usleep(1000); SAY(\"%d\", (int)rang);",
        "1 at 100\n",
    ),
    "again and again": (
        TIMER % "CLOCK_BOOTTIME" + "s = spec(30, 20); timer_settime(t, 0, &s, NULL);"
        "for (int i = 0; i < 3; i++) { pause(); SAY(\"%d\", (int)rang); }"
        "sleep(5); timer_gettime(t, &s); SAY(\"left %ld of %ld\", left(s), (long)s.it_interval.tv_sec);"
        "s = spec(0, 0); struct itimerspec old; timer_settime(t, 0, &s, &old); SAY(\"left %ld\", left(old));"
        "sleep(100); SAY(\"%d\", (int)rang);",
        "1 at 30\n2 at 50\n3 at 70\nleft 15 of 20 at 75\nleft 15 at 75\n3 at 175\n",
    ),
    "deleted": (
        TIMER % "CLOCK_MONOTONIC" + "s = spec(30, 0); timer_settime(t, 0, &s, NULL); sleep(10); timer_delete(t);"
        "sleep(90); SAY(\"%d\", (int)rang);",
        "0 at 100\n",
    ),
    "of two threads": (
        "sigset_t set; sigemptyset(&set); sigaddset(&set, SIGRTMIN + 1); sigprocmask(SIG_BLOCK, &set, NULL);"
        "timer_t t; struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1};"
        "e.sigev_value.sival_int = 77; e._sigev_un._tid = gettid(); timer_create(CLOCK_MONOTONIC, &e, &t);"
        "struct itimerspec s = spec(30, 0); timer_settime(t, 0, &s, NULL); siginfo_t i; sigwaitinfo(&set, &i);"
        "SAY(\"%d %d %d\", i.si_code == SI_TIMER, i.si_value.sival_int, i.si_overrun);",
        "1 77 0 at 30\n",
    ),
    "in silence": (
        "timer_t t; struct sigevent e = {.sigev_notify = SIGEV_NONE}; timer_create(CLOCK_MONOTONIC, &e, &t);"
        "struct itimerspec s = spec(30, 0); timer_settime(t, 0, &s, NULL); sleep(20); timer_gettime(t, &s);"
        "SAY(\"left %ld\", left(s));",
        "left 10 at 20\n",
    ),
    "of a program whose first thread has ended": (
        "pthread_t other; timer_t t; handle(SIGALRM); pthread_create(&other, NULL, waits, NULL);"
        "struct itimerspec s = spec(30, 0); timer_create(CLOCK_MONOTONIC, NULL, &t);"
        "timer_settime(t, 0, &s, NULL); pthread_exit(NULL);",
        "1 at 30\n",
    ),
    "what the kernel refuses": (
        "struct itimerspec s = {0}; long r = syscall(SYS_timer_settime, 99, 0, &s, NULL);"
        "SAY(\"%ld %s\", r, strerrorname_np(errno));"
        "r = setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {1, 1000000}}, NULL);"
        "SAY(\"%ld %s\", r, strerrorname_np(errno));",
        "-1 EINVAL at 0\n-1 EINVAL at 0\n",
    ),
    "of the processor": (
        "signal(SIGPROF, ring); struct itimerval v = {{0, 0}, {0, 20000}}; setitimer(ITIMER_PROF, &v, NULL); sleep(30);"
        "SAY(\"%d\", (int)rang); while (!rang) { } SAY(\"%d\", (int)rang);",
        "0 at 30\n1 at 30\n",
    ),
}  # fmt: skip
TIMERFDS = {
    "read": (
        TIMERFD % "CLOCK_MONOTONIC" + "s = spec(30, 20); timerfd_settime(fd, 0, &s, NULL);"
        "for (int i = 0; i < 3; i++) { uint64_t n = ticks(fd); SAY(\"%d\", (int)n); }"
        "timerfd_gettime(fd, &s); SAY(\"left %ld of %ld\", left(s), (long)s.it_interval.tv_sec);",
        "1 at 30\n1 at 50\n1 at 70\nleft 20 of 20 at 70\n",
    ),
    "polled": (
        TIMERFD % "CLOCK_BOOTTIME" + "s = spec(30, 0); timerfd_settime(fd, 0, &s, NULL);"
        "int r = poll(&(struct pollfd){fd, POLLIN, 0}, 1, -1); SAY(\"%d\", r); r = (int)ticks(fd); SAY(\"%d\", r);",
        "1 at 30\n1 at 30\n",
    ),
    "selected with a longer limit": (
        TIMERFD % "CLOCK_REALTIME" + "s = spec(30, 0); timerfd_settime(fd, 0, &s, NULL); fd_set set; FD_ZERO(&set);"
        "FD_SET(fd, &set); int r = select(fd + 1, &set, NULL, NULL, &(struct timeval){50, 0}); SAY(\"%d\", r);",
        "1 at 30\n",
    ),
    "by epoll, an edge each": (
        TIMERFD % "CLOCK_MONOTONIC" + "s = spec(30, 20); timerfd_settime(fd, 0, &s, NULL); int e = epoll_create1(0);"
        "struct epoll_event v = {.events = EPOLLIN | EPOLLET}; epoll_ctl(e, EPOLL_CTL_ADD, fd, &v);"
        "for (int i = 0; i < 3; i++) { epoll_wait(e, &v, 1, -1); uint64_t n = ticks(fd); SAY(\"%d\", (int)n); }",
        "1 at 30\n1 at 50\n1 at 70\n",
    ),
    "until a moment": (
        TIMERFD % "CLOCK_REALTIME" + "sleep(100); s = until(CLOCK_REALTIME, 30, 10);"
        "struct itimerspec old = spec(7, 7); timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, &old); SAY(\"%ld\", left(old));"
        "for (int i = 0; i < 2; i++) { uint64_t n = ticks(fd); SAY(\"%d\", (int)n); }",
        "0 at 100\n1 at 130\n1 at 140\n",
    ),
    "until a moment set before": (
        TIMERFD % "CLOCK_MONOTONIC" + "s = until(CLOCK_MONOTONIC, 30, 0);"
        "timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, NULL); sleep(10); timerfd_gettime(fd, &s);"
        "SAY(\"left %ld\", left(s));"
        "uint64_t n = ticks(fd); SAY(\"%d\", (int)n);",
        "left 20 at 10\n1 at 30\n",
    ),
    "counted while nobody reads": (
        TIMERFD % "CLOCK_MONOTONIC" + "s = spec(30, 20); timerfd_settime(fd, 0, &s, NULL); sleep(100);"
        "uint64_t n = ticks(fd); SAY(\"%d\", (int)n); timerfd_gettime(fd, &s); SAY(\"left %ld\", left(s));",
        "4 at 100\nleft 10 at 100\n",
    ),
    "shared with a child": (
        TIMERFD % "CLOCK_MONOTONIC" + "s = spec(30, 20); timerfd_settime(fd, 0, &s, NULL); int copy = dup(fd);"
        "if (fork() == 0) { sleep(60); uint64_t n = ticks(copy); SAY(\"%d\", (int)n); _exit(0); } wait(NULL);"
        "timerfd_gettime(fd, &s); SAY(\"left %ld\", left(s));",
        "2 at 60\nleft 10 at 60\n",
    ),
    "disarmed": (
        TIMERFD % "CLOCK_MONOTONIC" + "s = spec(30, 0); timerfd_settime(fd, 0, &s, NULL); sleep(10); s = spec(0, 0);"
        "timerfd_settime(fd, 0, &s, NULL); int r = poll(&(struct pollfd){fd, POLLIN, 0}, 1, 60000); SAY(\"%d\", r);",
        "0 at 70\n",
    ),
    "moved on": (
        TIMERFD % "CLOCK_MONOTONIC" + "s = spec(30, 0); for (int i = 0; i < 4; i++) {"
        " timerfd_settime(fd, 0, &s, NULL); poll(&(struct pollfd){fd, POLLIN, 0}, 1, 20000); }"
        "uint64_t n = ticks(fd); SAY(\"%d\", (int)n);",
        "1 at 90\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", POSIX)
def test_a_timer_of_a_program_in_c_comes_in_its_time(start: Start, name: str) -> None:
    body, said = POSIX[name]
    assert start(c=PREAMBLE + MAIN % body, flags=STRICT).run() == said


#: A timer for each of many clients, who is let go, with it, when that comes: nothing is told of it behind that.
CLOSED = TIMERFD.replace("int fd", "int fd, all[64], e = epoll_create1(0), late = 0; struct epoll_event v; fd") % (
    "CLOCK_MONOTONIC"
) + (
    "for (int i = 0; i < 64; i++) { all[i] = timerfd_create(CLOCK_MONOTONIC, 0); s = spec(30 + i % 4, 0);"
    " v = (struct epoll_event){.events = EPOLLIN, .data.u32 = i};"
    " timerfd_settime(all[i], 0, &s, NULL); epoll_ctl(e, EPOLL_CTL_ADD, all[i], &v); }"
    "for (int left = 64; left;) { epoll_wait(e, &v, 1, -1); int i = (int)v.data.u32;"
    " if (all[i] < 0) { late++; continue; } close(all[i]); all[i] = -1; left--; }"
    "while (epoll_wait(e, &v, 1, 0) > 0 && late < 1000) late++;"
    "SAY(\"%d\", late);"
)  # fmt: skip


def test_a_timer_that_its_owner_closes_when_it_comes_does_not_come_again(start: Start) -> None:
    assert start(c=PREAMBLE + MAIN % CLOSED, flags=STRICT).run() == "0 at 33\n"


@pytest.mark.parametrize("name", TIMERFDS)
def test_a_timer_that_is_a_descriptor_comes_in_its_time(start: Start, name: str) -> None:
    body, said = TIMERFDS[name]
    assert start(c=PREAMBLE + MAIN % body, flags=STRICT).run() == said


STRICT = ("-Wall", "-Wextra", "-Werror", "-pthread")
CALLED_BACK = r"""
static void called(union sigval v) { SAY("called with %d", v.sival_int); }
int main(void) {
    clock_gettime(CLOCK_MONOTONIC, &began);
    timer_t t;
    struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = called, .sigev_value.sival_int = 7};
    if (timer_create(CLOCK_MONOTONIC, &e, &t)) return 1;
    struct itimerspec s = spec(30, 20);
    timer_settime(t, 0, &s, NULL);
    sleep(60);
    return 0;
}
"""


def test_a_timer_that_calls_a_function_in_a_thread_does_so(start: Start) -> None:
    said = start(c=PREAMBLE + CALLED_BACK, flags=STRICT).run()
    assert said == "called with 7 at 30\ncalled with 7 at 50\n"


GONE = (
    TIMER % "CLOCK_MONOTONIC"
    + 's = spec(30, 0); timer_settime(t, 0, &s, NULL); execl("/bin/sleep", "sleep", "60", NULL);'
)


def test_a_timer_ends_with_its_program(start: Start) -> None:
    target = start(c=PREAMBLE + MAIN % GONE, flags=STRICT)
    assert target.run() == ""
    assert target.process.exit_status() == 0
    assert 59 < target.clock.skipped <= 60


# --- What a tester sees ----------------------------------------------------------------------------------------------

TICKING = (
    "import signal\nsignal.signal(signal.SIGALRM, lambda *_: None)\nsignal.setitimer(signal.ITIMER_REAL, 30, 30)\n"
)
AND = "print('ready')\nwhile True: signal.pause()"


def test_a_timer_is_no_rest_for_ever(start: Start) -> None:
    target = start(py=TICKING + AND)
    target.says("ready")
    still = target.settle()
    assert isinstance(still, Resting)
    assert 20 < still.wakes_in <= 30
    (held,) = target.clock.held(still.tasks)
    assert (held.pid, held.call) == (target.process.pid, "setitimer")
    assert target.clock.used


TICKS = {
    "setitimer": {"py": TICKING + AND},
    "alarm again and again": {
        "py": "import signal\nsignal.signal(signal.SIGALRM, lambda *_: signal.alarm(30))\nsignal.alarm(30)\n" + AND
    },
    "timerfd": {
        "c": PREAMBLE
        + MAIN
        % (
            TIMERFD % "CLOCK_MONOTONIC"
            + "s = spec(30, 30); timerfd_settime(fd, 0, &s, NULL); int e = epoll_create1(0);"
            + "struct epoll_event v = {.events = EPOLLIN}; epoll_ctl(e, EPOLL_CTL_ADD, fd, &v); puts(\"ready\");"
            + "fflush(stdout); while (epoll_wait(e, &v, 1, -1) == 1) ticks(fd);"
        )
    },
    "a thread for each": {
        "c": PREAMBLE
        + CALLED_BACK.replace("SAY(\"called with %d\", v.sival_int)", "(void)v").replace(
            "sleep(60)", 'puts("ready"); fflush(stdout); for (;;) pause()'
        ).replace("spec(30, 20)", "spec(30, 30)").replace("return 0;", "")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", TICKS)
def test_a_timer_that_only_ticks_is_seen_to_come_once(start: Start, name: str) -> None:
    target = start(**TICKS[name], flags=STRICT)
    target.says("ready")
    target.settle()
    still = settle(target.census, lambda: None, pump=target.gates.pump, clock=target.clock, span=Span(3600.0))
    assert isinstance(still, Quiet)
    assert 29 < target.clock.skipped <= 30


def test_a_timer_beyond_the_horizon_is_let_be(start: Start) -> None:
    target = start(py=TICKING + AND)
    target.says("ready")
    still = settle(target.census, lambda: None, pump=target.gates.pump, clock=target.clock, span=Span(10.0))
    assert isinstance(still, Quiet)
    assert target.clock.skipped == 0


def test_who_is_served_by_a_process_with_a_timer_is_spared_it(start: Start) -> None:
    target = start(py=TICKING + AND)
    target.says("ready")
    span = Span(3600.0, spare=lambda task: task.pid == target.process.pid)
    still = settle(target.census, lambda: None, pump=target.gates.pump, clock=target.clock, span=span)
    assert isinstance(still, Quiet)
    assert target.clock.skipped == 0


@pytest.mark.parametrize("ahead", [0.0, 1000.0])
def test_a_timer_that_nobody_skips_comes_by_itself(start: Start, ahead: float) -> None:
    code = "import os, signal, time\nsignal.signal(signal.SIGALRM, lambda *_: os.write(1, b'rang'))\n"
    target = start(
        py=code + "print('ready'); signal.pause()\nsignal.setitimer(signal.ITIMER_REAL, 0.2); signal.pause()"
    )
    target.says("ready")
    target.settle()
    target.clock.advance(ahead)
    target.process.signal(14)
    target.until(lambda: target.process.exit_status() is not None, "it ends")
    assert target.said() == "ready\nrangrang"
    assert target.clock.skipped == ahead
