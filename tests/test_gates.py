"""Gates: chosen system calls of a target run, fail, wait or fall short, and nothing else changes for it."""

from __future__ import annotations

import errno
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gatecrash.errors import TargetError, UsageError
from gatecrash.instruments.gates import Gates
from gatecrash.model import calls as fates
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.process import Process
from gatecrash.sandbox.seccomp import FAMILIES
from tests.needs import need

EVERYTHING = frozenset(FAMILIES)


@pytest.fixture
def arena() -> Iterator[Arena]:
    need("gates")
    with Arena.open() as opened:
        yield opened


@pytest.fixture
def borrowed() -> None:
    need("borrowed sockets")


class Gated:
    """A running Python program with traps, and the hand on them."""

    def __init__(self, arena: Arena, code: str, traps: frozenset[str]) -> None:
        self.arena = arena
        self.process: Process = arena.spawn([sys.executable, "-I", "-S", "-u", "-c", code], env={}, traps=traps)
        assert self.process.gates_fd is not None
        self.gates = Gates(self.process.gates_fd, traps)

    def until(self, true: Callable[[], object], what: str) -> None:
        """Pump, at most ten seconds, until something holds."""
        deadline = time.monotonic() + 10
        while not true():
            assert time.monotonic() < deadline, f"never: {what}; {self.gates.trace} {self.process.output()}"
            select.select([self.gates], [], [], 0.002)
            self.gates.pump()

    def lines(self, count: int) -> list[str]:
        """The first lines it prints."""
        self.until(lambda: self.process.output().head.count(b"\n") >= count, f"{count} lines of output")
        return self.process.output().head.decode().splitlines()[:count]

    def connect(self) -> socket.socket:
        """A client of the program's server, once that listens; `LISTEN` prints its port then."""
        client = self.arena.tcp()
        client.connect(("127.0.0.1", int(self.lines(1)[0])))
        client.setblocking(False)
        return client

    def receive(self, client: socket.socket, size: int) -> bytes:
        """Exactly so many bytes, or what came before the end."""
        got = b""

        def enough() -> bool:
            nonlocal got
            try:
                data = client.recv(size - len(got))
            except BlockingIOError:
                return False
            got += data
            return not data or len(got) == size

        self.until(enough, f"{size} bytes")
        return got

    def outcomes(self, family: str) -> list[fates.CallOutcome]:
        return [traced.outcome for traced in self.gates.trace if traced.call.family == family]


@pytest.fixture
def gated(arena: Arena) -> Iterator[Callable[..., Gated]]:
    made: list[Gated] = []

    def make(code: str, *traps: str) -> Gated:
        made.append(Gated(arena, code, frozenset(traps)))
        return made[-1]

    yield make
    arena.clear()
    for each in made:
        each.gates.close()
        each.process.close()


LISTEN = """
import socket, os, errno, signal, threading
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1])
"""

ECHO = (
    LISTEN
    + """
while True:
    try:
        client, _ = server.accept()
    except OSError as error:
        print(errno.errorcode[error.errno])
        continue
    with client:
        while data := client.recv(100):
            try:
                print("sent", client.send(data))
            except OSError as error:
                print(errno.errorcode[error.errno])
"""
)


# --- Running ---------------------------------------------------------------------------------------------------------


def test_what_nobody_planned_runs_and_is_traced_in_order(gated: Callable[..., Gated]) -> None:
    target = gated(ECHO, *EVERYTHING)
    with target.connect() as client:
        target.gates.trace.clear()
        client.send(b"hello")
        assert target.receive(client, 5) == b"hello"
    target.until(lambda: target.outcomes("close"), "the server closed")
    seen = [(traced.call.family, traced.outcome) for traced in target.gates.trace]
    # The first accept may have been trapped before or after the trace was emptied.
    assert [one for one in seen if one[0] != "accept"] == [
        (name, fates.RAN) for name in ("recv", "send", "recv", "close")
    ]
    inodes = {traced.call.inode for traced in target.gates.trace if traced.call.family != "accept"}
    assert len(inodes) == 1
    assert {traced.call.tid for traced in target.gates.trace} == {target.process.pid}


