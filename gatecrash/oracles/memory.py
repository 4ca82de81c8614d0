"""Memory: what the sanitizers and the kernel say of the server's processes, whatever clients do to it."""

from __future__ import annotations

from gatecrash.oracles import oracle
from gatecrash.oracles.invariants import broken_invariants
from gatecrash.verdicts import Case, Finding


@oracle("MEM-01")
def memory_is_its_own(case: Case) -> Finding | None:
    """AddressSanitizer has seen an access outside the server's memory."""
    return _of("MEM-01", case)


@oracle("MEM-02")
def behaviour_is_defined(case: Case) -> Finding | None:
    """UndefinedBehaviorSanitizer has seen something that C leaves undefined."""
    return _of("MEM-02", case)


@oracle("MEM-03")
def nobody_dies_of_a_memory_fault(case: Case) -> Finding | None:
    """A process of the server was ended by SIGSEGV, SIGBUS, SIGABRT, SIGFPE or SIGILL."""
    return _of("MEM-03", case)


def _of(rule: str, case: Case) -> Finding | None:
    return next((finding for finding in broken_invariants(case) if finding.rule == rule), None)
