"""The filter of the gates: it notifies for exactly the calls of its families, on every machine it is made for."""

from __future__ import annotations

import os
import struct

import pytest

from gatecrash.sandbox import seccomp
from gatecrash.sandbox.seccomp import FAMILIES, MACHINES, build_filter
from gatecrash.sandbox.vdso import MAGIC


def interpret(program: bytes, audit: int, number: int, *arguments: int) -> int:
    """What the kernel's BPF machine would return (linux/filter.h)."""
    steps = list(struct.iter_unpack("HBBI", program))
    data = struct.pack("iIQ6Q", number, audit, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    at = accumulator = 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == seccomp.RETURN:
            return int(value)
        if code == seccomp.LOAD:
            (accumulator,) = struct.unpack_from("I", data, value)
        else:
            hit = accumulator == value if code == seccomp.IF_EQUAL else accumulator & value
            at += if_true if hit else if_false


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_filter_notifies_for_exactly_its_family(machine: str, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "machine", lambda: MACHINES[machine])
    audit, calls = MACHINES[machine]
    program = build_filter(frozenset({family}), exempt=1024)
    first = seccomp.CLONE_THREAD if family == "thread" else 7
    arguments = (first, seccomp.SOL_SOCKET, 20)  # SO_RCVTIMEO
    notified = {name for name in calls if interpret(program, audit, calls[name], *arguments) == seccomp.RET_USER_NOTIF}
    assert notified == set(FAMILIES[family]) & set(calls)
    assert interpret(program, audit, calls["sendmsg"], 1024) == seccomp.RET_ALLOW
    assert interpret(program, audit ^ 1, calls[next(iter(notified))], *arguments) == seccomp.RET_ALLOW
    assert interpret(program, audit, 0x40000000 | calls["read"], first) == seccomp.RET_ALLOW  # x32 calls


ADDRESS = 0x7FFC00000010
ABOVE = 0x7FFC00000000  # its lower half is empty


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("family", "name", "arguments", "told"),
    [
        ("timer", "timerfd_settime", (4, 1, ADDRESS), True),
        ("timer", "timerfd_settime", (4, ABOVE, ADDRESS), True),
        ("timer", "timerfd_settime", (4, 0, ADDRESS), False),
        ("clock read", "clock_gettime", (1, ADDRESS), True),
        ("clock read", "clock_gettime", (1, ADDRESS, MAGIC), False),
        ("exec", "execve", (ADDRESS, ADDRESS, ADDRESS), True),
        ("exec", "execve", (ADDRESS, ADDRESS, ADDRESS, MAGIC), False),
    ],
)
def test_the_clock_is_told_only_of_what_concerns_it(
    machine: str, family: str, name: str, arguments: tuple[int, ...], told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seccomp, "machine", lambda: MACHINES[machine])
    audit, calls = MACHINES[machine]
    if name not in calls:
        pytest.skip(f"{machine} has no {name}")
    program = build_filter(frozenset({family}), exempt=1024)
    assert interpret(program, audit, calls[name], *arguments) == (seccomp.RET_USER_NOTIF if told else seccomp.RET_ALLOW)


def test_the_other_kind_of_clone_passes() -> None:
    audit, calls = MACHINES[os.uname().machine]
    for family, flags in (("fork", seccomp.CLONE_THREAD), ("thread", 0)):
        program = build_filter(frozenset({family}), exempt=1024)
        assert interpret(program, audit, calls["clone"], flags) == seccomp.RET_ALLOW


@pytest.mark.parametrize(
    ("level", "option", "told"),
    [
        pytest.param(1, 20, True, id="SO_RCVTIMEO"),
        pytest.param(1, 67, True, id="SO_SNDTIMEO_NEW"),
        pytest.param(1, 2, False, id="SO_REUSEADDR"),
        pytest.param(6, 20, False, id="an option of TCP with the same number"),
    ],
)
def test_of_the_options_of_sockets_only_time_limits_are_told(level: int, option: int, told: bool) -> None:
    audit, calls = MACHINES[os.uname().machine]
    program = build_filter(frozenset({"time limit"}), exempt=1024)
    said = interpret(program, audit, calls["setsockopt"], 7, level, option)
    assert said == (seccomp.RET_USER_NOTIF if told else seccomp.RET_ALLOW)
