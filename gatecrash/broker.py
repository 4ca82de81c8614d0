"""The process inside an arena: starts targets, buries them, hands out sockets, drains their output.

`arena.py` runs this file as a script (`python -I -S broker.py KIND FD`); nothing here may import the rest of
Gatecrash. In a namespace arena it is pid 1: when it dies the kernel kills everything else. On the shared loopback
it is a child subreaper (prctl(2)), so orphans come back to it and can be killed too. It answers one request at a
time on a SOCK_SEQPACKET socket (JSON, descriptors by SCM_RIGHTS) and never speaks first after its greeting. End of
file on that socket means the tester is gone, even by SIGKILL: kill everything, then exit.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

KEPT = 64 * 1024  # bytes of output kept at each end
FINISHED_KEPT = 16  # dead targets whose output can still be asked for
MESSAGE_SIZE = 200_000  # below the default SO_SNDBUF of a Unix socket (212992)

# prctl(2), seccomp(2), unshare(2), mount(2), netdevice(7)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_NEW_LISTENER, SECCOMP_WAIT_KILLABLE_RECV = 1 << 3, 1 << 5
SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 1 << 18
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
NETLINK_SOCK_DIAG, ETH_P_ALL = 4, 3

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> int:
    """The result of a libc call, or OSError naming the call."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)
    return result


# --- Entering the arena -----------------------------------------------------------------------------------------


