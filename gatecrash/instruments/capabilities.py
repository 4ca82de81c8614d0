"""What this machine lets Gatecrash see and do: one entry an instrument, with the kernel's reason where it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

from gatecrash.errors import GatecrashError
from gatecrash.instruments import borrowing, clock, gates, procfs
from gatecrash.instruments.queues import Queues
from gatecrash.language import marked, say, stated
from gatecrash.sandbox import cgroups
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.delegation import settle


@dataclass(frozen=True)
class Capability:
    """One thing that may be refused. `reason` is None where it works; `without` says what is lost."""

    name: str
    what: str
    without: str
    reason: str | None


def capabilities() -> tuple[Capability, ...]:
    """Try each of them once."""
    return (
        Capability(
            "arena",
            say("a private network and process space for each target"),
            say("Targets run on the shared loopback."),
            _refusal(_namespace),
        ),
        Capability(
            "queues",
            say("accept queues and what the server has read (sock_diag)"),
            say("Only the wire is judged."),
            _refusal(_queues),
        ),
        Capability(
            "census",
            say("processes, descriptors and where they block (/proc)"),
            say("Only the wire is judged."),
            _refusal(_census),
        ),
        Capability(
            "gates",
            say("system calls held or made to fail (seccomp notification)"),
            say("Rules that need a failing call are not observable."),
            gates.available(),
        ),
        Capability(
            "borrowed sockets",
            say("sends made short, time limits of sockets read (pidfd_getfd)"),
            say("Rules that need a short send are not observable."),
            borrowing.refused(),
        ),
        Capability(
            "clock",
            say("sleeps and time limits of a target skipped (ptrace)"),
            say("A target's sleeps and time limits take as long as they take."),
            _refusal(clock.available),
        ),
        Capability(
            "C compiler",
            say("builds C targets and the C reference servers"),
            say("Only Python targets and commands can be judged."),
            _compiler(),
        ),
    )


def limits() -> tuple[str, ...]:
    """Sentences: who holds the limits of a submission. It decides no verdict, so that it is none of `capabilities`.

    This process moves to a group of its own where that has them held, as `grade` does.
    """
    settle()
    try:
        ground = cgroups.find()
        cgroups.Group(ground).remove()
    except cgroups.NotDelegated as refused:
        return _COUNTED, stated("No control group (cgroup v2): {reason}.", reason=stated(_NO_GROUP[refused.why]))
    except OSError as error:
        return _COUNTED, stated("No control group (cgroup v2): {reason}.", reason=error.strerror or str(error))
    by_kernel = [name for name in cgroups.CONTROLLERS if name in ground.held]
    missing = [name for name in cgroups.CONTROLLERS if name not in ground.held]
    held = stated("The kernel limits, too, in a control group (cgroup v2): {names}.", names=", ".join(by_kernel))
    lacking = stated(
        "A control group (cgroup v2) counts the processor time. Not delegated to it: {names}.",
        names=", ".join(missing),
    )
    return (_COUNTED, *([held] if by_kernel else []), *([lacking] if missing else []))


_COUNTED = marked(
    "of a submission: memory, processes, processor time counted; descriptors, file sizes, disk limited by the kernel"
)
_NO_GROUP: Mapping[cgroups.Why, str] = {
    "none": marked("this machine does not have it"),
    "elsewhere": marked("it is not mounted here"),
    "managed": marked(
        "the one of this process is systemd's, and not delegated (systemd-run --user --scope -p Delegate=yes COMMAND "
        "gives COMMAND one that is)"
    ),
    "refused": marked("this user may not make one here"),
}


def _refusal(attempt: Callable[[], str | None]) -> str | None:
    """What `attempt` says, or why it failed."""
    try:
        return attempt()
    except (GatecrashError, OSError) as error:
        return str(error)


def _namespace() -> None:
    with Arena.open(kind="namespace"):
        pass


def _queues() -> None:
    with Arena.open() as arena, closing(Queues(arena.netlink())) as queues:
        queues.listeners()


def _census() -> str | None:
    with Arena.open() as arena:
        return procfs.refused(arena.broker_pid)


def _compiler() -> str | None:
    found = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    return None if found else say("neither cc, gcc nor clang is on the PATH")
