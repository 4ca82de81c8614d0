"""A kept connection whose time is over just when its client asks again: an answer, or an end, and nothing between."""

from __future__ import annotations

from gatecrash.language import stated
from gatecrash.model.scenario import Freeze, LetTimePass
from gatecrash.model.transcript import Got, NotSent, Transcript
from gatecrash.model.verdicts import Case, Evidence, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import alone, crashed, no_measure, read
from gatecrash.oracles.passing import time_was_real
from gatecrash.oracles.service import how_much_was_read
from gatecrash.oracles.unseen import nobody_came, not_served_first, nothing_answered
from gatecrash.protocols import http
from gatecrash.protocols.http import Answer
from gatecrash.text import duration, size_of

_END_OF_HEAD = b"\r\n\r\n"


@oracle("TIME-07")
def crossing_request_is_answered_or_visibly_not(case: Case) -> Ruling:
    """A request that comes when the connection has been idle for long gets its whole answer, or sees an end."""
    transcript, client = case.transcript, next(iter(case.transcript.scenario.clients), "")
    step = _pause(transcript)
    if step is None:
        return NotExercised(stated("no time was let pass"))
    if not transcript.connected(client):
        return nobody_came()
    if not _kept(transcript, client, step):
        return not_served_first(client)
    if (ended := transcript.ended_at(client)) is not None and ended < step:
        return NotExercised(stated("the connection of {client} was not kept", client=client))
    if (crash := crashed(transcript)) is not None:
        return crash
    if (real := time_was_real(transcript)) is not None:
        return real
    requests = http.split_requests(transcript.scenario.sent_by(client))
    if len(requests) < 2 or alone(case, requests[-1]) is None:
        return no_measure(case, client, *requests[1:][-1:])
    return _answered_or_ended(case, client, step)


def _answered_or_ended(case: Case, client: str, step: int) -> Ruling:
    transcript, answers = case.transcript, read(case, client).answers
    received = transcript.received(client)
    end, silence = transcript.end(client), transcript.silence(client)
    kept_off = any(isinstance(event, NotSent) for event in transcript.of(client))
    late = b"".join(e.data for e in transcript.of(client) if isinstance(e, Got) and e.step > step)
    if len(answers) > 1 and _is_whole(answers[1], received):
        return Held()
    if not late and (end is not None or kept_off):
        return Held()
    if end is None and silence is None:
        return nothing_answered(client)
    how = stated("then the connection ended") if end is not None else stated("and the connection stays open")
    came = stated("{size} of its answer", size=size_of(late)) if late else stated("not a byte")
    got = stated(
        "{client} asked again after {time}, and got {came}, {how}",
        client=client,
        time=_when(transcript, step),
        came=came,
        how=how,
    )
    evidence: tuple[Evidence, ...] = (
        *(silence.where if silence is not None else ()),
        *how_much_was_read(transcript, client),
    )
    proven = end is not None or (silence is not None and silence.proven)
    expected = stated("a whole answer, or the end of the connection instead of one")
    return Finding("TIME-07", expected, got, evidence, conclusive=proven)


def _is_whole(answer: Answer, received: bytes) -> bool:
    """Whether its head came whole, and its body; only an error may leave it to the connection's end where it stops."""
    return answer.complete and received.count(_END_OF_HEAD) > 1 and (answer.framing != "close" or answer.status >= 400)


def _pause(transcript: Transcript) -> int | None:
    steps = transcript.scenario.steps
    return next((number for number, step in enumerate(steps) if isinstance(step, LetTimePass)), None)


def _kept(transcript: Transcript, client: str, step: int) -> bool:
    """Whether the client had its whole first answer before the time passed."""
    received = b"".join(e.data for e in transcript.of(client) if isinstance(e, Got) and e.step < step)
    methods = http.request_methods(transcript.scenario.sent_by(client))[:1]
    answers = http.read_answers(received, methods, ended=False).answers
    return bool(answers) and answers[0].complete


def _when(transcript: Transcript, step: int) -> str:
    """How long it was idle, and whether the server could not run meanwhile."""
    steps = transcript.scenario.steps
    passed = duration(sum(one.seconds for one in steps if isinstance(one, LetTimePass)))
    if any(isinstance(one, Freeze) for one in steps[:step]):
        return stated("{time}, in which the server did not run", time=passed)
    return passed