def test_files_pass_unseen(gated: Callable[..., Gated]) -> None:
    target = gated("open('/etc/hostname').read(); print('done')", "send", "recv", "close")
    assert target.lines(1) == ["done"]
    assert target.gates.trace == []


def test_a_pump_with_nothing_waiting_returns_at_once(gated: Callable[..., Gated]) -> None:
    target = gated("print('up'); import signal; signal.pause()", "accept")
    target.lines(1)
    assert target.gates.pump() == 0


# --- Failing ---------------------------------------------------------------------------------------------------------


def test_the_next_accept_fails_and_the_client_is_served_afterwards(gated: Callable[..., Gated]) -> None:
    target = gated(ECHO, "accept")
    target.gates.fail("accept", errno.ECONNABORTED)
    with target.connect() as client:
        client.send(b"x")
        assert target.receive(client, 1) == b"x"
    assert target.lines(2)[1] == "ECONNABORTED"
    assert target.outcomes("accept")[:2] == [fates.failed("ECONNABORTED"), fates.RAN]


def test_failures_can_begin_later_and_repeat(gated: Callable[..., Gated]) -> None:
    target = gated(ECHO, "accept", "send")
    target.gates.fail("send", errno.EPIPE, after=1, times=2)
    with target.connect() as client:
        for count in range(1, 5):
            client.send(b"x")
            target.lines(1 + count)
        assert target.lines(5)[1:] == ["sent 1", "EPIPE", "EPIPE", "sent 1"]


def test_a_plan_for_one_socket_leaves_the_others_alone(gated: Callable[..., Gated]) -> None:
    two = LISTEN + (
        "one, _ = server.accept(); two, _ = server.accept()\n"
        "print(os.fstat(one.fileno()).st_ino, os.fstat(two.fileno()).st_ino)\n"
        "one.send(b'1')\n"
        "one.send(b'2')\n"
        "try: two.send(b'3')\n"
        "except OSError as error: print(errno.errorcode[error.errno])\n"
    )
    target = gated(two, "send")
    target.gates.hold("send")
    with target.connect() as one, target.connect():
        target.until(lambda: target.gates.held, "the first send")
        of_two = int(target.lines(2)[1].split()[1])
        target.gates.fail("send", errno.EIO, inode=of_two)
        target.gates.release()
        assert target.receive(one, 2) == b"12"
        assert target.lines(3)[2] == "EIO"


# --- Holding ---------------------------------------------------------------------------------------------------------


def test_a_held_send_sends_nothing_until_released(gated: Callable[..., Gated]) -> None:
    target = gated(ECHO, "send")
    target.gates.hold("send")
    with target.connect() as client:
        client.send(b"hello")
        target.until(lambda: target.gates.held, "a held send")
        (call,) = target.gates.held
        assert (call.family, call.tid, target.gates.alive(call)) == ("send", target.process.pid, True)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        target.gates.release(call)
        assert target.receive(client, 5) == b"hello"
    assert target.gates.held == ()
    assert target.outcomes("send") == [fates.HELD, fates.RELEASED]


def test_a_held_call_can_be_released_into_a_failure(gated: Callable[..., Gated]) -> None:
    target = gated(ECHO, "send")
    target.gates.hold("send")
    with target.connect() as client:
        client.send(b"hello")
        target.until(lambda: target.gates.held, "a held send")
        target.gates.release(errno=errno.ENOBUFS)
        assert target.lines(2)[1] == "ENOBUFS"
    assert target.outcomes("send") == [fates.HELD, fates.failed("ENOBUFS")]


