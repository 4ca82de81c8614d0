"""Every call that waits with a limit: its time is up when the tester says so, and the program's clock agrees."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clock.conftest import Start

PREAMBLE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
static int pair[2], epfd;
static fd_set reads, writes;
static struct timespec thirty = {30, 0};
static struct timespec now(clockid_t which) { struct timespec t; clock_gettime(which, &t); return t; }
static struct timespec later(clockid_t which) { struct timespec t = now(which); t.tv_sec += 30; return t; }
static void limit(int option) {
    struct timeval tv = {30, 0};
    if (setsockopt(pair[0], SOL_SOCKET, option, &tv, sizeof tv)) perror("setsockopt");
}
static int listener(void) {
    close(pair[0]);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (listen(pair[0], 5)) perror("listen");
    return pair[0];
}
static mqd_t queue(void) {
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
    char name[40];
    snprintf(name, sizeof name, "/gatecrash-test-%d-%ld", getpid(), now(CLOCK_REALTIME).tv_nsec);
    mqd_t opened = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
    if (opened == (mqd_t)-1) perror("mq_open");
    mq_unlink(name);
    return opened;
}
static int file(void) {
    int opened = memfd_create("page", 0);
    if (ftruncate(opened, 1 << 20)) perror("ftruncate");
    return opened;
}
static int pipe_with(size_t bytes) {
    static char zeros[4096];
    int ends[2];
    if (pipe(ends) || write(ends[1], zeros, bytes) < 0) perror("pipe");
    return ends[bytes == 0];
}
static void fill(void) { char b[4096]; while (send(pair[0], b, sizeof b, MSG_DONTWAIT) > 0); }
"""

MAIN = r"""
int main(void) {
    static char buffer[1 << 20];
    struct pollfd polled = {0, POLLIN, 7};
    struct epoll_event event = {.events = EPOLLIN};
    (void)buffer; (void)polled; (void)event;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 1;
    polled.fd = pair[0];
    epfd = epoll_create1(0);
    epoll_ctl(epfd, EPOLL_CTL_ADD, pair[0], &event);
    FD_SET(pair[0], &reads);
    struct timespec began = now(CLOCK_MONOTONIC);
    errno = 0;
    long result = %s;
    const char *why = errno ? strerrorname_np(errno) : "-";
    struct timespec ended = now(CLOCK_MONOTONIC);
    double passed = ended.tv_sec - began.tv_sec + (ended.tv_nsec - began.tv_nsec) / 1e9;
    printf("%%ld %%s, %%.0f s\n", result, why, passed);
    %s
    return 0;
}
"""