def write_file(path: str, text: str) -> None:
    """One write(2), as /proc/PID/uid_map demands (user_namespaces(7))."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(descriptor)


def enter_namespaces() -> None:
    """Move into fresh user, pid, mount and network namespaces; return in the child that is pid 1 there."""
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET
    checked(libc.unshare(flags), "unshare")
    write_file("/proc/self/setgroups", "deny")
    write_file("/proc/self/uid_map", f"0 {uid} 1")
    write_file("/proc/self/gid_map", f"0 {gid} 1")
    child = os.fork()  # CLONE_NEWPID concerns children, not the caller
    if child:
        # Stay, so that pid 1 has a parent that reaps it even where the container's init does not.
        os.closerange(3, 1 << 16)
        os.waitpid(child, 0)
        os._exit(0)
    checked(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount / private")
    mount_proc()
    loopback_up()


def mount_proc() -> None:
    """Show targets their own processes; a container that masks /proc forbids it, and nothing of ours needs it."""
    libc.mount(b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    try:
        # Thousands of connections to one port: let connect(2) reuse a TIME_WAIT address after a second.
        write_file("/proc/sys/net/ipv4/tcp_tw_reuse", "1")
    except OSError:
        pass


def loopback_up() -> None:
    """Switch on lo, which a new network namespace has down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(probe, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


# --- Starting a target ------------------------------------------------------------------------------------------


class Launch:
    """What one spawn request asks for."""

    def __init__(self, request: Mapping[str, Any], *, die_with_broker: bool) -> None:
        self.argv: list[str] = request["argv"]
        self.cwd: str = request["cwd"]
        self.env: dict[str, str] = request["env"]
        self.nofile: int = request["nofile"]
        self.filter = bytes.fromhex(request["filter"])
        # The filter lets sendmsg on exactly this descriptor pass: the way out for the listener.
        self.report_fd: int = request["report_fd"]
        self.die_with_broker = die_with_broker

    def run(self, stdin: int, stdout: int, report: socket.socket) -> NoReturn:
        """In the forked child: become the target. Never returns; a failure is told on `report`."""
        stage = "setting up"
        try:
            self.take_descriptors(stdin, stdout, report.fileno())
            report.detach()
            self.reset_inheritance()
            stage = "chdir"
            os.chdir(self.cwd)
            stage = "seccomp"
            if self.filter:
                self.install_filter()
            stage = "exec"
            os.execvpe(self.argv[0], self.argv, self.env)
        except OSError as error:
            message = json.dumps({"stage": stage, "errno": error.errno or 0}).encode()
            socket.socket(fileno=self.report_fd).sendmsg([message])
        finally:
            os._exit(127)

    def take_descriptors(self, stdin: int, stdout: int, report: int) -> None:
        """0, 1, 2 and the report socket (close-on-exec); everything else closed."""
        # All four sources lie above 2: the broker keeps 0, 1, 2 open on /dev/null.
        os.dup2(report, self.report_fd, inheritable=False)
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.dup2(stdout, 2)
        os.closerange(3, self.report_fd)
        os.closerange(self.report_fd + 1, 1 << 20)

    def reset_inheritance(self) -> None:
        """A target must not depend on how the tester was started: session, signals, umask, limits."""
        os.setsid()
        if self.die_with_broker:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # a set-user-ID program could not be killed
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.umask(0o022)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.nofile, hard))

    def install_filter(self) -> None:
        """seccomp(2) with a listener, which leaves by the one sendmsg the filter lets pass."""
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        code = ctypes.create_string_buffer(self.filter, len(self.filter))
        program = ctypes.create_string_buffer(
            struct.pack("HxxxxxxP", len(self.filter) // 8, ctypes.addressof(code))
        )
        number = SYS_SECCOMP[os.uname().machine]
        # WAIT_KILLABLE_RECV (Linux 5.19): a held call is not interrupted by the target's own signals.
        flags = SECCOMP_NEW_LISTENER | SECCOMP_WAIT_KILLABLE_RECV
        listener = libc.syscall(number, SECCOMP_SET_MODE_FILTER, flags, program)
        if listener < 0 and ctypes.get_errno() == errno.EINVAL:
            listener = libc.syscall(number, SECCOMP_SET_MODE_FILTER, SECCOMP_NEW_LISTENER, program)
        checked(listener, "seccomp")
        out = socket.socket(fileno=self.report_fd)
        socket.send_fds(out, [b"{}"], [listener])
        out.detach()  # exec closes both: a close(2) here may already be trapped, with nobody to let it go


class Target:
    """A started target as the broker remembers it: its status and both ends of its output."""

    def __init__(self, pid: int, stdin: int, output: int) -> None:
        self.pid = pid
        self.stdin: int | None = stdin  # the write end: open and silent
        self.pipe: int | None = output
        self.status: int | None = None
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


# --- Serving the tester -----------------------------------------------------------------------------------------


class Broker:
    """One loop over the tester's requests, the targets' output and the death of children."""

    def __init__(self, control: socket.socket, *, private: bool) -> None:
        self.control = control
        self.private = private  # pid 1 of an own namespace
        self.targets: dict[int, Target] = {}
        self.serial = 0
        self.poll = select.poll()
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.wake = wake_read
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.poll.register(self.wake, select.POLLIN)
        self.poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Until the tester closes its end, or dies."""
        self.reply({"ready": True}, speak_for=os.getpid())
        while True:
            ready = [descriptor for descriptor, _ in self.poll.poll()]
            if self.wake in ready:
                os.read(self.wake, 4096)
                self.reap()
            for target in list(self.targets.values()):
                if target.pipe in ready:
                    self.drain(target)
            if self.control.fileno() in ready and not self.answer():
                return

    def answer(self) -> bool:
        """One request, one reply. False when the tester is gone."""
        try:
            message = self.control.recv(MESSAGE_SIZE)
        except ConnectionResetError:
            message = b""
        if not message:
            return False
        request = json.loads(message)
        operation = {
            "spawn": self.spawn,
            "status": self.tell_status,
            "output": self.tell_output,
            "forget": self.forget,
            "sockets": self.make_sockets,
            "open": self.open_file,
            "write": self.write_sysctl,
            "clear": self.clear,
        }[request["op"]]
        try:
            operation(request)
        except OSError as error:
            self.reply({"error": str(error), "errno": error.errno or 0})
        return True

    def reply(self, message: Mapping[str, Any], descriptors: list[int] | None = None, speak_for: int = 0) -> None:
        """Answer the tester. With `speak_for`, the kernel tells it that process's pid as the tester sees it.

        unix(7), SCM_CREDENTIALS: a privileged sender may name another pid, and the kernel translates it into
        the receiver's pid namespace. It stays true when the process is already dead and reaped.
        """
        ancillary: list[tuple[int, int, bytes]] = []
        if descriptors:
            rights = struct.pack(f"{len(descriptors)}i", *descriptors)
            ancillary.append((socket.SOL_SOCKET, socket.SCM_RIGHTS, rights))
        if speak_for and self.private:
            credentials = struct.pack("3i", speak_for, os.geteuid(), os.getegid())
            ancillary.append((socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials))
        self.control.sendmsg([json.dumps({"pid": speak_for, **message}).encode()], ancillary)

    def spawn(self, request: Mapping[str, Any]) -> None:
        """Fork and exec; answers once exec has happened, or why it did not."""
        launch = Launch(request, die_with_broker=not self.private)
        stdin_read, stdin_write = os.pipe2(os.O_CLOEXEC)
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        hear, tell = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            launch.run(stdin_read, out_write, tell)
        for descriptor in (stdin_read, out_write, tell.detach()):
            os.close(descriptor)
        os.set_blocking(out_read, False)
        self.serial += 1
        target = self.targets[self.serial] = Target(pid, stdin_write, out_read)
        self.poll.register(out_read, select.POLLIN)
        with hear:
            failure, listener = self.hear_report(hear)
        descriptors = [os.pidfd_open(pid), *listener]
        if failure is None:
            self.reply({"serial": self.serial}, descriptors, speak_for=pid)
        else:
            target.status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            self.drain(target)
            self.reply({"failure": failure})
        for descriptor in descriptors:
            os.close(descriptor)
        self.forget_old()

    @staticmethod
    def hear_report(hear: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
        """The child's listener, then its failure or the end of file that a successful exec makes."""
        listener: list[int] = []
        while True:
            data, received, _, _ = socket.recv_fds(hear, 4096, 1, socket.MSG_CMSG_CLOEXEC)
            listener += received
            if not data:
                return None, listener
            message = json.loads(data)
            if message:
                return message, listener

    def drain(self, target: Target, rounds: int = 1) -> None:
        pipe = target.pipe
        target.drain(rounds)
        if pipe is not None and target.pipe is None:
            self.poll.unregister(pipe)

    def reap(self) -> None:
        """Bury every dead child, adopted ones included."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.bury(pid, status)

    def bury(self, pid: int, status: int) -> None:
        for target in self.targets.values():
            if target.pid == pid and target.status is None:
                target.status = os.waitstatus_to_exitcode(status)

    def tell_status(self, request: Mapping[str, Any]) -> None:
        target = self.targets[request["serial"]]
        if target.status is None:
            pid, status = os.waitpid(target.pid, 0 if request["dead"] else os.WNOHANG)
            if pid:
                self.bury(pid, status)
        self.reply({"status": target.status})

    def tell_output(self, request: Mapping[str, Any]) -> None:
        """Head and tail in a memory file: together they may exceed one message."""
        target = self.targets[request["serial"]]
        self.drain(target, rounds=32)  # a pipe holds 64 KiB: enough to have all that was written so far
        memory = os.memfd_create("output")
        os.write(memory, target.head)
        os.write(memory, target.tail)
        self.reply({"head": len(target.head), "total": target.total}, [memory])
        os.close(memory)

    def forget(self, request: Mapping[str, Any]) -> None:
        """The tester is done with a target: keep nothing of it once it is dead."""
        target = self.targets.get(request["serial"])
        if target is not None and target.status is not None:
            self.discard(request["serial"])
        self.reply({})

    def forget_old(self) -> None:
        finished = [serial for serial, target in self.targets.items() if target.status is not None]
        for serial in finished[:-FINISHED_KEPT]:
            self.discard(serial)

    def discard(self, serial: int) -> None:
        target = self.targets.pop(serial)
        if target.pipe is not None:
            self.poll.unregister(target.pipe)
        target.release()

    def make_sockets(self, request: Mapping[str, Any]) -> None:
        """A batch of fresh sockets of this network, given away."""
        family, kind, protocol = request["socket"]
        made: list[socket.socket] = []
        try:
            for _ in range(request["count"]):
                made.append(socket.socket(family, kind, protocol))
                if family == socket.AF_PACKET:
                    made[-1].bind(("lo", ETH_P_ALL))
            self.reply({}, [one.fileno() for one in made])
        finally:
            for one in made:
                one.close()

    def open_file(self, request: Mapping[str, Any]) -> None:
        """A file of this network's /proc/net, open: each read from its start is a fresh look."""
        descriptor = os.open(request["path"], os.O_RDONLY)
        self.reply({}, [descriptor])
        os.close(descriptor)

    def write_sysctl(self, request: Mapping[str, Any]) -> None:
        write_file(request["path"], request["value"])
        self.reply({})

    def clear(self, request: Mapping[str, Any]) -> None:
        self.kill_all()
        self.reply({})

    def kill_all(self) -> None:
        """Kill every process of the arena but this one, and wait until they are gone."""
        for number in (signal.SIGSTOP, signal.SIGKILL):
            self.signal_all(number)
        while True:
            try:
                pid, status = os.waitpid(-1, 0)
            except ChildProcessError:
                return
            self.bury(pid, status)
            self.signal_all(signal.SIGKILL)  # whatever a dying process still left behind

    def signal_all(self, number: int) -> None:
        """Every process but this one. Stopped processes cannot fork, so a fork bomb loses."""
        if self.private:
            try:
                os.kill(-1, number)  # kill(2): everything but pid 1 itself, in one go
            except ProcessLookupError:
                pass
            return
        seen: set[int] = set()
        while fresh := set(descendants(os.getpid())) - seen:
            seen |= fresh
            for pid in fresh:
                try:
                    os.kill(pid, number)
                except OSError:
                    pass


def descendants(root: int) -> list[int]:
    """Every process below `root`, by /proc/PID/task/TID/children (proc(5))."""
    found: list[int] = []
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as listing:
                    children = [int(word) for word in listing.read().split()]
                found += children
                waiting += children
        except OSError:
            continue  # gone meanwhile
    return found


def main() -> None:
    kind, control = sys.argv[1], socket.socket(fileno=int(sys.argv[2]))
    control.set_inheritable(False)
    os.chdir("/")
    try:
        if kind == "namespace":
            enter_namespaces()
        else:
            checked(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")
    except OSError as error:
        control.sendmsg([json.dumps({"refused": f"{error.filename or 'socket'}: {error.strerror}"}).encode()])
        return
    soft_to_hard()
    broker = Broker(control, private=kind == "namespace")
    try:
        broker.serve()
    finally:
        broker.kill_all()
        os._exit(0)  # nothing to tidy: the interpreter's own ending would take milliseconds


def soft_to_hard() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
