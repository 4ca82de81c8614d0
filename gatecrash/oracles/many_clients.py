"""Several clients at once: each gets its own answer, and nothing of another's."""

from __future__ import annotations

from gatecrash.oracles import oracle
from gatecrash.oracles.answers import alone, described, read, same, turned_away
from gatecrash.text import size_of
from gatecrash.transcript import Transcript
from gatecrash.verdicts import Case, Finding

_MARK = b"gatecrash-of-"  # strategies.mark_of: what only one client sends


@oracle("RESP-18")
def answers_are_not_mixed(case: Case) -> Finding | None:
    """Every client gets the answer that it gets alone, however the requests of the others lie between its own."""
    expected = "the answer that it gets alone, with nothing of another client's"
    for client in _connected(case.transcript):
        wrong = _of_another(case, client) or _another_answer(case, client)
        if wrong is not None:
            return Finding("RESP-18", expected, wrong)
        if (finding := _forgotten("RESP-18", case, client, expected)) is not None:
            return finding
    return None


@oracle("RESP-19")
def everybody_of_a_crowd_is_answered(case: Case) -> Finding | None:
    """Of those who come at once each gets its own whole answer, is refused, or is still in the accept queue."""
    clients = _connected(case.transcript)
    expected = f"each of {len(clients)} clients that come at once gets its own whole answer, or is turned away"
    for client in clients:
        wrong = _of_another(case, client) or _another_answer(case, client) or _cut(case, client)
        if wrong is not None:
            return Finding("RESP-19", expected, wrong)
        if (finding := _forgotten("RESP-19", case, client, expected)) is not None:
            return finding
    return None


def _connected(transcript: Transcript) -> tuple[str, ...]:
    return tuple(name for name in transcript.scenario.clients if transcript.connected(name))


def _of_another(case: Case, client: str) -> str | None:
    """Whether `client` got a mark that it has not sent."""
    received, sent = case.transcript.received(client), case.transcript.scenario.sent_by(client)
    start = received.find(_MARK)
    while start >= 0:
        mark = received[start : received.find(b"-", start + len(_MARK)) + 1]
        if mark and mark not in sent:
            return f"{client} got {mark.decode('latin-1')!r}, which another client sent"
        start = received.find(_MARK, start + 1)
    return None


def _another_answer(case: Case, client: str) -> str | None:
    """What `client` got instead of the answer that it gets alone; None when that is unknown, or nothing whole came."""
    expected = alone(case, case.transcript.scenario.sent_by(client))
    answers = read(case, client).answers
    if expected is None or not answers or not answers[0].complete or turned_away(answers[0]):
        return None
    if same(case, answers[0], expected):
        return None
    return f"{client} got {described(answers[0])}; alone it gets {described(expected)}"


def _cut(case: Case, client: str) -> str | None:
    """Whether the answer of `client` ended too early."""
    received, answers = case.transcript.received(client), read(case, client).answers
    whole = bool(answers) and answers[0].complete
    if not received or whole or case.transcript.end(client) is None:
        return None
    if alone(case, case.transcript.scenario.sent_by(client)) is None:
        return None
    return f"the answer of {client} ended after {size_of(received)}"


def _forgotten(rule: str, case: Case, client: str, expected: str) -> Finding | None:
    """The server is at rest, has this client's connection open, and has not answered."""
    transcript = case.transcript
    rest, silence = transcript.look("rest"), transcript.silence(client)
    if rest is None or silence is None or transcript.end(client) is not None:
        return None
    answers = read(case, client).answers
    side = rest.connection(client)
    if (answers and answers[0].complete) or side is None or not side.accepted:
        return None
    if alone(case, transcript.scenario.sent_by(client)) is None:
        return None
    held = ", ".join(f"process {pid} as descriptor {fd}" for pid, fd in side.holders) or "nobody"
    came = size_of(transcript.received(client))
    got = f"{client} was accepted and gets no answer ({came} came), and its connection stays open"
    unread = f"{client}: {side.consumed} bytes of its request read, {side.unread} unread, held open by {held}"
    return Finding(rule, expected, got, (unread, *silence.where), conclusive=silence.proven)
