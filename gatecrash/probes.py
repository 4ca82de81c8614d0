"""The one scenario that shows whether a basic rule holds, before rules that build on it are tried."""

from __future__ import annotations

from collections.abc import Callable

from gatecrash.contract import Contract
from gatecrash.offer import ask, plain_request
from gatecrash.scenario import (
    Close,
    Connect,
    Fail,
    Freeze,
    HalfClose,
    Receive,
    Scenario,
    Send,
    Settle,
    Signal,
    StartOnTakenPort,
    Step,
    Thaw,
    scenario,
)

Probe = Callable[[Contract], Scenario]


def one_after_another(contract: Contract) -> Scenario:
    """Two clients, the second after the first has left."""
    return scenario(ask("A", contract), Close("A"), ask("B", contract), Close("B"), Settle("after"))


def one_client(contract: Contract) -> Scenario:
    """One client that asks once."""
    return scenario(ask("A", contract), Settle("after"))


def beside_an_idle_client(contract: Contract) -> Scenario:
    """One client that says nothing, then two that ask; where there is a worker for each, the first of them stays."""
    leaves = (Close("B"),) if contract.workers else ()
    return scenario(Connect("A"), ask("B", contract), leaves, ask("C", contract))


def all_at_once(contract: Contract) -> Scenario:
    """Three clients that wait in the accept queue together."""
    names = "ABC"
    arrivals = [(Connect(name), *_says(contract, name)) for name in names]
    return scenario(Freeze(), *arrivals, Thaw(), *((Receive(n), HalfClose(n)) for n in names), Settle("rest"))


def accept_fails(contract: Contract, error: str) -> Scenario:
    """A client that brings the server to its next accept, which fails, and another client."""
    first = (*ask("A", contract), Close("A"))
    return scenario(Fail("accept", error), first, ask("B", contract), Close("B"))


def interrupted_accept(contract: Contract) -> Scenario:
    """The handler of SIGCHLD runs while the server waits in accept; then a client comes."""
    signalled = (Settle("waiting"), Signal("parent", "SIGCHLD"), Settle("handled"))
    return scenario(signalled, ask("A", contract), Settle("after"))


def _says(contract: Contract, client: str) -> tuple[Step, ...]:
    request = plain_request(contract)
    return (Send(client, request, until_read=False),) if request else ()


_PROBES: dict[str, Probe] = {
    "ACC-01": one_after_another,
    "ACC-02": all_at_once,
    "ACC-07": lambda contract: accept_fails(contract, "ECONNABORTED"),
    "ACC-08": lambda contract: accept_fails(contract, "EMFILE"),
    "ACC-10": interrupted_accept,
    "ACC-11": lambda contract: scenario(StartOnTakenPort()),
    "ACC-16": beside_an_idle_client,
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
