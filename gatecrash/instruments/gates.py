"""Gates: let a target's system calls run, fail, wait or fall short, one by one, from outside.

`Arena.spawn(traps=...)` installs a seccomp filter just before exec; every trapped call of the target and all its
children then stops and sends a notification here (seccomp_unotify(2)). What no plan asks for runs as if untouched,
about 50 us later. No ptrace, no root, any language.
"""

from __future__ import annotations

import ctypes
import errno as errno_names
import fcntl
import os
import select
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gatecrash.errors import Unavailable, UsageError
from gatecrash.instruments.borrowing import borrowed_socket
from gatecrash.instruments.memory import Gone, offered, read_memory
from gatecrash.instruments.procfs import socket_inode
from gatecrash.instruments.trapped import CONTINUE, Sharer
from gatecrash.model.calls import HELD, RAN, RELEASED, CallOutcome, failed, shortened
from gatecrash.sandbox.seccomp import CLONE_THREAD, FAMILIES, LIMIT_OPTIONS, RET_USER_NOTIF, machine
from gatecrash.sandbox.spawn import SYS_SECCOMP

# linux/seccomp.h: struct seccomp_notif (80 bytes), struct seccomp_notif_resp (24 bytes) and the ioctls on them
NOTIFICATION = struct.Struct("QIIiIQ6Q")
RESPONSE = struct.Struct("QqiI")
NOTIF_RECV, NOTIF_SEND, NOTIF_ID_VALID = 0xC0502100, 0xC0182101, 0x40082102

SECCOMP_GET_ACTION_AVAIL = 2

ON_DESCRIPTOR = frozenset({"accept", "send", "recv", "close", "bind", "listen"})  # families whose args[0] is one
SOCKETS_ONLY = frozenset({"send", "recv", "close"})  # ... and that files use too: those pass unseen, not those on -1
PUMP_LIMIT = 256  # notifications one pump handles, so that a target that sends for ever cannot hold the tester

libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Call:
    """One trapped system call. `tid` is the task's as the tester sees it, `inode` the socket of `args[0]`."""

    id: int
    tid: int
    family: str
    name: str
    args: tuple[int, ...]
    inode: int | None


@dataclass(frozen=True)
class Traced:
    """What became of a call."""

    call: Call
    outcome: CallOutcome


@dataclass
class _Plan:
    """The next `times` calls of `family` (on `inode`), after letting `after` of them pass: one of three fates."""

    family: str
    times: int
    inode: int | None
    after: int = 0
    errno: int | None = None
    size: int | None = None

    def wants(self, call: Call) -> bool:
        """Whether this call is its turn; counts down `after`."""
        if call.family != self.family or (self.inode is not None and call.inode != self.inode):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        return True


