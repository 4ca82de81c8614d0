"""What an HTTP answer must be."""

from __future__ import annotations

from gatecrash.oracles import oracle
from gatecrash.oracles.service import as_finding, first_unserved
from gatecrash.verdicts import Case, Finding


@oracle("RESP-01")
def complete_request_is_answered(case: Case) -> Finding | None:
    """Every client that asked got its whole answer."""
    return as_finding("RESP-01", "a complete answer to a complete request", first_unserved(case, case.transcript.scenario.clients))
