"""Whether there was anything to measure by: what a lone client gets no answer to is no measure for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from gatecrash.language import stated
from gatecrash.model.verdicts import Case
from gatecrash.protocols import http
from gatecrash.text import request_line, size_of


@dataclass(frozen=True)
class _Measure:
    """Whose requests a lone client must get an answer to: the first or last client's, each one's, at least one's.

    `whole`: answers are compared, so the lone client's must be whole; else it is enough that one has begun.
    """

    whose: Literal["first", "last", "each", "some"]
    whole: bool


_ANSWERS_ARE_READ: Final = _Measure("each", whole=False)
_MEASURES: Final[Mapping[str, _Measure]] = {
    **dict.fromkeys(("RESP-02", "RESP-11", "RESP-16", "RESP-17", "RESP-28"), _Measure("each", whole=True)),
    **dict.fromkeys(("RESP-03", "RESP-04", "RESP-05", "RESP-06", "RESP-07", "RESP-08", "RESP-09"), _ANSWERS_ARE_READ),
    **dict.fromkeys(("RESP-13", "RESP-14", "RESP-15", "RESP-21", "RESP-23", "RESP-27"), _ANSWERS_ARE_READ),
    **dict.fromkeys(("RESP-29", "RESP-31"), _ANSWERS_ARE_READ),
    "RESP-10": _Measure("last", whole=False),
    "RESP-12": _Measure("first", whole=False),
    **dict.fromkeys(("RESP-20", "RESP-24", "RESP-26", "LIFE-11"), _Measure("first", whole=True)),
    "TIME-08": _Measure("first", whole=True),
    **dict.fromkeys(("TIME-07", "TIME-11"), _Measure("each", whole=True)),
    "RESP-25": _Measure("last", whole=True),
    **dict.fromkeys(("RESP-18", "RESP-19"), _Measure("some", whole=True)),
}


def unmeasured(rule: str, case: Case) -> str | None:
    """Why a scenario in which nothing was found wrong says nothing of the rule; None when the rule has held in it.

    Only what a lone client was seen to ask in vain counts: where no plain answer was learnt, nothing is said.
    """
    measure = _MEASURES.get(rule)
    if measure is None:
        return None
    clients = case.transcript.scenario.clients
    chosen = {"first": clients[:1], "last": clients[-1:]}.get(measure.whose, clients)
    asked = [one for name in chosen for one in http.split_requests(case.transcript.scenario.sent_by(name))]
    vain = [one for one in asked if _in_vain(case, one, whole=measure.whole)]
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
