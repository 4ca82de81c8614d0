"""How a broker starts a target and keeps its output.

Imported by the broker, which runs without site-packages: standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from gatecrash.sandbox import nobody, tracing, vdso
from gatecrash.sandbox.namespaces import checked, libc, write_file

KEPT = 64 * 1024  # bytes of output kept at each end

# prctl(2), seccomp(2)
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_NEW_LISTENER, SECCOMP_WAIT_KILLABLE_RECV = 1 << 3, 1 << 5
SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}
#: Worked out once, and not in each child. All that can be set to what it is for a program by default.
_SIGNALS = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
SYS_EXECVE = {"x86_64": 59, "aarch64": 221}


class Spawn:
    """What one spawn request asks for."""

    def __init__(
        self, request: Mapping[str, Any], *, die_with_broker: bool, limits: Mapping[str, int] | None = None
    ) -> None:
        """`die_with_broker`: where no pid namespace kills the target when its broker dies. `limits`: of a confined one.

        It becomes nobody where it has a namespace of its own.
        """
        self.limits = limits
        self.tasks_held = False  # whether its control group limits them
        self.argv: list[str] = request["argv"]
        self.candidates = candidates(request["argv"][0], request["env"].get("PATH", ""))
        self.cwd: str = request["cwd"]
        self.env: dict[str, str] = request["env"]
        self.nofile: int = request["nofile"]
        self.filter = bytes.fromhex(request["filter"])
        # The filter lets sendmsg on exactly this descriptor pass: the way out for the listener.
        self.report_fd: int = request["report_fd"]
        self.die_with_broker = die_with_broker
        #: Whether its clocks are to be such that they can be put ahead: then it stops once it has been executed.
        self.clock: bool = request["clock"]

    def run(self, stdin: int, stdout: int, report: socket.socket) -> NoReturn:
        """In the forked child: become the target. Never returns; a failure is told on `report`."""
        stage = "setting up"
        try:
            self.take_descriptors(stdin, stdout, report.fileno())
            report.detach()
            self.reset_inheritance()
            if self.limits is not None:
                stage = "confining"
                self.be_confined(self.limits)
            stage = "chdir"
            os.chdir(self.cwd)
            if self.clock:
                self.be_traced()
            stage = "seccomp"
            if self.filter:
                self.install_filter()
            stage = "exec"
            self.execute()
        except OSError as error:
            message = json.dumps({"stage": stage, "errno": error.errno or 0}).encode()
            tell = socket.socket(fileno=self.report_fd)
            tell.sendmsg([message])
            tell.detach()
        finally:
            os._exit(127)

    def execute(self) -> NoReturn:
        """Like execvp(3): the first candidate there is; a refused one matters only when no other is found."""
        problem = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        execve = _marked_execve(self.argv, self.env) if self.clock else os.execve
        for path in self.candidates:
            try:
                execve(path, self.argv, self.env)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError as error:
                problem = error
        raise problem

    def be_traced(self) -> None:
        """By the broker, until the program has its clocks; where that is refused, say so and go on without."""
        try:
            tracing.ptrace(tracing.TRACEME, 0)
        except OSError as error:
            tell = socket.socket(fileno=self.report_fd)
            tell.sendmsg([json.dumps({"clock": f"ptrace: {error.strerror}"}).encode()])
            tell.detach()

    def take_descriptors(self, stdin: int, stdout: int, report: int) -> None:
        """0, 1, 2 and the report socket (close-on-exec); everything else closed."""
        # All four sources lie above 2: the broker keeps 0, 1, 2 open on /dev/null.
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.dup2(stdout, 2)
        if report != self.report_fd:
            os.dup2(report, self.report_fd, inheritable=False)  # last: it may take the number of one of the others
        os.closerange(3, self.report_fd)
        os.closerange(self.report_fd + 1, 1 << 20)

    def reset_inheritance(self) -> None:
        """A target must not depend on how the tester was started: session, signals, umask, limits."""
        os.setsid()
        if self.die_with_broker:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # a set-user-ID program could not be killed
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.umask(0o022)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):  # whoever eats all memory is the one to be killed for it (proc(5))
            write_file("/proc/self/oom_score_adj", "1000")
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.nofile, hard))

    def be_confined(self, limits: Mapping[str, int]) -> None:
        """Give up all that a program which nobody trusts is not to have."""
        nobody.limit_resources(limits, self.nofile)
        if not self.die_with_broker:
            if not self.tasks_held:
                nobody.limit_tasks(limits)
            nobody.become_nobody()
        nobody.refuse_calls()

    def install_filter(self) -> None:
        """seccomp(2) with a listener, which leaves by the one sendmsg the filter lets pass.

        From here to exec nothing may read, close or import: such a call may be trapped, with nobody to let it go.
        """
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        code = ctypes.create_string_buffer(self.filter, len(self.filter))
        program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(self.filter) // 8, ctypes.addressof(code)))
        number = SYS_SECCOMP[os.uname().machine]
        # WAIT_KILLABLE_RECV (Linux 5.19): a held call is not interrupted by the target's own signals.
        flags = SECCOMP_NEW_LISTENER | SECCOMP_WAIT_KILLABLE_RECV
        listener = libc.syscall(number, SECCOMP_SET_MODE_FILTER, flags, program)
        if listener < 0 and ctypes.get_errno() == errno.EINVAL:
            listener = libc.syscall(number, SECCOMP_SET_MODE_FILTER, SECCOMP_NEW_LISTENER, program)
        checked(listener, "seccomp")
        out = socket.socket(fileno=self.report_fd)
        out.sendmsg([b"{}"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", listener))])
        out.detach()  # exec closes both


def _marked_execve(argv: list[str], env: Mapping[str, str]) -> Callable[[str, list[str], Mapping[str, str]], None]:
    """execve(2) with the mark that a filter lets pass; made beforehand, so that nothing is left to do but the call."""
    number = SYS_EXECVE[os.uname().machine]
    words = (ctypes.c_char_p * (len(argv) + 1))(*map(os.fsencode, argv), None)
    settings = (ctypes.c_char_p * (len(env) + 1))(*(os.fsencode(f"{name}={env[name]}") for name in env), None)
    call = libc.syscall

    def execve(path: str, _argv: list[str], _env: Mapping[str, str]) -> None:
        call(number, os.fsencode(path), words, settings, ctypes.c_ulong(vdso.MAGIC))
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))

    return execve


def candidates(program: str, path: str) -> list[str]:
    """Where execvp(3) would look for a program."""
    if "/" in program:
        return [program]
    return [os.path.join(folder or ".", program) for folder in path.split(":")]


class SpawnedTarget:
    """A started target as the broker remembers it: its status and both ends of its output."""

    def __init__(self, pid: int, stdin: int, output: int) -> None:
        """`stdin` is the write end of its input pipe, `output` the read end of its output pipe."""
        self.pid = pid
        self.stdin: int | None = stdin  # open and silent
        self.pipe: int | None = output
        self.status: int | None = None
        self.overrun = 0  # how many processes there were when the broker ended them for being too many
        self.hit: dict[str, Any] | None = None  # the limit of its confinement that it was ended for
        self.head, self.tail, self.total = bytearray(), bytearray(), 0

    def drain(self, rounds: int = 1) -> None:
        """Read what is there, at most `rounds` pipes full; forget the pipe at end of file."""
        for _ in range(rounds):
            if self.pipe is None:
                return
            try:
                data = os.read(self.pipe, KEPT)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.EIO:  # nobody has the other end of a terminal open any more (pty(7))
                    raise
                data = b""
            if not data:
                os.close(self.pipe)
                self.pipe = None
            self.keep(data)

    def keep(self, data: bytes) -> None:
        """The first KEPT bytes, the last KEPT of the rest, and the count of all."""
        self.total += len(data)
        room = KEPT - len(self.head)
        self.head += data[:room]
        self.tail += data[room:]
        del self.tail[:-KEPT]

    def release(self) -> None:
        """Close what is still open."""
        for descriptor in (self.stdin, self.pipe):
            if descriptor is not None:
                os.close(descriptor)
        self.stdin = self.pipe = None