def test_a_child_is_held_while_its_parent_serves_on(gated: Callable[..., Gated]) -> None:
    fork = LISTEN + (
        "while True:\n"
        "    client, _ = server.accept()\n"
        "    if os.fork() == 0:\n"
        "        client.send(b'%d' % os.getppid()); os._exit(0)\n"
        "    client.close()\n"
    )
    target = gated(fork, "send", "fork")
    target.gates.hold("send")
    with target.connect() as first:
        target.until(lambda: target.gates.held, "a held send")
        (call,) = target.gates.held
        assert call.tid != target.process.pid
        assert Path(f"/proc/{call.tid}/stat").read_text().rsplit(")", 1)[1].split()[1] == str(target.process.pid)
        with target.connect() as second:
            assert target.receive(second, 1)
        with pytest.raises(BlockingIOError):
            first.recv(1)
        target.gates.clear()
        assert target.receive(first, 1)


def test_a_signal_does_not_disturb_a_held_call(gated: Callable[..., Gated]) -> None:
    handling = "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: print('signal'))\n"
    target = gated(handling + ECHO, "send")
    target.gates.hold("send")
    with target.connect() as client:
        client.send(b"hello")
        target.until(lambda: target.gates.held, "a held send")
        target.process.signal(signal.SIGUSR1)
        target.gates.pump()
        assert len(target.gates.held) == 1
        target.gates.release()
        assert target.receive(client, 5) == b"hello"
    assert target.outcomes("send") == [fates.HELD, fates.RELEASED]


def test_a_process_killed_while_held_is_dropped_quietly(gated: Callable[..., Gated], arena: Arena) -> None:
    target = gated(ECHO, "send")
    target.gates.hold("send")
    with target.connect() as client:
        client.send(b"hello")
        target.until(lambda: target.gates.held, "a held send")
        (call,) = target.gates.held
        arena.clear()
        assert not target.gates.alive(call)
        assert target.gates.held == ()
        target.gates.release(call)
        assert target.gates.pump() == 0
    assert target.process.exit_status() == -signal.SIGKILL
    assert target.outcomes("send") == [fates.HELD]
    target.gates.close()
    target.gates.close()


# --- Falling short ---------------------------------------------------------------------------------------------------

SENDERS = {
    "sendto": "client.send(b'hello')",
    "write": "os.write(client.fileno(), b'hello')",
    "writev": "os.writev(client.fileno(), [b'', b'he', b'llo'])",
    "sendmsg": "client.sendmsg([b'h', b'ello'])",
}


@pytest.mark.parametrize("name", SENDERS)
@pytest.mark.usefixtures("borrowed")
def test_a_shortened_send_really_sends_that_much_and_says_so(gated: Callable[..., Gated], name: str) -> None:
    code = LISTEN + f"client, _ = server.accept()\nprint({SENDERS[name]})\nclient.send(b'!')\nclient.recv(1)\n"
    target = gated(code, "listen", "send")
    target.gates.shorten(3)
    with target.connect() as client:
        assert target.receive(client, 4) == b"hel!"
        assert target.lines(2)[1] == "3"
    sends = [traced for traced in target.gates.trace if traced.call.family == "send"]
    assert [(traced.call.name, traced.outcome) for traced in sends] == [
        (name, fates.shortened(3)),
        ("sendto", fates.RAN),
    ]


@pytest.mark.usefixtures("borrowed")
def test_a_send_that_offers_no_more_runs_and_the_plan_stays(gated: Callable[..., Gated]) -> None:
    target = gated(ECHO, "send")
    target.gates.shorten(3)
    with target.connect() as client:
        client.send(b"abc")
        assert target.receive(client, 3) == b"abc"
        client.send(b"defg")
        assert target.receive(client, 3) == b"def"
    assert target.outcomes("send") == [fates.RAN, fates.shortened(3)]


@pytest.mark.usefixtures("borrowed")
def test_an_edge_triggered_sender_hears_that_there_is_room_again(gated: Callable[..., Gated]) -> None:
    """It registered once for both directions, and after a short write waits for the edge (epoll(7), Q9)."""
    code = LISTEN + (
        "import select\n"
        "client, _ = server.accept()\nclient.setblocking(False)\n"
        "edges = select.epoll()\nedges.register(client, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)\n"
        "data = b'hello'\n"
        "while data:\n    edges.poll()\n    data = data[client.send(data):]\n"
    )
    target = gated(code, "send")
    target.gates.shorten(3)
    with target.connect() as client:
        assert target.receive(client, 5) == b"hello"
    assert target.outcomes("send") == [fates.shortened(3), fates.RAN]


