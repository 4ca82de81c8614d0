"""Clients' names: A to Z, then C27, C28; and one more, who comes behind them."""

from __future__ import annotations

from string import ascii_uppercase

from strategies.options import at_least


def client_names(count: int) -> tuple[str, ...]:
    """The first `count` names: "A", "B", ..., "Z", "C27", "C28", ..."""
    at_least("count", count, 0)
    return tuple(ascii_uppercase[:count]) + tuple(f"C{number}" for number in range(27, count + 1))


def one_more(count: int) -> str:
    """Who comes behind the first `count` clients: "Z", as long as none of them has that name.

    A name that comes twice is no last client: an oracle that asks for the last one finds another.
    """
    at_least("count", count, 0)
    return "Z" if count < len(ascii_uppercase) else f"C{count + 1}"