class Gates:
    """The tester's hand on one target's trapped calls. Close it only after the target is dead.

    Nothing moves unless `pump` is called: a target with traps stands still while its tester does something else.
    A call trapped when the last descriptor of the listener closes fails with ENOSYS (the kernel's rule).
    """

    def __init__(self, fd: int, traps: frozenset[str], clock: Sharer | None = None) -> None:
        """`fd` is `Process.gates_fd`, which this object duplicates; `traps` what the target was spawned with.

        `clock` has its calls handed over, for there is one listener for all of them.
        """
        self.trace: list[Traced] = []
        #: Seconds the target gave a socket to wait at most, by inode and option; 0: none. With the trap "time limit".
        self.limits: dict[tuple[int, str], float] = {}
        self._fd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
        self._traps = traps & set(FAMILIES)
        self._names = {number: name for name, number in machine().calls.items()}
        self._family = {name: family for family in sorted(self._traps) for name in FAMILIES[family]}
        self._handlers = {machine().calls[name]: one for name, one in (clock.handlers if clock else {}).items()}
        self._clock = clock
        self._plans: list[_Plan] = []
        self._held: list[Call] = []
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def fileno(self) -> int:
        """Readable when a call is waiting."""
        return self._fd

    # --- Plans --------------------------------------------------------------------------------------------------

    def fail(self, family: str, errno: int, *, times: int = 1, inode: int | None = None, after: int = 0) -> None:
        """The next `times` such calls fail with `errno`, after letting `after` of them run. They do nothing else."""
        self._plan(_Plan(family, times, inode, after=after, errno=errno))

    def hold(self, family: str, *, times: int = 1, inode: int | None = None) -> None:
        """The next `times` such calls stay where they are until `release`."""
        self._plan(_Plan(family, times, inode))

    def shorten(self, size: int, *, times: int = 1, inode: int | None = None) -> None:
        """The next sends on a stream socket that offer more than `size` bytes really send only that many."""
        self._plan(_Plan("send", times, inode, size=size))

    def _plan(self, plan: _Plan) -> None:
        if plan.family not in self._traps:
            raise UsageError(
                f"This target was not spawned with the trap {plan.family!r}, only with {sorted(self._traps)}."
            )
        self._plans.append(plan)

    @property
    def planned(self) -> int:
        """How many calls the plans in force still touch or let pass; each one handled makes the next wait another."""
        return sum(plan.times + plan.after for plan in self._plans)

    # --- Handling -----------------------------------------------------------------------------------------------

    def pump(self) -> int:
        """Handle every call waiting now, by the plans in force, and what the clock has due; how many. Never blocks."""
        handled = 0
        while handled < PUMP_LIMIT and self._waiting():
            buffer = bytearray(NOTIFICATION.size)  # the kernel wants zeros
            try:
                fcntl.ioctl(self._fd, NOTIF_RECV, buffer)
            except InterruptedError:
                continue
            except FileNotFoundError:
                continue  # its process died or took a signal first
            handled += 1
            self._handle(buffer)
        return handled if self._clock is None else handled + self._clock.catch_up()

    def _waiting(self) -> bool:
        return any(event & select.POLLIN for _, event in self._poll.poll(0))

    def _handle(self, buffer: bytearray) -> None:
        id, tid, _, number, _, _, *args = NOTIFICATION.unpack(buffer)
        if (handler := self._handlers.get(number)) is not None:
            handler(id, tid, tuple(args), self._respond)
            return
        call = self._identify(id, tid, self._names.get(number, "?"), tuple(args))
        if call is None:
            self._respond(id, flags=CONTINUE)
            return
        for plan in self._plans:
            if plan.wants(call):
                if self._carry_out(plan, call):
                    plan.times -= 1
                    self._plans = [each for each in self._plans if each.times > 0]
                    return
                break
        self._settle(call, RAN, flags=CONTINUE)

    def _identify(self, id: int, tid: int, name: str, args: tuple[int, ...]) -> Call | None:
        """The call with its family and socket; None for one that nobody asked to see."""
        if name == "setsockopt":
            self._note_limit(tid, args)
            return None
        family = self._clone_family(tid, name, args) if name in ("clone", "clone3") else self._family.get(name)
        if family is None or family not in self._traps:
            return None
        inode = socket_inode(tid, args[0]) if family in ON_DESCRIPTOR else None
        if inode is None and family in SOCKETS_ONLY and ctypes.c_int(args[0]).value >= 0:
            return None
        return Call(id, tid, family, name, args, inode)

    def _note_limit(self, tid: int, args: tuple[int, ...]) -> None:
        inode = socket_inode(tid, args[0])
        option = LIMIT_OPTIONS.get(args[2] & 0xFFFFFFFF)
        if inode is None or option is None:
            return
        try:
            seconds, fraction = struct.unpack("qq", read_memory(tid, args[3], 16))  # struct timeval
        except Gone:
            return
        if 0 <= fraction < 1_000_000:  # else the call fails
            self.limits[inode, option] = max(0.0, seconds + fraction / 1e6)

    @staticmethod
    def _clone_family(tid: int, name: str, args: tuple[int, ...]) -> str | None:
        flags = args[0]
        if name == "clone3":
            try:
                (flags,) = struct.unpack("Q", read_memory(tid, args[0], 8))  # struct clone_args begins with them
            except Gone:
                return None
        return "thread" if flags & CLONE_THREAD else "fork"

    def _carry_out(self, plan: _Plan, call: Call) -> bool:
        """Do to the call what the plan says; False when it does not fit this call after all."""
        if plan.size is not None:
            return self._shorten(plan.size, call)
        if plan.errno is not None:
            self._fail(call, plan.errno)
        else:
            self._held.append(call)
            self.trace.append(Traced(call, HELD))
        return True

    def _fail(self, call: Call, errno: int) -> None:
        name = errno_names.errorcode.get(errno, str(errno))
        self._settle(call, failed(name), error=errno)

    def _shorten(self, size: int, call: Call) -> bool:
        """Send the first `size` bytes in the target's place and report that count to it."""
        try:
            data = offered(call.tid, call.name, call.args, limit=size + 1)
            if len(data) <= size:
                return False
            with borrowed_socket(_process_of(call.tid), ctypes.c_int(call.args[0]).value) as theirs:
                # Memory and descriptor were read from a task that must still be in this very call.
                if theirs.type != socket.SOCK_STREAM or not self.alive(call):
                    return False
                sent = theirs.send(data[:size], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
                _announce_room(theirs)
        except (Gone, BlockingIOError, BrokenPipeError):
            return False  # the call itself will block, or fail again with its SIGPIPE
        except OSError as error:
            self._fail(call, error.errno or errno_names.EIO)  # we took the socket's pending error: pass it on
            return True
        self._settle(call, shortened(sent), value=sent)
        return True

    def _settle(self, call: Call, outcome: CallOutcome, *, value: int = 0, error: int = 0, flags: int = 0) -> None:
        if self._respond(call.id, value=value, error=error, flags=flags):
            self.trace.append(Traced(call, outcome))

    def _respond(self, id: int, *, value: int = 0, error: int = 0, flags: int = 0) -> bool:
        """Answer a notification; False when its task is gone, which is normal."""
        try:
            fcntl.ioctl(self._fd, NOTIF_SEND, RESPONSE.pack(id, value, -error, flags))
        except FileNotFoundError:
            return False
        return True

    # --- Held calls ---------------------------------------------------------------------------------------------

    @property
    def held(self) -> tuple[Call, ...]:
        """The calls held now, oldest first; those of dead processes drop out."""
        self._held = [call for call in self._held if self.alive(call)]
        return tuple(self._held)

    def release(self, call: Call | None = None, *, errno: int | None = None) -> None:
        """Let one held call run, or all of them; with `errno` they fail instead."""
        going: Iterable[Call] = self.held if call is None else (call,)
        for each in going:
            if each not in self._held:
                continue
            self._held.remove(each)
            if errno is None:
                self._settle(each, RELEASED, flags=CONTINUE)
            else:
                self._fail(each, errno)

    def alive(self, call: Call) -> bool:
        """Whether that call is still waiting for our word."""
        try:
            fcntl.ioctl(self._fd, NOTIF_ID_VALID, struct.pack("Q", call.id))
        except OSError:
            return False
        return True

    def clear(self) -> None:
        """Forget all plans and let every held call run."""
        self._plans.clear()
        self.release()

    def close(self) -> None:
        """Release everything and give the descriptor back. Idempotent."""
        if self._fd >= 0:
            self.clear()
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        """Nothing more to do: it is open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, whatever happened."""
        self.close()


def _process_of(tid: int) -> int:
    """The process of a task. Raises Gone."""
    try:
        with open(f"/proc/{tid}/status", encoding="ascii", errors="replace") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("Tgid:"))
    except OSError as error:
        raise Gone from error


def available() -> str | None:
    """None when this machine can trap system calls, else the reason it cannot."""
    try:
        machine()
    except Unavailable as missing:
        return missing.reason
    action = ctypes.c_uint32(RET_USER_NOTIF)
    number = SYS_SECCOMP[os.uname().machine]
    if libc.syscall(number, SECCOMP_GET_ACTION_AVAIL, 0, ctypes.byref(action)) < 0:
        return f"seccomp user notification: {os.strerror(ctypes.get_errno())}"
    return None


def _announce_room(theirs: socket.socket) -> None:
    """Wake whoever waits for room in this send buffer, as the kernel does when a full one empties.

    After a real short write there will be such an edge, and an edge-triggered server rightly waits for it (epoll(7),
    Q9). Setting the buffer's size to what it is makes one (sk_write_space in sock_setsockopt).
    """
    if fcntl.fcntl(theirs, fcntl.F_GETFL) & os.O_NONBLOCK:
        size = theirs.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size // 2)  # which the kernel doubles: socket(7)
