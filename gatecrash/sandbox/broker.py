"""The process inside an arena: starts targets, buries them, hands out sockets, drains their output.

`fork_server.py` runs it, in an interpreter of its own, without site-packages; this file and those it imports need the
standard library only. In a namespace arena it is pid 1: when it dies the kernel kills everything else. On the shared
loopback it is a child subreaper, so orphans come back to it and can be killed too. It answers one request at a time on
a SOCK_SEQPACKET socket (JSON, descriptors by SCM_RIGHTS) and never speaks first after its greeting. End of file on that
socket means the tester is gone, even by SIGKILL: kill everything, then exit.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import termios
import time
from collections.abc import Mapping
from typing import Any

from gatecrash.sandbox import tracing, vdso
from gatecrash.sandbox.activity import Activity, new_file
from gatecrash.sandbox.cgroups import Group, group_here
from gatecrash.sandbox.namespaces import (
    become_subreaper,
    children_by_asking,
    descendants,
    enter_namespaces,
    groups_of,
    soft_to_hard,
    write_file,
)
from gatecrash.sandbox.overlays import Overlays
from gatecrash.sandbox.own_root import OwnRoot
from gatecrash.sandbox.process_limit import AT_LEAST, ProcessLimit
from gatecrash.sandbox.spawn import Spawn, SpawnedTarget
from gatecrash.sandbox.usage import Usage

FINISHED_KEPT = 16  # dead targets whose output can still be asked for
MESSAGE_SIZE = 200_000  # below the default SO_SNDBUF of a Unix socket (212992)
NETLINK_SOCK_DIAG = 4
TYPED_BYTES = 1 << 20  # of a standard input: /proc/sys/fs/pipe-max-size
GROWTH_SECONDS = 0.02  # between two looks at how many processes there are: some hundred forks

#: Limits that the kernel holds (getrlimit(2)), by the status of who went beyond: their names, and what was given.
_ENDED_AT = {-signal.SIGXCPU: ("cpu", "cpu_seconds"), -signal.SIGXFSZ: ("file_size", "file_size")}


class TesterGone(Exception):
    """Nobody is left to work for."""


class Broker:
    """One loop over the tester's requests, the targets' output and the death of children."""

    def __init__(self, control: socket.socket, *, private: bool, group: Group | None = None) -> None:
        """`private`: as pid 1 of an own pid namespace. `group`: for targets."""
        self.control = control
        self.group = group
        self.private = private
        self.targets: dict[int, SpawnedTarget] = {}
        self.ended: dict[int, int] = {}  # statuses of targets otherwise forgotten
        self.serial = 0
        self.oldest = 0  # the first process started since none was left
        self.oldest_serial = 0
        self.process_limit = ProcessLimit()
        self.overlays = Overlays()
        self.limits: dict[str, int] | None = None  # of a confined arena
        self.root: OwnRoot | None = None  # of one that has namespaces
        self.usage = Usage(self.list_all)
        memory = new_file()
        self.memory_for_tester = os.dup(memory)
        self.activity = Activity(memory)
        self.look_again = 0.0
        self.poll = select.poll()
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.wake = wake_read
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a handler would let a target's signal reach a pid 1 (kill(2))
        self.poll.register(self.wake, select.POLLIN)
        self.poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Until the tester closes its end, or dies."""
        self.give([self.memory_for_tester])
        self.reply({"ready": True}, speak_for=os.getpid())
        while True:
            ready = [descriptor for descriptor, _ in self.poll.poll(GROWTH_SECONDS * 1000 if self.oldest else None)]
            self.contain()
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
            "overrun": self.tell_overrun,
            "output": self.tell_output,
            "sockets": self.make_sockets,
            "write": self.write_sysctl,
            "clear": self.clear,
            "cover": self.cover,
            "confine": self.confine,
            "written": self.tell_written,
            "shared": self.tell_shared,
        }[request["op"]]
        try:
            operation(request)
        except OSError as error:
            self.reply({"error": error.strerror or str(error), "errno": error.errno or 0})
        return True

    def give(self, descriptors: list[int]) -> None:
        """Hand descriptors over and close ours, before the reply that lets the tester use them.

        A socket is closed by its last descriptor: with a copy left here, the tester's close(2) would send no FIN.
        """
        rights = struct.pack(f"{len(descriptors)}i", *descriptors)
        self.control.sendmsg([b'{"more": true}'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        for descriptor in descriptors:
            os.close(descriptor)

    def reply(self, message: Mapping[str, Any], speak_for: int = 0) -> None:
        """Answer the tester. With `speak_for`, the kernel tells it that process's pid as the tester sees it.

        unix(7), SCM_CREDENTIALS: a privileged sender may name another pid, and the kernel translates it into
        the receiver's pid namespace. It stays true when the process is already dead and reaped.
        """
        ancillary: list[tuple[int, int, bytes]] = []
        if speak_for and self.private:
            credentials = struct.pack("3i", speak_for, os.geteuid(), os.getegid())
            ancillary.append((socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials))
        self.control.sendmsg([json.dumps({"pid": speak_for, **message}).encode()], ancillary)

    def spawn(self, request: Mapping[str, Any]) -> None:
        """Fork and exec; answers once exec has happened, or why it did not."""
        launch = Spawn(request, die_with_broker=not self.private, limits=self.limits)
        out_read, out_write = terminal() if request["terminal"] else os.pipe2(os.O_CLOEXEC)
        if not self.oldest:  # nothing runs that could miss what it wrote
            self.overlays.renew()
            if self.root is not None:
                self.root.renew()
        stdin_read, stdin_write = os.pipe2(os.O_CLOEXEC)
        if request["typed"]:
            type_lines(stdin_write)
        hear, tell = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if not self.oldest:
            self.usage.restart(self.group, time.monotonic())
            if self.group is not None:
                self.group.restart()
        pid = self.fork()
        if pid == 0:
            launch.tasks_held = self.group is not None and "pids" in self.group.held
            launch.run(stdin_read, out_write, tell)
        for descriptor in (stdin_read, out_write, tell.detach()):
            os.close(descriptor)
        os.set_blocking(out_read, False)
        self.serial += 1
        if not self.oldest:
            self.oldest, self.oldest_serial = pid, self.serial
            self.process_limit.restart()
        target = self.targets[self.serial] = SpawnedTarget(pid, stdin_write, out_read)
        self.poll.register(out_read, select.POLLIN)
        with hear:
            failure, untraced, listener = self.hear_report(hear)
        if failure is None:
            pidfd = os.pidfd_open(pid)
            refused = (untraced or self.set_clock(target)) if launch.clock else None
            self.give([pidfd, os.dup(out_read), *listener])
            told = {"serial": self.serial, "clock": refused, "number": self.activity.number}
            self.reply(told, speak_for=pid)  # nothing was read of what it prints until now
        else:
            os.kill(pid, signal.SIGKILL)
            target.status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            self.drain(target)
            for descriptor in listener:
                os.close(descriptor)
            self.reply({"failure": failure})
        self.forget_old()

    def fork(self) -> int:
        """With the child in the group, where there is one; one that takes nobody is given up."""
        if self.group is not None:
            try:
                return self.group.fork()
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.ENOMEM):  # as fork(2) itself
                    raise
                self.give_group_up()
        return os.fork()

    def give_group_up(self) -> None:
        """It is of no use: all is as where there is none."""
        if self.group is not None:
            self.group.remove()
            self.group = None

    def set_clock(self, target: SpawnedTarget) -> str | None:
        """A traced child has been executed and stops: give it its clocks and let it run; why that is refused."""
        pid, status = os.waitpid(target.pid, 0)
        if not os.WIFSTOPPED(status):
            self.bury(pid, status)
            return None
        try:
            tracing.set_clock_ahead(pid)
        except vdso.NoStub as missing:
            return str(missing)
        except OSError as error:
            return f"ptrace: {error.strerror}"
        finally:
            with contextlib.suppress(OSError):  # killed meanwhile
                tracing.ptrace(tracing.DETACH, pid)
        return None

    def hear_report(self, hear: socket.socket) -> tuple[dict[str, Any] | None, str | None, list[int]]:
        """The child's failure, or None after the end of file of a successful exec; why it is not traced; its listener.

        It may say first that it cannot be traced, then comes the listener, then the end.
        """
        listener: list[int] = []
        untraced: str | None = None
        poll = select.poll()
        poll.register(hear, select.POLLIN)
        poll.register(self.control, 0)  # 0: only its hang-up
        while True:
            if any(ready == self.control.fileno() for ready, _ in poll.poll()):
                raise TesterGone
            data, received, _, _ = socket.recv_fds(hear, 4096, 1, socket.MSG_CMSG_CLOEXEC)
            listener += received
            if not data:
                return None, untraced, listener
            message = json.loads(data)
            untraced = message.get("clock", untraced)
            if "stage" in message:
                return message, untraced, listener

    def drain(self, target: SpawnedTarget, rounds: int = 1) -> None:
        """Read a target's output; at its end, stop watching for more."""
        pipe = target.pipe
        with self.activity.reading():
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
        """Note the end of a target; orphans end unnoticed."""
        for target in self.targets.values():
            if target.pid == pid and target.status is None:
                target.status = os.waitstatus_to_exitcode(status)
                if self.limits is not None and target.status in _ENDED_AT:
                    limit, given = _ENDED_AT[target.status]
                    target.hit = target.hit or _hit(limit, self.limits[given], self.limits[given])
                self.note_held()

    def contain(self) -> None:
        """End everything when there are far more processes than clients account for."""
        now = time.monotonic()
        if not self.oldest or now < self.look_again:
            return
        self.look_again = now + GROWTH_SECONDS
        if self.limits is not None and self.hits_limit(self.limits, now):
            return
        if not self.process_limit.to_count:
            return
        processes = len(self.below(most=self.process_limit.allowed))
        if processes > self.process_limit.allowed:
            for serial, target in self.targets.items():
                target.overrun = processes if serial >= self.oldest_serial else target.overrun
            self.kill_all()

    def note_held(self) -> bool:
        """Note what the kernel has held against the targets, and maybe ended them for; whether there is something."""
        hit = self.group.hit() if self.group is not None else None
        if hit is not None:
            self.note_hit(hit)
        return hit is not None

    def note_hit(self, hit: tuple[str, int, int]) -> None:
        """Of those that were started since nothing ran; the first is what counts."""
        for serial, target in self.targets.items():
            target.hit = target.hit or (_hit(*hit) if serial >= self.oldest_serial else None)

    def hits_limit(self, limits: Mapping[str, int], now: float) -> bool:
        """End everything of a confined arena that has more than it was given; whether that was so."""
        hit = self.usage.hit(limits, self.root, now)
        printed = max((target.total for target in self.targets.values() if target.pipe is not None), default=0)
        if hit is None and printed > limits["output"] << 20:
            hit = ("output", limits["output"], printed >> 20)
        if hit is not None:
            self.note_hit(hit)
        elif not self.note_held():
            return False
        self.kill_all()
        return True

    def list_all(self, most: int) -> list[int]:
        """The processes of this arena but this one, or the first of them when there are more than `most`."""
        if self.root is None:
            return self.below(most)
        me = os.getpid()
        return [pid for name in os.listdir("/proc") if name.isdigit() and (pid := int(name)) != me]

    def tell_overrun(self, request: Mapping[str, Any]) -> None:
        """How many processes there were when they were ended for being too many; 0 when they never were."""
        target = self.targets.get(request["serial"])
        if target is None:
            self.reply({"processes": 0, "hit": None})
            return
        self.note_held()
        if (
            self.limits is not None
            and self.root is not None
            and self.serial == request["serial"]
            and self.root.is_full()
        ):
            target.hit = target.hit or _hit(
                "disk", self.limits["disk"], self.limits["disk"]
            )  # it ended by itself of it
        self.reply({"processes": target.overrun, "hit": target.hit})

    def tell_status(self, request: Mapping[str, Any]) -> None:
        """Its exit status; the tester asks when the pidfd says that it is dead, so this hardly waits."""
        serial = request["serial"]
        if serial not in self.ended:
            target = self.targets[serial]
            if target.status is None:
                self.bury(*os.waitpid(target.pid, 0))
            self.reply({"status": target.status})
        else:
            self.reply({"status": self.ended[serial]})

    def tell_output(self, request: Mapping[str, Any]) -> None:
        """Head and tail in a memory file: together they may exceed one message."""
        target = self.targets.get(request["serial"])
        if target is None:
            raise OSError(errno.ESRCH, f"that target ended long ago: more than {FINISHED_KEPT} others have since")
        self.drain(target, rounds=32)  # a pipe holds 64 KiB: enough to have all that was written so far
        memory = os.memfd_create("output")
        os.write(memory, target.head)
        os.write(memory, target.tail)
        self.give([memory])
        self.reply({"head": len(target.head), "total": target.total, "number": self.activity.number})

    def forget_old(self) -> None:
        """Keep memory bounded when a tester starts thousands of targets; those with living children stay."""
        finished = [serial for serial, target in self.targets.items() if target.status is not None and not target.pipe]
        for serial in finished[:-FINISHED_KEPT]:
            target = self.targets.pop(serial)
            target.release()
            if target.status is not None:
                self.ended[serial] = target.status

    def make_sockets(self, request: Mapping[str, Any]) -> None:
        """A batch of fresh sockets of this network, given away."""
        family, kind, protocol = request["socket"]
        made: list[socket.socket] = []
        try:
            for _ in range(request["count"]):
                made.append(socket.socket(family, kind, protocol))
        except OSError:
            for one in made:
                one.close()
            raise
        self.give([one.detach() for one in made])
        self.reply({})

    def write_sysctl(self, request: Mapping[str, Any]) -> None:
        """Set a parameter of this network namespace."""
        write_file(request["path"], request["value"])
        self.reply({})

    def clear(self, request: Mapping[str, Any]) -> None:
        """Empty the arena."""
        self.kill_all()
        self.reply({})

    def cover(self, request: Mapping[str, Any]) -> None:
        """From now on these folders are copies, each time new when nothing runs any more; tells which cannot be."""
        if not self.private:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        self.reply({"refused": self.overlays.cover(request["folders"], request["kept"])})

    def confine(self, request: Mapping[str, Any]) -> None:
        """Once, before anything runs: have these limits held, and see what is named and nothing else."""
        if self.private:
            self.root = OwnRoot(request)
            try:
                self.root.enter()
            except OSError as error:
                raise OSError(error.errno, f"{error.filename}: {error.strerror}") from error
        elif self.group is None:
            self.group = group_here()
        self.limits = dict(request["limits"])
        if self.group is not None:
            try:
                self.group.limit(self.limits)
            except OSError:
                self.give_group_up()
        self.reply({})

    def tell_written(self, request: Mapping[str, Any]) -> None:
        """Give what was written into a place; what ran is ended first, so that nothing of it changes any more."""
        if self.root is None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        self.kill_all()
        self.give([os.dup(self.root.above[request["place"]])])
        self.reply({})

    def tell_shared(self, request: Mapping[str, Any]) -> None:
        """Give a place that the tester reads."""
        if self.root is None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        self.give([self.root.shared(request["place"])])
        self.reply({})

    def kill_all(self) -> None:
        """Kill every process of the arena but this one, and wait until they are gone.

        Dead children are buried before each new round: their zombies would make every listing longer, and processes
        that fork and end for ever could then outrun it.
        """
        while True:
            self.kill_round()
            try:
                self.bury(*os.waitpid(-1, 0))
            except ChildProcessError:
                self.oldest = 0
                return
            self.reap()

    def kill_round(self) -> None:
        """SIGKILL everything below this process, newest first."""
        if self.private:
            # kill(2), pid -1: everything but pid 1 itself, under the lock that fork takes, so a fork bomb loses.
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            return
        if self.group is not None:
            self.group.kill()
        # Every target leads a session of its own, so that groups hold nobody else. A group is killed at once, under the
        # lock that fork takes; one by one, or when all of them are looked for first, processes that fork outrun us.
        for group in groups_of(self.below(most=AT_LEAST)) - {os.getpgrp()}:
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        for pid in reversed(self.below()):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def below(self, most: int | None = None) -> list[int]:
        """Every process below this one, or the first of them when there are more than `most`.

        Where /proc is masked: its children, who leave it theirs when they end.
        """
        if os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
            return descendants(os.getpid(), most)
        return children_by_asking(self.oldest) if self.oldest else []


def _hit(limit: str, given: int, had: int) -> dict[str, Any]:
    return {"limit": limit, "given": given, "had": had}


def type_lines(keyboard: int) -> None:
    """Fill a pipe with empty lines: as many as it may hold, for each child reads a buffer full of them."""
    try:
        size = fcntl.fcntl(keyboard, fcntl.F_SETPIPE_SZ, TYPED_BYTES)
    except OSError:  # this user has too many large pipes (pipe(7))
        size = fcntl.fcntl(keyboard, fcntl.F_GETPIPE_SZ)
    os.set_blocking(keyboard, False)
    with contextlib.suppress(BlockingIOError):
        os.write(keyboard, b"\n" * size)


def terminal() -> tuple[int, int]:
    """Both ends of a pseudo-terminal (pty(7)), like those of a pipe: what is written to it comes out unchanged."""
    ours, theirs = os.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST  # no carriage return before a newline
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    return ours, theirs


def run(kind: str, control: socket.socket) -> None:
    """Enter an arena of this kind, and serve there until the tester is gone."""
    os.chdir("/")
    group = group_here() if kind == "confined" else None
    try:
        if kind != "loopback":
            enter_namespaces(confined=kind == "confined", group=group)
        else:
            become_subreaper()
    except OSError as error:
        if group is not None:
            group.remove()
        control.sendmsg([json.dumps({"refused": f"{error.filename or 'socket'}: {error.strerror}"}).encode()])
        return
    soft_to_hard()
    broker = Broker(control, private=kind != "loopback", group=group)
    try:
        broker.serve()
    finally:
        broker.kill_all()
        if not broker.private:
            broker.give_group_up()
        os._exit(0)  # nothing to tidy: the interpreter's own ending would take milliseconds