@pytest.mark.usefixtures("borrowed")
def test_shortening_into_a_reset_connection_tells_the_target_what_it_would_have_heard(
    gated: Callable[..., Gated],
) -> None:
    code = LISTEN + (
        "signal.signal(signal.SIGPIPE, signal.SIG_IGN)\n"
        "client, _ = server.accept()\n"
        "for _ in range(2):\n"
        "    try: print(client.send(b'hello'))\n"
        "    except OSError as error: print(errno.errorcode[error.errno])\n"
    )
    target = gated(code, "send")
    target.gates.hold("send")
    target.gates.shorten(3)
    client = target.connect()
    target.until(lambda: target.gates.held, "a held send")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    target.gates.release()
    assert target.lines(3)[1:] == ["ECONNRESET", "EPIPE"]


@pytest.mark.usefixtures("borrowed")
def test_a_shortened_send_to_a_reset_peer_passes_the_pending_error_on(gated: Callable[..., Gated]) -> None:
    code = LISTEN + (
        "client, _ = server.accept()\n"
        "os.getppid(); server.listen(5)\n"
        "try: print(client.send(b'hello'))\n"
        "except OSError as error: print(errno.errorcode[error.errno])\n"
    )
    target = gated(code, "send", "listen")
    target.until(lambda: target.outcomes("listen"), "the first listen")
    target.gates.hold("listen")
    target.gates.shorten(3)
    client = target.connect()
    target.until(lambda: target.gates.held, "the second listen")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    target.gates.release()
    assert target.lines(2)[1] == "ECONNRESET"
    assert target.outcomes("send") == [fates.failed("ECONNRESET")]


# --- Processes and threads -------------------------------------------------------------------------------------------

MAKERS = """
import os, threading
if os.fork() == 0:
    os._exit(0)
thread = threading.Thread(target=print, args=("thread",))
thread.start()
thread.join()
os.posix_spawn("/bin/true", ["true"], {})
print("done")
"""


@pytest.mark.parametrize(
    ("traps", "made"),
    [
        (["fork"], ["fork", "fork"]),
        (["thread"], ["thread"]),
        (["fork", "thread"], ["fork", "thread", "fork"]),
    ],
)
def test_making_a_thread_is_told_from_making_a_process(
    gated: Callable[..., Gated], traps: list[str], made: list[str]
) -> None:
    target = gated(MAKERS, *traps)
    assert target.lines(2) == ["thread", "done"]
    assert [traced.call.family for traced in target.gates.trace] == made


def test_a_fork_can_fail_while_threads_still_start(gated: Callable[..., Gated]) -> None:
    code = MAKERS.replace("if os.fork() == 0:\n    os._exit(0)", "try: os.fork()\nexcept OSError as e: print(e.errno)")
    target = gated(code, "fork", "thread")
    target.gates.fail("fork", errno.EAGAIN)
    assert target.lines(3) == [str(errno.EAGAIN), "thread", "done"]


# --- Starting with traps ---------------------------------------------------------------------------------------------


def test_a_program_that_cannot_be_executed_says_so_in_spite_of_the_traps(arena: Arena) -> None:
    with pytest.raises(TargetError, match="Cannot execute /no/such/server"):
        arena.spawn(["/no/such/server"], env={}, traps=EVERYTHING)


def test_a_trap_that_does_not_exist_is_named(arena: Arena) -> None:
    with pytest.raises(UsageError, match="No such trap: connect"):
        arena.spawn(["true"], env={}, traps=frozenset({"connect"}))


def test_a_plan_without_its_trap_is_named(gated: Callable[..., Gated]) -> None:
    target = gated("", "accept")
    with pytest.raises(UsageError, match=r"not spawned with the trap 'send', only with \['accept'\]"):
        target.gates.hold("send")
