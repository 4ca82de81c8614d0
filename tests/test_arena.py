"""An arena starts targets from a clean slate, reaches them by sockets, and leaves nothing behind, in both kinds."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash.errors import EngineFault, TargetError, Unavailable
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.process import Process
from tests.needs import need
from tests.nursery import until

ROOT = Path(__file__).parent.parent
ENV = {"PATH": "/usr/bin:/bin"}
PORT = 80  # privileged, and every arena's own

LISTEN = """
import socket
server = socket.create_server((HOST, PORT), family=FAMILY)
print(server.getsockname()[1], flush=True)
client, _ = server.accept()
client.sendall(client.recv(100).upper())
client.close()
"""


def python(code: str, **names: object) -> list[str]:
    """The command that runs `code` with these names defined."""
    head = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    return [sys.executable, "-I", "-S", "-c", head + code]


@pytest.fixture(params=["namespace", "loopback"])
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    if request.param == "namespace":
        need("arena")
    with Arena.open(kind=request.param) as opened:
        yield opened


@pytest.fixture
def private() -> Iterator[Arena]:
    need("arena")
    with Arena.open(kind="namespace") as opened:
        yield opened


def says(process: Process) -> str:
    """The first line a target prints."""
    until(lambda: b"\n" in process.output().head, "a line of output")
    return process.output().head.decode().splitlines()[0]


def ended(pidfd: int, seconds: float = 10) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


# --- Sockets ---------------------------------------------------------------------------------------------------------


def test_a_socket_of_the_arena_reaches_the_target(arena: Arena) -> None:
    target = arena.spawn(python(LISTEN, HOST="127.0.0.1", PORT=0, FAMILY=int(socket.AF_INET)), env=ENV)
    with arena.tcp() as client:
        client.connect(("127.0.0.1", int(says(target))))
        client.sendall(b"hello")
        assert client.recv(100) == b"HELLO"


def test_two_arenas_have_the_same_privileged_port_at_once(private: Arena) -> None:
    with Arena.open(kind="namespace") as other:
        for each in (private, other):
            target = each.spawn(python(LISTEN, HOST="127.0.0.1", PORT=PORT, FAMILY=int(socket.AF_INET)), env=ENV)
            assert says(target) == "80"


def test_a_batch_of_sockets_runs_out_and_is_renewed(private: Arena) -> None:
    made = [private.tcp() for _ in range(150)]
    assert len({one.fileno() for one in made}) == 150
    assert not any(one.get_inheritable() for one in made)
    for one in made:
        one.close()


def test_a_socket_of_a_fresh_batch_has_no_other_owner(private: Arena) -> None:
    with private.tcp() as server:
        server.bind(("127.0.0.1", PORT))
        server.listen()
        for _ in range(100):
            with private.tcp() as client:
                client.connect(("127.0.0.1", PORT))
            accepted, _ = server.accept()
            with accepted:
                accepted.setblocking(False)
                assert accepted.recv(1) == b""  # the client's close alone has sent FIN, at once


def test_datagram_and_netlink_sockets_live_in_the_arena(private: Arena) -> None:
    with private.udp() as one, private.udp() as two, private.netlink() as netlink:
        one.bind(("127.0.0.1", 53))
        two.sendto(b"who?", ("127.0.0.1", 53))
        assert one.recv(100) == b"who?"
        assert netlink.proto == 4


def test_the_target_reaches_no_network_but_its_own(private: Arena) -> None:
    with private.tcp() as client, pytest.raises(OSError, match="unreachable"):
        client.connect(("192.0.2.1", 80))


def test_the_arena_has_parameters_of_its_own(private: Arena) -> None:
    private.sysctl("net/ipv4/tcp_wmem", "4096 4096 4096")
    reading = private.spawn(["cat", "/proc/sys/net/ipv4/tcp_wmem", "/proc/sys/net/ipv4/tcp_tw_reuse"], env=ENV)
    assert reading.wait(10) == 0
    assert reading.output().head.split() == [b"4096", b"4096", b"4096", b"1"]


def test_a_parameter_that_does_not_exist_is_unavailable(private: Arena) -> None:
    with pytest.raises(Unavailable, match="net/ipv4/no_such_thing is not available here: No such file"):
        private.sysctl("net/ipv4/no_such_thing", "1")


def test_the_shared_loopback_lets_nobody_set_the_machines_parameters() -> None:
    with Arena.open(kind="loopback") as shared, pytest.raises(Unavailable, match="machine's own network"):
        shared.sysctl("net/ipv4/tcp_wmem", "4096 4096 4096")


# --- Starting --------------------------------------------------------------------------------------------------------

INHERITED = """
import json, os, resource, select, signal
lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "ignored": int(lines["SigIgn"], 16), "blocked": int(lines["SigBlk"], 16),
    "leader": os.getsid(0) == os.getpid(), "umask": os.umask(0), "cwd": os.getcwd(), "env": dict(os.environ),
    "first_to_be_killed": int(open("/proc/self/oom_score_adj").read()),
    "core": resource.getrlimit(resource.RLIMIT_CORE)[0], "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    "descriptors": [fd for fd in range(2000) if os.path.exists(f"/proc/self/fd/{fd}")],
    "silent": not select.select([0], [], [], 0)[0],
}))
"""


def test_a_target_inherits_only_what_it_was_given(arena: Arena, tmp_path: Path) -> None:
    # Without -I python would put SIGPIPE and SIGXFSZ on ignore itself: a shell looks first.
    look = f'grep SigIgn /proc/$$/status; exec {sys.executable} -I -S -c "$CODE"'
    target = arena.spawn(["sh", "-c", look], cwd=tmp_path, env={**ENV, "CODE": INHERITED}, nofile=100)
    assert target.wait(10) == 0, target.output()
    ignored, report = target.output().head.decode().splitlines()
    found = json.loads(report)
    assert ignored.split() == ["SigIgn:", "0000000000000000"]
    assert found["env"].items() >= {**ENV, "CODE": INHERITED}.items()
    assert set(found["env"]) <= {"PATH", "CODE", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}  # the shell's and Python's
    told = ("blocked", "leader", "umask", "cwd", "first_to_be_killed", "core", "nofile", "silent")
    assert {name: found[name] for name in told} == {
        "blocked": 0,
        "leader": True,
        "umask": 0o022,
        "cwd": str(tmp_path),
        "first_to_be_killed": 1000,
        "core": 0,
        "nofile": 100,
        "silent": True,
    }
    assert found["descriptors"] == [0, 1, 2]


@pytest.mark.parametrize("nofile", [6, 8, 10, 12, 14, 16, 18, 20, 1024])
def test_a_target_may_have_very_few_descriptors(private: Arena, nofile: int) -> None:
    target = private.spawn(["grep", "open files", "/proc/self/limits"], env=ENV, nofile=nofile)
    assert says(target).split()[3] == str(nofile)
    assert target.wait(10) == 0


def test_the_pid_is_the_one_the_tester_sees(arena: Arena) -> None:
    target = arena.spawn(["sleep", "1000"], env=ENV)
    assert Path(f"/proc/{target.pid}/cmdline").read_bytes() == b"sleep\x001000\x00"
    parent = Path(f"/proc/{target.pid}/stat").read_text().rsplit(")", 1)[1].split()[1]
    assert int(parent) == arena.broker_pid


def test_the_pid_of_a_target_that_is_gone_at_once_is_still_known(private: Arena) -> None:
    pids = [private.spawn(["true"], env=ENV).pid for _ in range(30)]
    assert min(pids) > 0
    assert len(set(pids)) == 30


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9), ("kill -PIPE $$", -13)]
)
def test_the_exit_status_says_how_it_ended(arena: Arena, script: str, status: int) -> None:
    assert arena.spawn(["sh", "-c", script], env=ENV).wait(10) == status


def test_a_running_target_has_no_exit_status_and_takes_signals(arena: Arena) -> None:
    target = arena.spawn(["sleep", "1000"], env=ENV)
    assert target.exit_status() is None
    target.signal(signal.SIGTERM)
    assert target.wait(10) == -signal.SIGTERM
    target.signal(signal.SIGTERM)
    assert target.exit_status() == -signal.SIGTERM


def test_an_exec_that_fails_names_the_file_and_the_reason(arena: Arena, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("not a program")
    (tmp_path / "script").write_text("echo no interpreter named")
    (tmp_path / "script").chmod(0o755)
    for program, reason in (
        ("no-such-server", "No such file or directory"),
        ("./plain", "Permission denied"),
        ("./script", "Exec format error"),
    ):
        with pytest.raises(TargetError, match=f"Cannot execute {program} .*: {reason}"):
            arena.spawn([program], cwd=tmp_path, env=ENV)
    with pytest.raises(TargetError, match=r"no/such/folder: No such file or directory"):
        arena.spawn(["true"], cwd=tmp_path / "no/such/folder", env=ENV)
    assert arena.spawn(["true"], env=ENV).wait(10) == 0


# --- Output ----------------------------------------------------------------------------------------------------------


def test_a_chatty_target_is_drained_but_not_kept(arena: Arena) -> None:
    flood = "echo first; head -c 50000000 /dev/zero; echo last 1>&2; exit 0"
    target = arena.spawn(["sh", "-c", flood], env=ENV)
    assert target.wait(30) == 0
    output = target.output()
    assert output.total == 50_000_000 + len("first\nlast\n")
    assert (len(output.head), len(output.tail)) == (65536, 65536)
    assert output.head.startswith(b"first\n\0")
    assert output.tail.endswith(b"\0last\n")
    assert output.missing == output.total - 2 * 65536


def test_short_output_is_whole(arena: Arena) -> None:
    target = arena.spawn(["sh", "-c", "echo one; echo two 1>&2"], env=ENV)
    assert target.wait(10) == 0
    assert target.output().head == b"one\ntwo\n"
    assert target.output().missing == 0


def test_output_to_a_terminal_is_whole_and_ends(arena: Arena) -> None:
    target = arena.spawn(
        ["sh", "-c", "[ -t 1 ] && [ -t 2 ] && [ ! -t 0 ] && echo one && echo two 1>&2"], env=ENV, terminal=True
    )
    assert target.wait(10) == 0
    assert target.output().head == b"one\ntwo\n"
    assert target.output().missing == 0


CONFIRMS = """
import os, sys
for number in range(200):
    os.write(1, b"%d\\n" % number)
    os.write(2, b"%d\\n" % number)
    os.kill(os.getpid(), 19)
