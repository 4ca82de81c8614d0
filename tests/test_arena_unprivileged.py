"""An arena of somebody without privileges: both kinds, and the gates."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.needs import need

ROOT = Path(__file__).parent.parent
NOBODY = """
import errno, os, signal, socket, sys
sys.path.insert(0, ROOT)
from gatecrash.sandbox.arena import Arena
from gatecrash.instruments.gates import Gates
traps = frozenset({"listen", "send"})
server = "import socket\\ns = socket.create_server(('127.0.0.1', PORT))\\nprint(s.getsockname()[1], flush=True)\\n" \\
    "c, _ = s.accept()\\nc.send(b'hello')\\n"
with Arena.open(kind=KIND) as arena:
    code = server.replace("PORT", "80" if KIND == "namespace" else "0")
    target = arena.spawn([sys.executable, "-I", "-S", "-c", code], env={}, traps=traps)
    with Gates(target.gates_fd, traps) as gates, arena.tcp() as client:
        gates.shorten(2)
        while b"\\n" not in target.output().head:
            gates.pump()
        client.connect(("127.0.0.1", int(target.output().head)))
        while target.exit_status() is None:
            gates.pump()
        print(os.geteuid(), [(one.outcome.kind, one.outcome.size) for one in gates.trace], client.recv(100))
"""


def for_nobody() -> list[str] | None:
    """A command prefix that drops to uid 65534 (when we are root), with an interpreter that user can run."""
    if os.geteuid() != 0:
        return [sys.executable]
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    check = (
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r}); import gatecrash.sandbox.arena; "
        "assert sys.version_info >= (3, 11) and os.access(sys.executable, os.X_OK)"
    )
    for interpreter in (sys.executable, *filter(None, [shutil.which("python3", path="/usr/bin:/usr/local/bin")])):
        command = [*drop, interpreter]
        tried = subprocess.run([*command, "-I", "-S", "-B", "-c", check], capture_output=True, check=False)
        if tried.returncode == 0:
            return command
    return None


@pytest.mark.parametrize("kind", ["namespace", "loopback"])
def test_an_unprivileged_tester_has_this_kind_and_gates(kind: str) -> None:
    for name in ("borrowed sockets", "gates", *(["arena"] if kind == "namespace" else [])):
        need(name)
    command = for_nobody()
    if command is None:
        pytest.skip("no Python 3.11 that user 65534 can run")
    code = f"ROOT, KIND = {str(ROOT)!r}, {kind!r}\n" + NOBODY
    with tempfile.TemporaryDirectory() as nowhere:
        Path(nowhere).chmod(0o755)
        ran = subprocess.run(
            [*command, "-I", "-S", "-c", code], cwd=nowhere, capture_output=True, text=True, timeout=60, check=False
        )
    assert ran.stderr == ""
    assert ran.stdout == f"{os.geteuid() or 65534} [('ran', None), ('shortened', 2)] b'he'\n"


CONFINED = """
import os, sys
sys.path.insert(0, ROOT)
from pathlib import Path
from gatecrash.model.confinement import Confined, Confinement, Place
from gatecrash.sandbox.arena import Arena
folder = Path("submission").resolve()
folder.mkdir()
(folder / "page").write_text("as it was")
command = "id -u; echo changed > page; cat page; cat /proc/1/environ; touch /usr/x /etc/x; ls ..; " \\
    "kill -9 1 && kill -TERM 1; echo said > ../reports/one; unshare -U true"
places = (Place(folder, "copied"), Place(folder.parent / "reports", "shared"))
with Arena.open(kind="namespace", confined=Confined(Confinement(), places)) as arena:
    target = arena.spawn(["/bin/sh", "-c", f"({command}) 2>/dev/null"], cwd=folder, env={"PATH": "/usr/bin:/bin"})
    target.wait(20)
    print(target.output().text.split(), (arena.shared(folder.parent / "reports") / "one").read_text())
    with arena.written(folder) as written:
        print(os.listdir(written))
    fill = "cat /dev/zero > /dev/shm/full; sleep 60"
    full = arena.spawn(["/bin/sh", "-c", fill], cwd=folder, env={"PATH": "/usr/bin:/bin"})
    print(full.wait(20), full.hit().limit)
    print((folder / "page").read_text())
"""


def test_an_unprivileged_tester_has_a_confined_arena() -> None:
    need("arena")
    command = for_nobody()
    if command is None:
        pytest.skip("no Python 3.11 that user 65534 can run")
    with tempfile.TemporaryDirectory() as nowhere:
        Path(nowhere).chmod(0o777)
        ran = subprocess.run(
            [*command, "-I", "-S", "-c", f"ROOT = {str(ROOT)!r}\n" + CONFINED],
            cwd=nowhere,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        "['65534', 'changed', 'reports', 'submission'] said",
        "",
        "['page']",
        "-9 disk",
        "as it was",
    ]
