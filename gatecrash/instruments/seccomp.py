"""The seccomp filter that hands chosen system calls to the tester."""

from __future__ import annotations


def build_filter(traps: frozenset[str], *, exempt: int) -> bytes:
    """The BPF program (linux/filter.h) for these families."""
    raise NotImplementedError(f"trapping {sorted(traps)} (exempt descriptor {exempt})")
