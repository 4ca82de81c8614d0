"""What an oracle finds broken in a transcript made by hand."""

from __future__ import annotations

from gatecrash.model.verdicts import Case, Finding
from gatecrash.oracles import oracle_of


def finding(rule: str, case: Case) -> Finding | None:
    """The oracle's finding; None when it says that the rule held, or was not exercised."""
    ruling = oracle_of(rule)(case)
    return ruling if isinstance(ruling, Finding) else None
