"""What an oracle finds broken in a transcript made by hand."""

from __future__ import annotations

from gatecrash.oracles import oracle_of
from gatecrash.verdicts import Case, Finding


def finding(rule: str, case: Case) -> Finding | None:
    """The oracle's finding; None when it says that the rule held, or was not exercised."""
    ruling = oracle_of(rule)(case)
    return ruling if isinstance(ruling, Finding) else None
