"""Whether there was anything to measure by: what a lone client gets no answer to is no measure for others."""

from __future__ import annotations

from gatecrash.language import stated
from gatecrash.model.verdicts import Case
from gatecrash.protocols import http
from gatecrash.rulebook.entry import Measure
from gatecrash.text import request_line, size_of


def unmeasured(measure: Measure | None, case: Case) -> str | None:
    """Why a scenario in which nothing was found wrong says nothing of a rule; None when the rule has held in it.

    Only what a lone client was seen to ask in vain counts: where no plain answer was learnt, nothing is said.
    """
    if measure is None:
        return None
    clients = case.transcript.scenario.clients
    chosen = {"first": clients[:1], "last": clients[-1:]}.get(measure.whose, clients)
    asked = [one for name in chosen for one in http.split_requests(case.transcript.scenario.sent_by(name))]
    vain = [one for one in asked if _in_vain(case, one, whole=measure.answer == "whole")]
    if not vain or (measure.whose == "some" and len(vain) < len(asked)):
        return None
    came = case.plain[vain[0]].received
    if came:
        return stated(
            "a lone client got no whole answer to {asked} either ({size} came), so there is nothing to measure by",
            asked=request_line(vain[0]),
            size=size_of(came),
        )
    return stated(
        "a lone client got no answer to {asked} either, so there is nothing to measure by", asked=request_line(vain[0])
    )


def _in_vain(case: Case, request: bytes, *, whole: bool) -> bool:
    plain = case.plain.get(request)
    return plain is not None and not (plain.answered if whole else plain.received)
