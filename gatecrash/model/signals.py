"""Signals by their names: a number says nothing to whoever has not learnt the table."""

from __future__ import annotations

import signal

from gatecrash.language import stated

MEMORY_FAULTS = frozenset({4, 6, 7, 8, 11})  # SIGILL SIGABRT SIGBUS SIGFPE SIGSEGV


def signal_name(number: int) -> str:
    """The name of a signal, as SIGPIPE of 13; of one without a name its number in words."""
    try:
        return signal.Signals(number).name
    except ValueError:
        first = int(signal.SIGRTMIN)
        if first < number <= int(signal.SIGRTMAX):
            return f"SIGRTMIN+{number - first}"
        return stated("signal {number}", number=number)


def end_named(code: int) -> str:
    """How a process ended, by what waitpid(2) says: the exit status, or (below 0) the signal."""
    return signal_name(-code) if code < 0 else stated("exit status {status}", status=code)


def status_named(status: int) -> str:
    """An exit status. A shell that ran a program which a signal ended exits with 128 more than the signal's number."""
    number = status - 128
    return f"{status} (128 + {number}: {signal_name(number)})" if 0 < number < 32 else str(status)
