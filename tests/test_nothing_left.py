"""However a run ends, no process of it is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gatecrash.errors import EngineFault
from gatecrash.model.contract import Contract
from gatecrash.paths import tree_root
from tests.sessions import session_of


def marked_processes(mark: str) -> list[int]:
    """Every process whose environment carries the mark, zombies apart."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_for(*, mark: str, gone: bool, seconds: float = 30.0) -> bool:
    """Whether marked processes came (or were gone) in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if bool(marked_processes(mark)) != gone:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
@pytest.mark.parametrize("arena", ["auto", "loopback"])
def test_a_run_that_is_ended_leaves_no_process(tmp_path: Path, number: signal.Signals, arena: str) -> None:
    mark = f"GATECRASH_TEST_MARK={tmp_path.name}-{number.name}-{arena}-{os.getpid()}"
    folder, temporary = (
        tmp_path / "target",
        tmp_path / "temporary",
    )  # who is killed cannot tidy up: it goes with the test
    folder.mkdir()
    temporary.mkdir()
    (folder / "gatecrash.toml").write_text(f'[target]\nenv = {{ "{mark.split("=")[0]}" = "{mark.split("=")[1]}" }}\n')
    server = folder / "server.py"
    server.write_text((tree_root() / "servers" / "python" / "http_fork.py").read_text())
    command = [sys.executable, "-P", "-m", "gatecrash", "check", str(server), f"--arena={arena}", "--profile=default"]
    run = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        assert wait_for(mark=mark, gone=False), "the target never ran"
        run.send_signal(number)
        output, _ = run.communicate(timeout=60)
        assert run.returncode == (-9 if number == signal.SIGKILL else 2), output.decode()
        assert wait_for(mark=mark, gone=True), f"left behind: {marked_processes(mark)}"
    finally:
        if run.poll() is None:
            run.kill()
            run.wait()


def test_a_session_whose_broker_died_gives_everything_back(tmp_path: Path) -> None:
    with session_of(tmp_path, "main(socket.socket.close)", Contract(protocol="none")) as earlier:
        earlier.fresh()  # the process that brokers are forked from stays
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(EngineFault):
        leave_without_broker(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


def leave_without_broker(folder: Path) -> None:
    with session_of(folder, "main(socket.socket.close)", Contract(protocol="none")) as one:
        one.fresh()
        one.arena.tcp().close()  # others are in store now
        os.kill(one.arena.broker_pid, signal.SIGKILL)
