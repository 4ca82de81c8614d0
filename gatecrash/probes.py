"""The one scenario that shows whether a basic rule holds, before rules that build on it are tried."""

from __future__ import annotations

from collections.abc import Callable

from gatecrash.contract import Contract
from gatecrash.offer import ask
from gatecrash.scenario import Close, Scenario, Settle, scenario

Probe = Callable[[Contract], Scenario]


def one_after_another(contract: Contract) -> Scenario:
    """Two clients, the second after the first has left."""
    return scenario(ask("A", contract), Close("A"), ask("B", contract), Close("B"), Settle("after"))


def one_client(contract: Contract) -> Scenario:
    """One client that asks once."""
    return scenario(ask("A", contract), Settle("after"))


_PROBES: dict[str, Probe] = {
    "ACC-01": one_after_another,
    "ACC-17": one_after_another,
    "RESP-01": one_client,
    "STREAM-01": one_client,
    "DGRAM-01": one_client,
}


def probe(*rules: str) -> Callable[[Probe], Probe]:
    """Register the probe of these rules."""

    def register(function: Probe) -> Probe:
        _PROBES.update(dict.fromkeys(rules, function))
        return function

    return register


def probe_of(rule: str) -> Probe | None:
    """The probe of a rule, or None when it is not one that others build on."""
    return _PROBES.get(rule)
