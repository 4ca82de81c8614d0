"""What a contract names is there: a client that is alone asks for it plainly, and gets it."""

from __future__ import annotations

from dataclasses import replace

from gatecrash.contract import Contract
from gatecrash.language import joined, marked, stated
from gatecrash.offer import promised_requests
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import described, read
from gatecrash.oracles.service import as_finding, how_much_was_read, what_came
from gatecrash.protocols.http import Answer
from gatecrash.text import request_line
from gatecrash.verdicts import Case, Finding

_LARGE = 65536  # bytes: docs/contract.md
#: What says that a path is not there, or takes no POST. Any other refusal may be about the body that was sent.
_NOT_THERE = frozenset({404, 405, 410, 501})
_WANTED = {
    "path": marked("a whole answer that is a success or a redirect"),
    "large_path": marked("a whole answer with more than 64 KiB of body"),
    "post_path": marked("a whole answer that takes a POST with a body"),
}
_FOUND = marked("a whole answer")


@oracle("RESP-30")
def what_is_promised_is_answered(case: Case) -> Finding | None:
    """Each client that asked for something the contract names got it, whole."""
    findings = (_not_as_promised(case, client) for client in case.transcript.scenario.clients)
    return next((finding for finding in findings if finding is not None), None)


def _not_as_promised(case: Case, client: str) -> Finding | None:
    transcript = case.transcript
    request = transcript.scenario.sent_by(client)
    key = _key(case.contract, request)
    if key is None or not transcript.connected(client):
        return None
    reading = read(case, client)
    if reading.answers and reading.answers[0].complete and reading.problem("no-empty-line") is None:
        got = _refusal(case.contract, key, reading.answers[0])
        finding = None if got is None else Finding("RESP-30", "", stated("{client} got {got}", client=client, got=got))
    elif transcript.end(client) is None and transcript.silence(client) is None:
        return None
    else:
        finding = as_finding("RESP-30", "", what_came(transcript, client))
    if finding is None:
        return None
    return replace(
        finding,
        expected=_expected(case.contract, key),
        got=joined((request_line(request), finding.got), ": "),
        evidence=(*how_much_was_read(transcript, client), *finding.evidence),
    )


def _key(contract: Contract, request: bytes) -> str | None:
    """What was asked for; where two keys name the same path, the one that promises more."""
    return next((key for key, asked in reversed(promised_requests(contract).items()) if asked == request), None)


def _refusal(contract: Contract, key: str, answer: Answer) -> str | None:
    """What this whole answer is, where it is not what was promised. Of a path nobody named only an answer is owed."""
    match key:
        case "path":
            kept = "path" not in contract.written or answer.status < 400
        case "large_path":
            kept = answer.status < 400 and len(answer.body) > _LARGE
        case _:
            kept = answer.status not in _NOT_THERE
    return None if kept else described(answer)


def _expected(contract: Contract, key: str) -> str:
    if key in contract.written:
        return stated("{wanted}, as {key} in the contract promises", wanted=stated(_WANTED[key]), key=key)
    return stated(_FOUND) if key == "path" else stated(_WANTED[key])
