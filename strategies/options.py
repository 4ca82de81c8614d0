"""The options of the strategies are checked when a strategy is made, not when the first example is drawn."""

from __future__ import annotations

from collections.abc import Callable, Collection

from gatecrash.errors import UsageError

Request = bytes | Callable[[str], bytes]
"""The bytes every client sends, or a function from a client's name to that client's bytes."""


def request_of(request: Request, client: str) -> bytes:
    """What `client` sends."""
    return request(client) if callable(request) else request


def at_least(name: str, value: int, lowest: int) -> None:
    """Raises UsageError unless `value` is `lowest` or more."""
    if value < lowest:
        raise UsageError(f"the option {name} is {value}; it has to be {lowest} or more.")


def known(name: str, values: Collection[str], allowed: Collection[str]) -> tuple[str, ...]:
    """`values` in the order of `allowed`. Raises UsageError for an unknown one, and when there is none."""
    unknown = sorted(set(values) - set(allowed))
    if unknown or not values:
        got = f"has the unknown {unknown[0]!r}" if unknown else "is empty"
        raise UsageError(f"the option {name} {got}; choose from {', '.join(allowed)}.")
    return tuple(value for value in allowed if value in values)