CALLS = {
    "poll": ("poll(&polled, 1, 30000)", "0 -"),
    "poll of nothing": ("poll(NULL, 0, 30000)", "0 -"),
    "ppoll": ("ppoll(&polled, 1, &thirty, NULL)", "0 -"),
    "select": ("select(pair[0] + 1, &reads, &writes, NULL, &(struct timeval){30, 0})", "0 -"),
    "pselect": ("pselect(pair[0] + 1, &reads, NULL, NULL, &thirty, NULL)", "0 -"),
    "epoll_wait": ("epoll_wait(epfd, &event, 1, 30000)", "0 -"),
    "epoll_pwait": ("epoll_pwait(epfd, &event, 1, 30000, &(sigset_t){0})", "0 -"),
    "epoll_pwait2": ("epoll_pwait2(epfd, &event, 1, &thirty, NULL)", "0 -"),
    "sleep": ("sleep(30)", "0 -"),
    "usleep": ("usleep(30000000)", "0 -"),
    "nanosleep": ("syscall(SYS_nanosleep, &thirty, NULL)", "0 -"),
    "clock_nanosleep": ("clock_nanosleep(CLOCK_MONOTONIC, 0, &thirty, NULL)", "0 -"),
    "clock_nanosleep until": (
        "clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &(struct timespec[]){later(CLOCK_REALTIME)}[0], NULL)",
        "0 -",
    ),
    **{
        f"clock_nanosleep until by {clock}": (
            f"clock_nanosleep(CLOCK_{clock}, TIMER_ABSTIME, &(struct timespec[]){{later(CLOCK_{clock})}}[0], NULL)",
            "0 -",
        )
        for clock in ("MONOTONIC", "BOOTTIME", "TAI")
    },
    "recv": ("(limit(SO_RCVTIMEO), recv(pair[0], buffer, 9, 0))", "-1 EAGAIN"),
    "read": ("(limit(SO_RCVTIMEO), read(pair[0], buffer, 9))", "-1 EAGAIN"),
    "recvmsg": (
        "(limit(SO_RCVTIMEO), recvmsg(pair[0], &(struct msghdr){.msg_iovlen = 0}, 0))",
        "-1 EAGAIN",
    ),
    "send": ("(limit(SO_SNDTIMEO), fill(), send(pair[0], buffer, sizeof buffer, 0))", "-1 EAGAIN"),
    "write": ("(limit(SO_SNDTIMEO), fill(), write(pair[0], buffer, sizeof buffer))", "-1 EAGAIN"),
    "send a part": ("(limit(SO_SNDTIMEO), send(pair[0], buffer, sizeof buffer, 0) > 4096)", "1 -"),
    "recv all": (
        "(limit(SO_RCVTIMEO), send(pair[1], buffer, 5, 0), recv(pair[0], buffer, 9, MSG_WAITALL))",
        "5 -",
    ),
    "accept": ("(listener(), limit(SO_RCVTIMEO), accept(pair[0], NULL, NULL))", "-1 EAGAIN"),
    "accept4": ("(listener(), limit(SO_RCVTIMEO), accept4(pair[0], NULL, NULL, SOCK_CLOEXEC))", "-1 EAGAIN"),
    "readv": ("(limit(SO_RCVTIMEO), readv(pair[0], &(struct iovec){buffer, 9}, 1))", "-1 EAGAIN"),
    "writev": ("(limit(SO_SNDTIMEO), fill(), writev(pair[0], &(struct iovec){buffer, sizeof buffer}, 1))", "-1 EAGAIN"),
    "preadv2": ("(limit(SO_RCVTIMEO), preadv2(pair[0], &(struct iovec){buffer, 9}, 1, -1, 0))", "-1 EAGAIN"),
    "pwritev2": (
        "(limit(SO_SNDTIMEO), fill(), pwritev2(pair[0], &(struct iovec){buffer, sizeof buffer}, 1, -1, 0))",
        "-1 EAGAIN",
    ),
    "sendmsg": (
        "(limit(SO_SNDTIMEO), fill(), sendmsg(pair[0], &(struct msghdr){.msg_iovlen = 1,"
        ".msg_iov = &(struct iovec){buffer, sizeof buffer}}, 0))",
        "-1 EAGAIN",
    ),
    "sendmmsg": (
        "(limit(SO_SNDTIMEO), fill(), sendmmsg(pair[0], &(struct mmsghdr){.msg_hdr = {.msg_iovlen = 1,"
        ".msg_iov = &(struct iovec){buffer, sizeof buffer}}}, 1, 0))",
        "-1 EAGAIN",
    ),
    "sendfile": ("(limit(SO_SNDTIMEO), fill(), sendfile(pair[0], file(), NULL, 1 << 20))", "-1 EAGAIN"),
    "sendfile a part": ("(limit(SO_SNDTIMEO), sendfile(pair[0], file(), NULL, 1 << 20) > 4096)", "1 -"),
    "splice to a socket": (
        "(limit(SO_SNDTIMEO), fill(), splice(pipe_with(99), NULL, pair[0], NULL, 99, 0))",
        "-1 EAGAIN",
    ),
    "splice from a socket": (
        "(limit(SO_RCVTIMEO), splice(pair[0], NULL, pipe_with(0), NULL, 99, 0))",
        "-1 EAGAIN",
    ),
    "recvmmsg": ("(limit(SO_RCVTIMEO), recvmmsg(pair[0], (struct mmsghdr[2]){0}, 2, 0, NULL))", "-1 EAGAIN"),
    "mq_timedreceive": (
        "mq_timedreceive(queue(), buffer, 8, NULL, &(struct timespec[]){later(CLOCK_REALTIME)}[0])",
        "-1 ETIMEDOUT",
    ),
    "mq_timedsend": (
        "({mqd_t q = queue(); mq_send(q, buffer, 8, 0);"
        "mq_timedsend(q, buffer, 8, 0, &(struct timespec[]){later(CLOCK_REALTIME)}[0]);})",
        "-1 ETIMEDOUT",
    ),
    "io_getevents": (
        "({aio_context_t c = 0; struct io_event e; syscall(SYS_io_setup, 1, &c);"
        "syscall(SYS_io_getevents, c, 1, 1, &e, &thirty);})",
        "0 -",
    ),
    "sigtimedwait": ("sigtimedwait(&(sigset_t){{1 << 9}}, NULL, &thirty)", "-1 EAGAIN"),
    "semtimedop": (
        "semtimedop(semget(IPC_PRIVATE, 1, 0600), &(struct sembuf){0, -1, 0}, 1, &thirty)",
        "-1 EAGAIN",
    ),
    "pthread_cond_timedwait": (
        "({static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; static pthread_cond_t c = PTHREAD_COND_INITIALIZER;"
        "struct timespec t = later(CLOCK_REALTIME); pthread_mutex_lock(&m); pthread_cond_timedwait(&c, &m, &t);})",
        "110 -",
    ),
    "pthread_cond_clockwait": (
        "({static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; static pthread_cond_t c = PTHREAD_COND_INITIALIZER;"
        "struct timespec t = later(CLOCK_MONOTONIC); pthread_mutex_lock(&m);"
        "pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &t);})",
        "110 -",
    ),
    "pthread_mutex_timedlock": (
        "({static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; struct timespec t = later(CLOCK_REALTIME);"
        "pthread_mutex_lock(&m); pthread_mutex_timedlock(&m, &t);})",
        "110 -",
    ),
    "sem_timedwait": (
        "({static sem_t s; struct timespec t = later(CLOCK_REALTIME); sem_timedwait(&s, &t);})",
        "-1 ETIMEDOUT",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_thirty_seconds_pass_at_a_word(start: Start, name: str) -> None:
    call, answer = CALLS[name]
    target = start(c=PREAMBLE + MAIN % (call, ""), traps=frozenset({"clock read", "exec"}), flags=("-pthread",))
    assert target.run() == f"{answer}, 30 s\n"
    assert len(target.expired) == 1
    assert 29 < target.clock.skipped <= 30


JAVA = """
public class Sleeps {
    public static void main(String[] arguments) throws Exception {
        long began = System.nanoTime();
        Thread.sleep(30000);
        System.out.println("slept " + (System.nanoTime() - began) / 1000000000);
        try (java.net.ServerSocket server = new java.net.ServerSocket(0)) {
            server.setSoTimeout(30000);
            server.accept();
        } catch (java.net.SocketTimeoutException late) {
            System.out.println("waited " + (System.nanoTime() - began) / 1000000000);
        }
        System.exit(0);
    }
}
"""


def test_thirty_seconds_pass_in_java(start: Start, tmp_path: Path) -> None:
    """Its own threads wake often meanwhile, each by a limit of its own."""
    if shutil.which("java") is None or shutil.which("javac") is None:
        pytest.skip("needs Java")
    source = tmp_path / "Sleeps.java"
    source.write_text(JAVA)
    subprocess.run(["javac", "-d", tmp_path, source], check=True, timeout=100)
    java = ("java", "-Xint", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", str(tmp_path), "Sleeps")
    target = start(argv=java)
    assert target.run(most=10_000, within=120).splitlines() == ["slept 30", "waited 60"]
    assert target.clock.skipped < 70
