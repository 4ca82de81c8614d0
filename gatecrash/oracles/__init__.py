"""Oracles: pure functions from what was seen to what is broken. One for each rule, found by the rule's id."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from gatecrash.errors import EngineFault
from gatecrash.model.verdicts import Case, Ruling

Oracle = Callable[[Case], Ruling]
_ORACLES: dict[str, Oracle] = {}
_AREAS = (
    "accept", "queue", "startup", "fork", "children", "printing", "response", "framing", "segments", "persistence",
    "bodies", "many_clients", "library", "promises", "stream", "datagram", "lifecycle", "survival", "resources",
    "time_at_rest", "time_limits", "time_slow", "time_harm",
    "time_in_pieces", "time_kept", "time_unread", "time_asleep", "time_awake", "time_waiting",
    "memory",
)  # fmt: skip


def oracle(*rules: str) -> Callable[[Oracle], Oracle]:
    """Register a function as the oracle of these rules."""

    def register(function: Oracle) -> Oracle:
        for rule in rules:
            if rule in _ORACLES:
                raise EngineFault(f"rule {rule} has two oracles")
            _ORACLES[rule] = function
        return function

    return register


def import_all() -> None:
    """Import every oracle, if that was not done: before workers are forked, that is once and not in each of them."""
    if not _ORACLES:
        for area in _AREAS:
            import_module(f"gatecrash.oracles.{area}")


def oracle_of(rule: str) -> Oracle:
    """The oracle of a rule. Raises EngineFault when the rule has none."""
    import_all()
    if rule not in _ORACLES:
        raise EngineFault(f"rule {rule} has no oracle")
    return _ORACLES[rule]