"""


def test_what_was_printed_is_there_as_soon_as_it_was_printed(arena: Arena) -> None:
    """Wherever it is: still in the pipe, or on its way through the broker, which reads whenever something comes."""
    target = arena.spawn(python(CONFIRMS), env=ENV)
    state = f"/proc/{target.pid}/stat"
    for number in range(200):
        until(lambda: Path(state).read_text().rpartition(")")[2].split()[0] == "T", "it has printed, and stopped")
        assert target.output().head.endswith(b"\n%d\n%d\n" % (number, number) if number else b"0\n0\n")
        target.signal(signal.SIGCONT)
    assert target.wait(10) == 0


def test_a_broker_is_not_asked_again_for_what_it_told(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    target = arena.spawn(["sh", "-c", "echo one; exec sleep 100"], env=ENV)
    assert says(target) == "one"
    asked: list[str] = []
    monkeypatch.setattr(target._printing, "_ask", lambda op, **arguments: asked.append(op))
    assert [target.output().head for _ in range(3)] == [b"one\n"] * 3
    assert not asked


def test_many_targets_in_one_arena_cost_no_memory_but_keep_their_status(private: Arena) -> None:
    targets = [private.spawn(["sh", "-c", f"exit {number}"], env=ENV) for number in range(40)]
    assert [target.wait(10) for target in targets] == list(range(40))
    with pytest.raises(OSError, match="ended long ago"):
        targets[0].output()
    assert targets[-1].output().total == 0


# --- Ending ----------------------------------------------------------------------------------------------------------

DAEMON = """
import os, signal
for _ in range(2):
    if os.fork():
        os._exit(0)
    os.setsid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
