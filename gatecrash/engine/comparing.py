"""A finding that rests on a comparison is looked into before it is believed: answers may change by themselves.

What a lone client gets was learnt before. A page may tell the time or count its visitors, and a request may have
changed it (PUT, DELETE) since then, or in the scenario itself. So it is learnt anew, on fresh servers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gatecrash.engine.session import Session
from gatecrash.language import stated
from gatecrash.model.transcript import Transcript
from gatecrash.model.verdicts import EVERYTHING, Case, Finding
from gatecrash.oracles import Oracle

#: Once for what was asked of a server that had served before, once for what changes with the clock.
_ROUNDS = 2


def believed(
    session: Session, oracle: Oracle, transcript: Transcript, play: Callable[[], Transcript]
) -> tuple[Finding | None, Transcript, bool]:
    """What is left of this oracle's finding, the transcript that shows it, and whether what a lone client gets changed.

    `play` plays the scenario once more, on a fresh server.
    """
    changed = False
    for _ in range(_ROUNDS):
        fact = oracle(uncompared(session.case(transcript)))
        if isinstance(fact, Finding):  # true whatever a lone client gets
            return fact, transcript, changed
        if not session.plain.learn_anew(transcript.scenario):
            break
        changed, transcript = True, play()
        if not isinstance(oracle(session.case(transcript)), Finding):
            return None, transcript, changed
    finding = oracle(session.case(transcript))
    if not isinstance(finding, Finding):
        return None, transcript, True
    anew = (stated("what a lone client gets had changed, and was learnt anew"),) if changed else ()
    return replace(finding, evidence=(*finding.evidence, *anew)), transcript, changed


def uncompared(case: Case) -> Case:
    """The case as it is when nothing is known of what a lone client gets but that it gets something."""
    return replace(case, plain={sent: replace(plain, varies=EVERYTHING) for sent, plain in case.plain.items()})
