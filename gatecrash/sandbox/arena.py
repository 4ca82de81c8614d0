"""A private world for one target: its own network and process tree, or the shared loopback where that is refused.

The tester stays outside. A small process inside, the broker (`broker.py`), starts targets and makes sockets that
live in the arena's network and are passed out; from then on the tester talks to the target at full speed.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import resource
import signal
import socket
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from gatecrash.errors import ArenaRefused, EngineFault, TargetError, Unavailable
from gatecrash.language import say
from gatecrash.model.confinement import Confined
from gatecrash.sandbox.activity import Activity
from gatecrash.sandbox.brokers import start_broker
from gatecrash.sandbox.confining import wanted
from gatecrash.sandbox.control import MESSAGE_SIZE
from gatecrash.sandbox.process import Printing, Process
from gatecrash.sandbox.seccomp import CLOCK_FAMILIES, build_filter

ArenaKind = Literal["namespace", "loopback"]

BROKER_DIED = "The arena's broker process died or does not answer. Please report this with the command you ran."
ANSWER_TIME = 30.0  # seconds a loaded machine may need to start an interpreter or a target
CLOSING_TIME = 10.0  # seconds the kernel may need to kill everything


class SocketKind(NamedTuple):
    """What socket(2) is asked for, and how many at once: a round trip to the broker costs more than a socket."""

    family: int
    type: int
    protocol: int
    batch: int


TCP = SocketKind(socket.AF_INET, socket.SOCK_STREAM, 0, 64)
UDP = SocketKind(socket.AF_INET, socket.SOCK_DGRAM, 0, 8)
_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
NETLINK = SocketKind(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG, 8)

# A machine that refuses namespaces once refuses them always: "auto" asks only once a run.
_refusals: list[str] = []
_refusals_confined: list[str] = []


class Arena:
    """A context manager; open one with `Arena.open`. Any number may be open at a time."""

    kind: ArenaKind
    broker_pid: int
    why_not_namespace: str | None
    confined: Confined | None

    def __init__(self, kind: ArenaKind, why_not_namespace: str | None = None, confined: Confined | None = None) -> None:
        """Use `Arena.open`."""
        self.kind = kind
        self.why_not_namespace = why_not_namespace
        self.confined = confined
        self._lock = threading.Lock()
        self._ready: dict[SocketKind, deque[socket.socket]] = {}
        self._processes: weakref.WeakSet[Process] = weakref.WeakSet()
        self._shared: dict[Path, int] = {}
        self._activity: Activity | None = None  # the broker's, once it has greeted
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # The broker names pids through the kernel, which translates them (unix(7), SO_PASSCRED).
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with theirs:
            self._broker = start_broker("confined" if confined and kind == "namespace" else kind, theirs)
        self.broker_pid = self._broker.pid  # until the greeting tells which process inside speaks
        try:
            self._greet()
            if confined is not None:
                self._confine(confined)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, *, kind: Literal["auto", "namespace", "loopback"] = "auto", confined: Confined | None = None) -> Self:
        """A new arena. "auto" takes namespaces where the machine allows them, else the shared loopback.

        What runs in a confined one is nobody, has those limits, sees the system read-only and its own places, and
        nothing else of the machine. On the shared loopback only the limits are held.
        Raises Unavailable when kind "namespace" is refused (user_namespaces(7)).
        """
        if kind != "auto":
            return cls(kind, confined=confined)
        refusals = _refusals if confined is None else _refusals_confined
        if not refusals:
            try:
                return cls("namespace", confined=confined)
            except Unavailable as refusal:
                refusals.append(refusal.reason)
        return cls("loopback", refusals[0], confined)

    def another(self) -> Arena:
        """A new arena like this one."""
        return Arena.open(kind=self.kind, confined=self.confined)

    def _confine(self, confined: Confined) -> None:
        try:
            self._ask("confine", **wanted(confined))
        except OSError as error:
            reason = f"{error.strerror}"
            raise ArenaRefused("a confined arena", reason) from error

    def _greet(self) -> None:
        self._control.settimeout(ANSWER_TIME)
        greeting, pid, descriptors = self._hear()
        if "refused" in greeting:
            raise ArenaRefused(f"an arena of kind {self.kind}", str(greeting["refused"]))
        self._activity = Activity(*descriptors)
        self.broker_pid = pid

    # --- Talking to the broker ----------------------------------------------------------------------------------

    def _hear(self) -> tuple[Mapping[str, Any], int, list[int]]:
        """One reply: the message, the pid it speaks of (as seen here), the descriptors that came before it."""
        descriptors = array.array("i")
        message, pid, whole = self._receive(descriptors)
        while "more" in message:
            message, pid, still_whole = self._receive(descriptors)
            whole = whole and still_whole
        if not whole:
            for descriptor in descriptors:
                os.close(descriptor)
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            raise EngineFault(
                f"Ran out of descriptors (the limit is {limit}): raise it with `ulimit -n`, or run fewer workers."
            )
        return message, pid, list(descriptors)

    def _receive(self, descriptors: array.array[int]) -> tuple[Mapping[str, Any], int, bool]:
        """One message, its pid, and whether all its descriptors found room; those are added to `descriptors`."""
        room = socket.CMSG_SPACE(256 * 4) + socket.CMSG_SPACE(12)
        try:
            data, ancillary, flags, _ = self._control.recvmsg(MESSAGE_SIZE, room, socket.MSG_CMSG_CLOEXEC)
        except (TimeoutError, ConnectionResetError):
            data, ancillary, flags = b"", [], 0
        if not data:
            raise EngineFault(BROKER_DIED)
        pid = 0
        for _, what, content in ancillary:
            if what == socket.SCM_RIGHTS:
                descriptors.frombytes(content)
            elif what == socket.SCM_CREDENTIALS:
                pid = int.from_bytes(content[:4], sys.byteorder, signed=True)
        return json.loads(data), pid, not flags & socket.MSG_CTRUNC

    def _ask(self, op: str, **arguments: Any) -> tuple[Mapping[str, Any], list[int]]:
        """One request and its answer. Raises OSError as the broker met it."""
        with self._lock:
            try:
                self._control.send(json.dumps({"op": op, **arguments}).encode())
            except OSError as error:
                if self._control.fileno() < 0:
                    raise EngineFault("This arena was closed before it was asked for something more.") from None
                raise EngineFault(BROKER_DIED) from error
            answer, pid, descriptors = self._hear()
        if "error" in answer:
            raise OSError(answer["errno"], answer["error"])
        return ({**answer, "pid": pid} if self.kind == "namespace" else answer), descriptors

    # --- The network --------------------------------------------------------------------------------------------

    def _socket(self, kind: SocketKind) -> socket.socket:
        if self.kind == "loopback":
            return socket.socket(*kind[:3])
        ready = self._ready.setdefault(kind, deque())
        if not ready:
            _, descriptors = self._ask("sockets", socket=kind[:3], count=kind.batch)
            ready.extend(socket.socket(*kind[:3], fileno=descriptor) for descriptor in descriptors)
        return ready.popleft()

    @property
    def in_store(self) -> int:
        """How many sockets were made and not asked for yet: descriptors of this process."""
        return sum(len(ready) for ready in self._ready.values())

    def tcp(self) -> socket.socket:
        """A fresh AF_INET stream socket of the arena's network, blocking, close-on-exec. The caller closes it."""
        return self._socket(TCP)

    def udp(self) -> socket.socket:
        """A fresh AF_INET datagram socket."""
        return self._socket(UDP)

    def netlink(self) -> socket.socket:
        """A NETLINK_SOCK_DIAG socket that asks about the arena's network (sock_diag(7))."""
        return self._socket(NETLINK)

    def sysctl(self, name: str, value: str) -> None:
        """Set a network parameter of this arena alone, e.g. `sysctl("net/ipv4/tcp_wmem", "4096 4096 4096")`.

        Raises Unavailable on the shared loopback, or when the kernel refuses.
        """
        what = f"setting {name}"
        if self.kind == "loopback":
            raise Unavailable(what, "the arena shares the machine's own network")
        try:
            self._ask("write", path=f"/proc/sys/{name}", value=value)
        except OSError as error:
            raise Unavailable(what, error.strerror or str(error)) from error

    # --- Processes ----------------------------------------------------------------------------------------------

    def spawn(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str],
        traps: frozenset[str] = frozenset(),
        nofile: int = 1024,
        typed: bool = False,
        terminal: bool = False,
    ) -> Process:
        """Start a target and return once it has been exec'ed.

        It gets its own session, default signals, umask 022, no core file, `nofile` descriptors (soft limit, at most
        the hard one), exactly `env`, a silent stdin (with `typed`, one that has many empty lines), and one pipe (with
        `terminal`, a pseudo-terminal) for stdout and stderr. `argv[0]` without a slash is looked up in env's PATH; a
        relative one counts from `cwd`.
        `traps` are families of system calls for `Gates`; the target stands still in its first such call until
        `Gates.pump`. With one of the clock's, its clocks can be put ahead (`instruments/clock`). Raises TargetError
        when it cannot be started, Unavailable when the machine has no seccomp listener, or no pseudo-terminal.
        """
        folder = str((cwd or Path()).resolve())
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if self.confined is not None:
            hard = min(hard, self.confined.limits.open_files)
        nofile = min(nofile, hard)
        report_fd = max(3, min(nofile, hard - 1))  # beyond anything the target will open itself
        code = build_filter(traps, exempt=report_fd) if traps else b""
        clock = not traps.isdisjoint(CLOCK_FAMILIES)
        try:
            answer, descriptors = self._ask(
                "spawn",
                argv=list(argv),
                cwd=folder,
                env=dict(env),
                nofile=nofile,
                report_fd=report_fd,
                filter=code.hex(),
                clock=clock,
                typed=typed,
                terminal=terminal,
            )
        except OSError as error:
            if terminal:
                raise Unavailable("a terminal", error.strerror or str(error)) from error
            raise EngineFault(
                f"Cannot start {argv[0]}: {error.strerror}. Is the machine out of processes or memory? "
                "End what uses them up, or run fewer workers."
            ) from error
        if failure := answer.get("failure"):
            raise _launch_failure(argv[0], folder, failure["stage"], failure["errno"])
        pidfd, pipe, *listener = descriptors
        gates_fd = listener[0] if traps else None
        assert self._activity is not None
        printing = Printing(self._ask, answer["serial"], pipe, self._activity, answer["number"])
        process = Process(self._ask, answer["serial"], answer["pid"], pidfd, gates_fd, printing, answer["clock"])
        self._processes.add(process)
        return process

    def cover(self, folders: Iterable[Path], kept: Iterable[Path]) -> Mapping[str, str]:
        """Let targets see copies of these folders, under their own paths, in a namespace arena; once, before any runs.

        A target that is started when nothing else runs sees them as their owner does, without what others wrote.
        Folders in `kept` are not copied. Returns the folders of which this machine gives no copy, with the reason.
        Raises Unavailable on the shared loopback, whose mounts are the machine's.
        """
        if self.kind == "loopback":
            raise Unavailable("covering folders", "the arena shares the machine's own files")
        answer, _ = self._ask("cover", folders=list(map(str, folders)), kept=list(map(str, kept)))
        return dict(answer["refused"])

    def shared(self, place: Path) -> Path:
        """What is written into a shared place of a confined arena, under a name that is good while it is open."""
        if place not in self._shared:
            self._shared[place] = self._ask("shared", place=str(place))[1][0]
        return Path(f"/proc/{os.getpid()}/fd/{self._shared[place]}")

    @contextlib.contextmanager
    def written(self, place: Path) -> Iterator[int]:
        """What was written into a copied place since its last start: a folder, as a descriptor. Ends all that runs."""
        _, (folder,) = self._ask("written", place=str(place))
        try:
            yield folder
        finally:
            os.close(folder)

    def clear(self) -> None:
        """Kill every process of the arena but the broker; returns when all are gone and buried."""
        self._ask("clear")

    def close(self) -> None:
        """Kill everything and leave nothing behind. Idempotent. Processes' exit statuses are lost with it."""
        for ready in self._ready.values():
            while ready:
                ready.pop().close()
        while self._shared:
            os.close(self._shared.popitem()[1])
        self._control.close()  # the broker's end of file
        for process in list(self._processes):
            process.close()
        if self._activity is not None:
            self._activity.close()
        self._await_broker()

    def _await_broker(self) -> None:
        if self._broker.wait(CLOSING_TIME):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.broker_pid, signal.SIGKILL)
        self._broker.wait(CLOSING_TIME)
        raise EngineFault(f"The arena's broker (process {self._broker.pid}) did not end when told to.")

    def __enter__(self) -> Self:
        """Nothing more to do: it is open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, whatever happened."""
        self.close()


def _launch_failure(program: str, folder: str, stage: str, code: int) -> TargetError | Unavailable:
    reason = os.strerror(code)
    if stage == "seccomp":
        return Unavailable("trapping system calls", f"seccomp: {reason}")
    if stage == "chdir":
        return TargetError(
            say("Cannot start the target in {folder}: {reason}. Does that folder exist?", folder=folder, reason=reason)
        )
    if stage == "exec":
        return TargetError(
            say(
                "Cannot execute {program} (in {folder}): {reason}. Is it built, executable, and for a script: "
                "does its first line name an interpreter?",
                program=program,
                folder=folder,
                reason=reason,
            )
        )
    return TargetError(
        say("Cannot start {program}: {reason} (while {stage}).", program=program, reason=reason, stage=stage)
    )
