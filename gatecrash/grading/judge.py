"""A process that judges submissions, one at a time, each in a child of its own: `python -m gatecrash.grading.judge`.

It has everything imported, so that a child costs a fork. What a submission does to the child that judges it, or makes
it use, ends with that child. It speaks JSON over a socket, each message behind its length, and ends when nobody is at
the other end.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

from gatecrash.engine.properties import properties
from gatecrash.engine.worker_pool import last_line, warm_up
from gatecrash.errors import EngineFault
from gatecrash.grading.judging import judge
from gatecrash.grading.work import Judged, Work
from gatecrash.language import say
from gatecrash.model.signals import end_named
from gatecrash.paths import no_room
from gatecrash.sandbox.parent_death import die_with_parent

_FORK = multiprocessing.get_context("fork")
_LENGTH = struct.Struct("!Q")
#: Seconds beyond those of the run itself in which a child has to come back: building, discovering, rendering.
BESIDE_THE_RUN = 300.0
_SECONDS_TO_END = 5.0


#: What it prints when it can judge; whoever ends before that would end at the next work as well.
_READY = "ready"


class NotStarted(EngineFault):
    """A process that was to judge ended before it could."""


class Judge:
    """The near end: one process that judges. Leaving the block ends it with all that it started."""

    def __init__(self, scratch: Path) -> None:
        """`scratch`: a folder where submissions are unpacked and built, each removed when it is done.

        Raises OSError where it cannot be started.
        """
        self._log = Path(tempfile.mkstemp(prefix="judge-", suffix=".log", dir=scratch)[1])
        self._line, theirs = socket.socketpair()
        words = (str(theirs.fileno()), str(os.getpid()), str(scratch))
        with contextlib.ExitStack() as undone, theirs, self._log.open("wb") as log:
            undone.callback(self._line.close)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gatecrash.grading.judge", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
            )
            undone.pop_all()

    def fileno(self) -> int:
        """Readable when there is an answer, or its end."""
        return self._line.fileno()

    def send(self, work: Work) -> None:
        """Have it judged. Raises OSError where the process is gone."""
        _send(self._line, work.to_json())

    def receive(self) -> Judged:
        """What came of the work that was sent. Raises EngineFault where the process is gone, NotStarted."""
        row = _receive(self._line)
        if row is None:
            raise self.fault()
        return Judged.from_json(row)

    def fault(self) -> EngineFault:
        """How the process ended, which is over or is about to be."""
        how = _ended(self._process.wait())
        said = self._log.read_text(errors="replace") if self._log.exists() else ""
        if said.startswith(_READY):
            return EngineFault("; ".join((how, *(one for one in last_line(self._log) if one != _READY))))
        return NotStarted("; ".join((how, *last_line(self._log))))

    def stop(self) -> None:
        """Have it end, from another thread: whoever waits for its answer hears that it is gone."""
        with contextlib.suppress(OSError):  # it is gone
            self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it."""
        self._line.close()
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _send(line: socket.socket, row: dict[str, Any]) -> None:
    text = json.dumps(row).encode()
    line.sendall(_LENGTH.pack(len(text)) + text)


def _receive(line: socket.socket) -> dict[str, Any] | None:
    """A message; None at the end."""
    head = _exactly(line, _LENGTH.size)
    text = None if head is None else _exactly(line, _LENGTH.unpack(head)[0])
    return None if text is None else json.loads(text)


def _exactly(line: socket.socket, size: int) -> bytes | None:
    got = bytearray()
    while len(got) < size:
        try:
            piece = line.recv(min(size - len(got), 1 << 20))
        except ConnectionResetError:
            piece = b""
        if not piece:
            return None
        got += piece
    return bytes(got)


def serve(line: socket.socket, scratch: Path) -> None:
    """Judge what is asked for until nobody asks any more; each in a folder of its own below `scratch`."""
    while (row := _receive(line)) is not None:
        judged = _judged_in_a_room(Work.from_json(row), scratch, line)
        if judged is None:
            return
        _send(line, judged.to_json())


def _judged_in_a_room(work: Work, scratch: Path, line: socket.socket) -> Judged | None:
    try:
        room = Path(tempfile.mkdtemp(prefix="work-", dir=scratch))
    except OSError as error:
        return Judged(work.id, why=str(no_room(scratch.parent, error.strerror)), ours=True)
    try:
        return _judged_apart(work, room, line)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _judged_apart(work: Work, room: Path, line: socket.socket) -> Judged | None:
    """What a child made of it; None when nobody waits for it any more."""
    ours, theirs = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_in_child, args=(work, room, theirs, line, os.getpid()))
    child.start()
    theirs.close()
    seconds = work.course.seconds + BESIDE_THE_RUN
    try:
        ready, _, _ = select.select([ours.fileno(), line.fileno()], [], [], seconds)
        if line.fileno() in ready:
            child.kill()
            return None
        if not ready:
            return Judged(work.id, why=say("it took more than {seconds:g} s in all", seconds=seconds), ours=True)
        return Judged.from_json(json.loads(ours.recv_bytes()))
    except EOFError:
        child.join(_SECONDS_TO_END)
        return Judged(work.id, why=_ended(child.exitcode or 0), ours=True)
    finally:
        ours.close()
        _end(child)


def _ended(code: int) -> str:
    return say("the process that judged it ended ({how})", how=end_named(code))


def _end(child: ForkProcess) -> None:
    """One that has answered ends by itself; whoever does not is killed, and its arenas with it."""
    child.join(_SECONDS_TO_END if child.exitcode is None else 0)
    if child.is_alive():
        child.kill()
        child.join()


def _in_child(work: Work, room: Path, answer: Connection, line: socket.socket, parent: int) -> None:
    die_with_parent(parent)
    line.close()
    answer.send_bytes(json.dumps(judge(work, room).to_json()).encode())


def main(arguments: list[str]) -> None:
    """The far end: the descriptor of the line, the process that asks, the folder for what is unpacked."""
    descriptor, parent, scratch = int(arguments[0]), int(arguments[1]), Path(arguments[2])
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks hears of it, and hangs up
    line = socket.socket(fileno=descriptor)
    line.set_inheritable(False)
    properties()
    warm_up(Path(tempfile.mkdtemp(prefix="warm-", dir=scratch)))
    print(_READY, flush=True)
    serve(line, scratch)


if __name__ == "__main__":
    os.environ.setdefault("HYPOTHESIS_NO_PLUGINS", "1")
    main(sys.argv[1:])
