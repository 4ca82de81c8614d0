"""Taking connections: the accept loop, the queue before it, the listening socket."""

from __future__ import annotations

from gatecrash.oracles import oracle
from gatecrash.oracles.service import as_finding, first_unserved
from gatecrash.verdicts import Case, Finding


@oracle("ACC-01")
def second_client_is_accepted(case: Case) -> Finding | None:
    """Once the first client was served, so is every later one."""
    first, *later = case.transcript.scenario.clients
    if first_unserved(case, (first,)) is not None:
        return None
    return as_finding("ACC-01", "the second client is served like the first", first_unserved(case, tuple(later)))


@oracle("ACC-17")
def listening_socket_stays_open(case: Case) -> Finding | None:
    """No look finds the server running without its listening socket."""
    for look in case.transcript.looks():
        if look.snapshot.running and look.snapshot.listener is None and look.snapshot.still == "quiet":
            got = "after serving clients the server runs on, but its listening socket is closed"
            return Finding("ACC-17", "the listening socket stays open", got, look.snapshot.where)
    return None
