"""Clients' names: A to Z, then C27, C28."""

from __future__ import annotations

from string import ascii_uppercase

from strategies.options import at_least


def client_names(count: int) -> tuple[str, ...]:
    """The first `count` names: "A", "B", ..., "Z", "C27", "C28", ..."""
    at_least("count", count, 0)
    return tuple(ascii_uppercase[:count]) + tuple(f"C{number}" for number in range(27, count + 1))
