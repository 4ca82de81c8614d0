"""What a contract names is there: a client that is alone asks for it plainly, and gets it."""

from __future__ import annotations

from dataclasses import replace

from gatecrash.language import joined, marked, stated
from gatecrash.model.contract import Contract
from gatecrash.model.facts import Facts
from gatecrash.model.transcript import Flooded, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import described, no_answer, of_each, read
from gatecrash.oracles.service import as_ruling, how_much_was_read, what_came
from gatecrash.protocols import protocol_of
from gatecrash.protocols.http import Answer
from gatecrash.text import request_line

LARGE = 65536  # bytes: docs/contract.md
#: What says that a path is not there, or takes no POST. Any other refusal may be about the body that was sent.
_NOT_THERE = frozenset({404, 405, 410, 501})
_WANTED = {
    "path": marked("a whole answer that is a success or a redirect"),
    "large_path": marked("a whole answer with more than 64 KiB of body"),
    "post_path": marked("a whole answer that takes a POST with a body"),
}
_FOUND = marked("a whole answer")


@oracle("RESP-30")
def what_is_promised_is_answered(case: Case) -> Ruling:
    """Each client that asked for something the contract names got it, whole."""
    return of_each(_as_promised(case, client) for client in case.transcript.scenario.clients)


def _as_promised(case: Case, client: str) -> Ruling:
    transcript = case.transcript
    request = transcript.scenario.sent_by(client)
    key = _key(case.contract, request)
    if not transcript.connected(client):
        return no_answer(case, client)
    if key is None:
        return NotExercised(stated("the contract does not promise what {client} asked for", client=client))
    reading = read(case, client)
    if reading.answers and reading.answers[0].complete and reading.problem("no-empty-line") is None:
        got = _refusal(case.contract, key, reading.answers[0])
        if got is None:
            return Held()
        wrong: Ruling = Finding(
            "RESP-30", "", stated("{client} got {got}", client=client, got=got), facts=Facts("answer")
        )
    elif transcript.end(client) is None and transcript.silence(client) is None:
        return _too_much(transcript, client) or no_answer(case, client)
    else:
        wrong = as_ruling("RESP-30", "", what_came(transcript, client))
    if not isinstance(wrong, Finding):
        return wrong
    return replace(
        wrong,
        expected=_expected(case.contract, key),
        got=joined((request_line(request), wrong.got), ": "),
        evidence=(*how_much_was_read(transcript, client), *wrong.evidence),
    )


def _too_much(transcript: Transcript, client: str) -> NotExercised | None:
    """Of an answer that is larger than what is kept nobody saw the end."""
    flood = next((event for event in transcript.of(client) if isinstance(event, Flooded)), None)
    return None if flood is None else NotExercised(flood.line(), unproven=True)


def _key(contract: Contract, request: bytes) -> str | None:
    """What was asked for; where two keys name the same path, the one that promises more."""
    return next(
        (key for key, asked in reversed(protocol_of(contract).promised_requests.items()) if asked == request), None
    )


def _refusal(contract: Contract, key: str, answer: Answer) -> str | None:
    """What this whole answer is, where it is not what was promised. Of a path nobody named only an answer is owed."""
    match key:
        case "path":
            kept = "path" not in contract.written or answer.status < 400
        case "large_path":
            kept = answer.status < 400 and len(answer.body) > LARGE
        case _:
            kept = answer.status not in _NOT_THERE
    return None if kept else described(answer)


def _expected(contract: Contract, key: str) -> str:
    if key in contract.written:
        return stated("{wanted}, as {key} in the contract promises", wanted=stated(_WANTED[key]), key=key)
    return stated(_FOUND) if key == "path" else stated(_WANTED[key])
