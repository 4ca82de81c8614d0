"""On a machine that refuses an instrument, what the wire shows is judged, and the rest is said not to be observable."""

from __future__ import annotations

import builtins
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gatecrash.instruments import procfs
from gatecrash.paths import tree_root
from tests.needs import need
from tests.needs import refused as refused_here
from tests.nursery import compiled
from tests.refusing import CANNOT_BE_MADE, MACHINES

SERVERS = tree_root() / "servers"


def on(refused: str, *arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """A command of Gatecrash where an instrument is refused."""
    command = [sys.executable, "-m", "tests.refusing", refused, sys.executable, "-P", "-m", "gatecrash", *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(
        command, cwd=tree_root(), env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode == CANNOT_BE_MADE:
        pytest.skip("no mount of one's own here")
    return done


def checked(folder: Path, refused: str, server: str, only: str) -> tuple[subprocess.CompletedProcess[str], Any]:
    """`gatecrash check` where an instrument is refused: how it ended, and each rule's verdict and reason."""
    report = folder / "report.json"
    done = on(
        refused, "check", str(SERVERS / server), f"--only={only}", "--jobs=1", f"--report=json={report}", cache=folder
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    rows = json.loads(report.read_text())["verdicts"]
    return done, {row["rule"]: (row["verdict"], (row["evidence"] or {}).get("reason", "")) for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("refused", "server", "only", "unseen", "reason"),
    [
        pytest.param(
            "gates",
            "python/http_iterative.py",
            "ACC-01,ACC-02,ACC-07,ACC-08,RESP-01,RESP-11",
            {"ACC-07", "ACC-08", "RESP-11"},
            "gates are not available here: seccomp user notification: Operation not permitted",
            id="gates",
        ),
        pytest.param(
            "table",
            "python/http_iterative.py",
            "ACC-01,ACC-02,ACC-07,ACC-08,RESP-01,RESP-11",
            {"ACC-07", "ACC-08", "RESP-11"},
            "gates are not available here: no system call table for ",
            id="another machine",
        ),
        pytest.param(
            "queues",
            "python/http_iterative.py",
            "ACC-01,ACC-04,ACC-07,ACC-14,RESP-01,RESP-02,LIFE-02",
            {"ACC-04", "ACC-07", "ACC-14", "LIFE-02"},
            "this machine does not tell of its sockets (NETLINK_SOCK_DIAG: [Errno 1] Operation not permitted)",
            id="queues",
        ),
        pytest.param(
            "queues",
            "python/udp_echo.py",
            "DGRAM-01,DGRAM-02,LIFE-07",
            {"LIFE-07"},
            "this machine does not tell of its sockets",
            id="queues-udp",
        ),
        pytest.param(
            "census",
            "python/http_iterative.py",
            "ACC-01,ACC-02,ACC-07,RESP-01,RESP-02,LIFE-02",
            {"ACC-02", "ACC-07", "LIFE-02"},
            "this machine does not tell of its processes (/proc/PID/syscall: Permission denied)",
            id="census",
        ),
        pytest.param(
            "proc",
            "python/http_iterative.py",
            "ACC-01,RESP-01,LIFE-02",
            {"LIFE-02"},
            "this machine does not tell of its processes (/proc/PID/status: No such file or directory)",
            id="proc",
        ),
    ],
)
def test_the_rules_of_the_wire_hold_and_the_others_are_not_observable(
    tmp_path: Path, refused: str, server: str, only: str, unseen: set[str], reason: str
) -> None:
    done, verdicts = checked(tmp_path, refused, server, only)
    assert done.returncode == 0
    assert {rule for rule, (verdict, _) in verdicts.items() if verdict == "not_observable"} == unseen
    unproven = {"RESP-02"} & set(only.split(","))  # nobody sees whether the server reads one segment at a time
    assert {rule for rule, (verdict, _) in verdicts.items() if verdict == "inconclusive"} == unproven
    held = {rule for rule, (verdict, _) in verdicts.items() if verdict == "pass"}
    assert held == set(only.split(",")) - unseen - unproven
    assert all(reason in said for rule, (_, said) in verdicts.items() if rule in unseen)
    assert reason in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("refused", sorted(set(MACHINES) - {"proc"}))
def test_what_is_broken_on_the_wire_is_still_found(tmp_path: Path, refused: str) -> None:
    done, verdicts = checked(tmp_path, refused, "faulty/two_answers_for_404.py", "RESP-01,RESP-23")
    assert done.returncode == 1
    assert "fail" in {verdict for verdict, _ in verdicts.values()}


@pytest.mark.slow
@pytest.mark.parametrize("refused", sorted(set(MACHINES) - {"proc", "clock", "borrowed sockets", "stub"}))
def test_nothing_that_can_be_seen_is_no_conformance(tmp_path: Path, refused: str) -> None:
    done, _ = checked(tmp_path, refused, "python/http_iterative.py", "ACC-07")
    assert done.returncode == 5
    assert "was not judged" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("refused", "reason"),
    [("clock", "ptrace: Operation not permitted"), ("stub", "no stub for aarch64, only for x86_64")],
)
def test_where_time_cannot_be_skipped_it_is_real_and_all_else_is_judged(
    tmp_path: Path, refused: str, reason: str
) -> None:
    need("gates")
    done, verdicts = checked(tmp_path, refused, "python/http_iterative.py", "ACC-07,RESP-01")
    assert done.returncode == 0, done.stdout
    assert {rule: verdict for rule, (verdict, _) in verdicts.items()} == {"ACC-07": "pass", "RESP-01": "pass"}
    assert reason in done.stdout
    said = on(refused, "doctor", cache=tmp_path).stdout.splitlines()
    assert reason in said[next(n for n, line in enumerate(said) if "clock" in line) + 1]


@pytest.mark.parametrize("refused", MACHINES)
def test_the_doctor_says_what_is_refused(tmp_path: Path, refused: str) -> None:
    done = on(refused, "doctor", cache=tmp_path)
    said = [line[6:28].rstrip() for line in done.stdout.splitlines() if line.startswith("  no ")]
    no_gates, no_clock = {"gates", "clock"}, {"clock"}
    several = {"proc": {"arena", "census"}, "gates": no_gates, "table": no_gates, "stub": no_clock}
    lacking = several.get(refused, {refused})
    assert said == [name for name, reason in refused_here().items() if reason is not None or name in lacking]


_THIRTY_SECONDS = r"""
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>
int main(void) {
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec thirty = {{0, 0}, {30, 0}};
    if (timerfd_settime(timer, 0, &thirty, NULL)) return 1;
    poll(&(struct pollfd){timer, POLLIN, 0}, 1, 40000);
    pause();
}
"""


@pytest.mark.parametrize(
    ("refused", "reason", "skipped"),
    [
        pytest.param("clock", "its clocks cannot be set: ptrace: Operation not permitted", 0, id="clocks"),
        pytest.param(
            "borrowed sockets",
            "its timers cannot be moved on: pidfd_getfd: Operation not permitted",
            30,
            id="a timer that is a descriptor",
        ),
    ],
)
def test_whose_time_cannot_be_skipped_has_real_time_and_the_reason_is_said(
    tmp_path: Path, refused: str, reason: str, skipped: int
) -> None:
    need("clock")
    need("borrowed sockets")
    words = ["-m", "tests.refusing", refused, sys.executable, "-m", "tests.clock.skipping"]
    program = compiled(tmp_path, _THIRTY_SECONDS)
    done = subprocess.run(
        [sys.executable, *words, program], cwd=tree_root(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == (f"{reason}\n{skipped} s\n", "")


_DAEMON = """
import os, sys
from gatecrash.sandbox.arena import Arena
from pathlib import Path
noted = Path(sys.argv[1])
with Arena.open(kind="loopback") as arena:
    script = "(setsid sh -c 'echo $$; exec sleep 1000' > {noted} &) ; exec sleep 1000".format(noted=noted)
    arena.spawn(["sh", "-c", script], env={"PATH": os.defpath})
    while not noted.exists() or not noted.read_text().endswith(chr(10)):
        os.sched_yield()
    arena.clear()
    try:
        os.kill(int(noted.read_text()), 0)
    except ProcessLookupError:
        print("gone")
"""


def test_without_proc_a_daemon_in_a_session_of_its_own_is_ended_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.refusing", "proc", sys.executable, "-c", _DAEMON, str(tmp_path / "noted")]
    done = subprocess.run(command, cwd=tree_root(), capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == CANNOT_BE_MADE:
        pytest.skip("no mount of one's own here")
    assert (done.stdout, done.stderr) == ("gone\n", "")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param("syscall", b"", "/proc/PID/syscall: it is empty", id="an empty call"),
        pytest.param(
            "status", b"Name:\tserver\nState:\tS (sleeping)\n", "/proc/PID/status: it has no line PPid", id="status"
        ),
        pytest.param("schedstat", b"", "/proc/PID/schedstat: it does not hold three numbers", id="no times"),
    ],
)
def test_a_file_that_does_not_tell_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, said: str
) -> None:
    assert procfs.refused(os.getpid()) is None
    (tmp_path / name).write_bytes(content)
    path = f"/proc/{os.getpid()}/task/{os.getpid()}/{name}"
    really_open = builtins.open
    monkeypatch.setattr(
        builtins, "open", lambda file, *a, **k: really_open(tmp_path / name if file == path else file, *a, **k)
    )
    assert procfs.refused(os.getpid()) == said
