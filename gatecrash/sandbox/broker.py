"""The process inside an arena: starts targets, buries them, hands out sockets, drains their output.

`fork_server.py` runs it, in an interpreter of its own, without site-packages; this file and those it imports need the
standard library only. In a namespace arena it is pid 1: when it dies the kernel kills everything else. On the shared
loopback it is a child subreaper, so orphans come back to it and can be killed too. It answers one request at a time on
a SOCK_SEQPACKET socket (JSON, descriptors by SCM_RIGHTS) and never speaks first after its greeting. End of file on that
socket means the tester is gone, even by SIGKILL: kill everything, then exit.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import time
from collections.abc import Mapping
from typing import Any

from gatecrash.sandbox import tracing
from gatecrash.sandbox.activity import Activity, new_file
from gatecrash.sandbox.cgroups import Group, group_here
from gatecrash.sandbox.control import Control
from gatecrash.sandbox.killing import below, everybody_else, kill_round
from gatecrash.sandbox.namespaces import write_file
from gatecrash.sandbox.overlays import Overlays
from gatecrash.sandbox.own_root import OwnRoot
from gatecrash.sandbox.process_limit import AT_LEAST, ProcessLimit
from gatecrash.sandbox.spawn import Spawn, SpawnedTarget
from gatecrash.sandbox.terminals import terminal, type_lines
from gatecrash.sandbox.usage import Usage

FINISHED_KEPT = 16  # dead targets whose output can still be asked for
GROWTH_SECONDS = 0.02  # between two looks at how many processes there are: some hundred forks

#: Limits that the kernel holds (getrlimit(2)), by the status of who went beyond: their names, and what was given.
_ENDED_AT = {-signal.SIGXCPU: ("cpu", "cpu_seconds"), -signal.SIGXFSZ: ("file_size", "file_size")}


class Broker:
    """One loop over the tester's requests, the targets' output and the death of children."""

    def __init__(self, control: socket.socket, *, private: bool, group: Group | None = None) -> None:
        """`private`: as pid 1 of an own pid namespace. `group`: for targets."""
        self.control = Control(control, private=private)
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
        self.control.give([self.memory_for_tester])
        self.control.reply({"ready": True}, speak_for=os.getpid())
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
        request = self.control.request()
        if request is None:
            return False
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
            self.control.reply({"error": error.strerror or str(error), "errno": error.errno or 0})
        return True

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
            failure, untraced, listener = self.control.hear(hear)
        if failure is None:
            pidfd = os.pidfd_open(pid)
            refused = (untraced or self.set_clock(target)) if launch.clock else None
            self.control.give([pidfd, os.dup(out_read), *listener])
            told = {"serial": self.serial, "clock": refused, "number": self.activity.number}
            self.control.reply(told, speak_for=pid)  # nothing was read of what it prints until now
        else:
            os.kill(pid, signal.SIGKILL)
            target.status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            self.drain(target)
            for descriptor in listener:
                os.close(descriptor)
            self.control.reply({"failure": failure})
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
        return tracing.released_ahead(pid)

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
            self.note_too_many(processes)
            self.kill_all()

    def note_too_many(self, processes: int) -> None:
        """They fork without end, whoever counts them first; or have more than they were given, where that was less."""
        if self.limits is not None and self.limits["processes"] < AT_LEAST:
            self.note_hit(("processes", self.limits["processes"], processes))
            return
        for serial, target in self.targets.items():
            target.overrun = processes if serial >= self.oldest_serial else target.overrun

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
        if hit is not None and hit[0] == "processes":
            self.note_too_many(hit[2])
        elif hit is not None:
            self.note_hit(hit)
        elif not self.note_held():
            return False
        self.kill_all()
        return True

    def list_all(self, most: int) -> list[int]:
        """The processes of this arena but this one, or the first of them when there are more than `most`."""
        return self.below(most) if self.root is None else everybody_else()

    def tell_overrun(self, request: Mapping[str, Any]) -> None:
        """How many processes there were when they were ended for being too many; 0 when they never were."""
        target = self.targets.get(request["serial"])
        if target is None:
            self.control.reply({"processes": 0, "hit": None})
            return
        self.note_held()
        if (
            self.limits is not None
            and self.root is not None
            and self.serial == request["serial"]
            and self.root.is_full()
        ):
            given = self.limits["disk"]
            target.hit = target.hit or _hit("disk", given, given)  # it ended by itself of it
        self.control.reply({"processes": target.overrun, "hit": target.hit})

    def tell_status(self, request: Mapping[str, Any]) -> None:
        """Its exit status; the tester asks when the pidfd says that it is dead, so this hardly waits."""
        serial = request["serial"]
        if serial not in self.ended:
            target = self.targets[serial]
            if target.status is None:
                self.bury(*os.waitpid(target.pid, 0))
            self.control.reply({"status": target.status})
        else:
            self.control.reply({"status": self.ended[serial]})

    def tell_output(self, request: Mapping[str, Any]) -> None:
        """Head and tail in a memory file: together they may exceed one message."""
        target = self.targets.get(request["serial"])
        if target is None:
            raise OSError(errno.ESRCH, f"that target ended long ago: more than {FINISHED_KEPT} others have since")
        self.drain(target, rounds=32)  # a pipe holds 64 KiB: enough to have all that was written so far
        memory = os.memfd_create("output")
        os.write(memory, target.head)
        os.write(memory, target.tail)
        self.control.give([memory])
        self.control.reply({"head": len(target.head), "total": target.total, "number": self.activity.number})

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
        self.control.give([one.detach() for one in made])
        self.control.reply({})

    def write_sysctl(self, request: Mapping[str, Any]) -> None:
        """Set a parameter of this network namespace."""
        write_file(request["path"], request["value"])
        self.control.reply({})

    def clear(self, request: Mapping[str, Any]) -> None:
        """Empty the arena."""
        self.kill_all()
        self.control.reply({})

    def cover(self, request: Mapping[str, Any]) -> None:
        """From now on these folders are copies, each time new when nothing runs any more; tells which cannot be."""
        if not self.private:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        self.control.reply({"refused": self.overlays.cover(request["folders"], request["kept"])})

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
        self.control.reply({})

    def tell_written(self, request: Mapping[str, Any]) -> None:
        """Give what was written into a place; what ran is ended first, so that nothing of it changes any more."""
        if self.root is None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        self.kill_all()
        self.control.give([os.dup(self.root.above[request["place"]])])
        self.control.reply({})

    def tell_shared(self, request: Mapping[str, Any]) -> None:
        """Give a place that the tester reads."""
        if self.root is None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        self.control.give([self.root.shared(request["place"])])
        self.control.reply({})

    def kill_all(self) -> None:
        """Kill every process of the arena but this one, and wait until they are gone.

        Dead children are buried before each new round: their zombies would make every listing longer, and processes
        that fork and end for ever could then outrun it.
        """
        while True:
            kill_round(self.oldest, private=self.private, group=self.group)
            try:
                self.bury(*os.waitpid(-1, 0))
            except ChildProcessError:
                self.oldest = 0
                return
            self.reap()

    def below(self, most: int | None = None) -> list[int]:
        """Every process below this one, or the first of them when there are more than `most`."""
        return below(self.oldest, most)


def _hit(limit: str, given: int, had: int) -> dict[str, Any]:
    return {"limit": limit, "given": given, "had": had}