signal.pause()
"""

HYDRA = """
import os
print("alive", flush=True)
for _ in range(2):
    os.fork()
while True:
    if os.fork():
        os._exit(0)
"""


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("program", [DAEMON, HYDRA], ids=["a daemon", "processes that fork and end for ever"])
def test_clear_kills_whatever_got_away(arena: Arena, program: str) -> None:
    target = arena.spawn(python(program), env=ENV)
    says(target)
    until(lambda: children(arena.broker_pid), "a process below the broker")
    arena.clear()
    assert children(arena.broker_pid) == []
    assert target.exit_status() is not None
    assert arena.spawn(["true"], env=ENV).wait(10) == 0


def test_close_leaves_no_process_and_no_descriptor_behind(arena: Arena) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Arena.open(kind=arena.kind) as closing:
        target = closing.spawn(python(DAEMON), env=ENV)
        survivor = _pid_of_daemon(closing, target)
        pidfds = [os.pidfd_open(pid) for pid in (closing.broker_pid, survivor)]
        closing.tcp().close()
    assert all(ended(pidfd, 0) for pidfd in pidfds)
    for pidfd in pidfds:
        os.close(pidfd)
    assert len(os.listdir("/proc/self/fd")) == before
    closing.close()
    with pytest.raises(EngineFault, match="arena was closed"):
        closing.spawn(["true"], env=ENV)


def _pid_of_daemon(arena: Arena, target: Process) -> int:
    says(target)
    target.wait(10)
    until(lambda: len(children(arena.broker_pid)) == 1, "the daemon was adopted by the broker")
    return children(arena.broker_pid)[0]


TESTER = """
import sys
sys.path.insert(0, ROOT)
from gatecrash.sandbox.arena import Arena
arena = Arena.open(kind=KIND)
arena.spawn(["sh", "-c", "sleep 1000 & setsid sleep 1001 & sleep 1002"], env={"PATH": "/usr/bin:/bin"})
print(arena.broker_pid, flush=True)
sys.stdin.read()
"""


def test_killing_the_tester_outright_leaves_nothing_behind(arena: Arena) -> None:
    command = python(TESTER, ROOT=str(ROOT), KIND=arena.kind)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tester:
        assert tester.stdout is not None
        broker = int(tester.stdout.readline())
        until(lambda: len(descendants(broker)) == 4, "a shell and three sleeps")
        pidfds = [os.pidfd_open(pid) for pid in (broker, *descendants(broker))]
        tester.kill()
    assert all(ended(pidfd) for pidfd in pidfds)
    for pidfd in pidfds:
        os.close(pidfd)


def descendants(pid: int) -> list[int]:
    try:
        below = children(pid)
    except OSError:
        return []
    return below + [each for child in below for each in descendants(child)]


def test_a_killed_broker_is_our_fault_and_takes_the_target_along(arena: Arena) -> None:
    target = arena.spawn(["sleep", "1000"], env=ENV)
    os.kill(arena.broker_pid, signal.SIGKILL)
    assert ended(target.pidfd)
    with pytest.raises(EngineFault, match="broker process died"):
        arena.spawn(["true"], env=ENV)


# --- Where less is allowed -------------------------------------------------------------------------------------------

NO_NAMESPACES = """
import sys
sys.path.insert(0, ROOT)
with open("/proc/sys/user/max_user_namespaces", "w") as limit:
    limit.write("0")
from gatecrash.sandbox.arena import Arena
from gatecrash.errors import Unavailable
with Arena.open() as arena:
    print(arena.kind, arena.why_not_namespace, arena.spawn(["true"], env={"PATH": "/usr/bin:/bin"}).wait(10))
try:
    Arena.open(kind="namespace")
except Unavailable as refusal:
    print(refusal)
"""


def test_where_namespaces_are_refused_auto_takes_the_loopback_and_says_why(private: Arena) -> None:
    target = private.spawn(python(NO_NAMESPACES, ROOT=str(ROOT)), env=ENV)
    assert target.wait(20) == 0, target.output()
    assert target.output().head.decode().splitlines() == [
        "loopback unshare: No space left on device 0",
        "an arena of kind namespace is not available here: unshare: No space left on device",
    ]


def test_running_out_of_descriptors_says_so(private: Arena) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 20, hard))  # at most 20 are free, wherever others lie
    try:
        with pytest.raises(EngineFault, match="ulimit -n"):
            private.tcp()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
