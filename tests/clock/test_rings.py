"""A task that sleeps in io_uring_enter(2): a limit of the call's own is skipped, one among its operations is named."""

from __future__ import annotations

import signal

import pytest

from gatecrash.instruments.quiescence import Quiet, Resting
from tests.clock.conftest import Start
from tests.clock.skipping import Skipping
from tests.needs import need_io_uring

RING = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct io_uring_params p;
static int ring, pair[2];
static unsigned *tail, *array, *cq_head, *cq_tail;
static struct io_uring_sqe *sqes;
static struct __kernel_timespec thirty = {30, 0};

static struct io_uring_sqe *entry(int opcode) {
    unsigned at = *tail & (p.sq_entries - 1);
    struct io_uring_sqe *one = &sqes[at];
    memset(one, 0, sizeof *one);
    one->opcode = opcode;
    array[at] = at;
    ++*tail;
    return one;
}
static void poll_pair(int flags) {
    struct io_uring_sqe *one = entry(IORING_OP_POLL_ADD);
    one->fd = pair[0];
    one->poll32_events = POLLIN;
    one->flags = flags;
}
static void limit(int opcode) {
    struct io_uring_sqe *one = entry(opcode);
    one->fd = -1;
    one->addr = (unsigned long)&thirty;
    one->len = 1;
}
static long enter(unsigned submit, unsigned wait) {
    return syscall(SYS_io_uring_enter, ring, submit, wait, IORING_ENTER_GETEVENTS, 0, 0);
}
static long enter_for(unsigned submit, struct __kernel_timespec *span, int flags) {
    struct io_uring_getevents_arg how = {.ts = (unsigned long)span};
    flags |= IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    return syscall(SYS_io_uring_enter, ring, submit, 1, flags, &how, sizeof how);
}
static void awake(int number) { (void)number; }
static void nothing(int times) {
    while (times--) {
        entry(IORING_OP_NOP);
        enter(1, 1);
        *cq_head = *cq_tail;
    }
}
int main(void) {
    ring = syscall(SYS_io_uring_setup, 8, &p);
    if (ring < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 1;
    int both = PROT_READ | PROT_WRITE;
    char *rings = mmap(0, 4096, both, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    sqes = mmap(0, p.sq_entries * sizeof *sqes, both, MAP_SHARED, ring, IORING_OFF_SQES);
    if (rings == MAP_FAILED || sqes == MAP_FAILED) return 1;
    tail = (unsigned *)(rings + p.sq_off.tail);
    array = (unsigned *)(rings + p.sq_off.array);
    cq_head = (unsigned *)(rings + p.cq_off.head);
    cq_tail = (unsigned *)(rings + p.cq_off.tail);
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = awake}, NULL);
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    puts("up");
    fflush(stdout);
    errno = 0;
    long result = ({ %s });
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("%%ld %%s, %%ld s\n", result, errno ? strerrorname_np(errno) : "-", ended.tv_sec - began.tv_sec);
    return 0;
}
"""


@pytest.fixture(autouse=True)
def _io_uring() -> None:
    need_io_uring()


def program(start: Start, act: str) -> Skipping:
    return start(c=RING % act, traps=frozenset({"clock read", "exec"}))


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("poll_pair(0); enter(1, 0); enter_for(0, &thirty, 0);", "-1 ETIME"),
        ("poll_pair(0); enter_for(1, &thirty, 0);", "1 -"),
    ],
    ids=["waits", "submits and waits"],
)
def test_a_limit_of_the_call_itself_is_skipped(start: Start, act: str, said: str) -> None:
    target = program(start, act)
    assert target.run() in (f"up\n{said}, 30 s\n", f"up\n{said}, 31 s\n")  # whole seconds of two moments
    assert len(target.expired) == 1
    assert 29 < target.clock.skipped <= 30


@pytest.mark.parametrize(
    "act",
    [
        "poll_pair(0); enter(1, 1);",
        "poll_pair(0); enter_for(1, NULL, 0);",
        "nothing(7); poll_pair(0); enter(1, 1);",
    ],
    ids=["waits", "names no time", "has done seven things"],
)
def test_who_waits_without_a_limit_is_quiet(start: Start, act: str) -> None:
    target = program(start, act)
    target.says("up")
    assert isinstance(target.settle(), Quiet)
    assert target.clock.expire() is None
    assert target.clock.real_because is None


def test_what_was_looked_at_meanwhile_does_not_count_again(start: Start) -> None:
    act = 'poll_pair(0); enter(1, 0); for (;;) { nothing(6); puts("again"); fflush(stdout); enter(0, 1); } 0;'
    target = program(start, act)
    for times in range(1, 6):
        target.until(lambda times=times: target.said().count("again") == times, "it waits again")  # type: ignore[misc]
        assert isinstance(target.settle(), Quiet)
        target.process.signal(signal.SIGUSR1)
    assert target.clock.real_because is None


@pytest.mark.parametrize(
    ("act", "why"),
    [
        ("limit(IORING_OP_TIMEOUT); enter(1, 1);", "gives time limits to io_uring, which does not tell when they end"),
        (
            "poll_pair(IOSQE_IO_LINK); limit(IORING_OP_LINK_TIMEOUT); enter(2, 1);",
            "gives time limits to io_uring, which does not tell when they end",
        ),
        ("nothing(20); poll_pair(0); enter(1, 1);", "waits with io_uring, whose time limits cannot be seen"),
    ],
    ids=["a limit", "a linked limit", "more than can be looked at"],
)
def test_what_may_come_unseen_is_named_and_its_time_is_real(start: Start, act: str, why: str) -> None:
    target = program(start, act)
    target.says("up")
    still = target.settle()
    assert isinstance(still, Resting)
    assert target.clock.expire(still.tasks) is None
    assert target.clock.real_because is not None
    assert target.clock.real_because.endswith(why)
    assert target.clock.skipped == 0
