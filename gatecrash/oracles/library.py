"""What a widely used client library makes of the server's answers."""

from __future__ import annotations

from gatecrash.language import stated
from gatecrash.model.transcript import LibraryAnswer
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.answers import changes, changing, no_answer, read
from gatecrash.oracles.unseen import nobody_came
from gatecrash.text import size_of


@oracle("RESP-20")
def library_gets_the_answer_of_the_wire(case: Case) -> Ruling:
    """The library requests gets, each time, the status and the body that a hand-made request got just before.

    An answer that is malformed on the wire already, and a server that is gone, are other rules' affairs.
    """
    if len(case.transcript.scenario.clients) != 2:
        return nobody_came()
    by_hand, library = case.transcript.scenario.clients
    on_the_wire = read(case, by_hand)
    if not on_the_wire.answers or not on_the_wire.answers[0].complete:
        return no_answer(case, by_hand)
    if on_the_wire.problems:
        return NotExercised(
            stated("the answer to {client} has mistakes of its own, so no other is compared with it", client=by_hand)
        )
    status, body = on_the_wire.answers[0].status, on_the_wire.answers[0].body
    varying = changes(case, case.transcript.scenario.sent_by(by_hand))
    expected = stated(
        "the answer of a hand-made request: status {status} with {size} of body", status=status, size=size_of(body)
    )
    answers = [e for e in case.transcript.of(library) if isinstance(e, LibraryAnswer)]
    if not answers:
        return no_answer(case, library)
    for number, answer in enumerate(answers, 1):
        which = stated("request {number} of {library}", number=number, library=library) if number > 1 else library
        if not answer.connected:
            return NotExercised(stated("{which} got no connection", which=which))
        if answer.error:
            silence = case.transcript.silence(library)
            where = silence.where if silence is not None else ()
            proven = silence is None or silence.proven
            return Finding(
                "RESP-20",
                expected,
                stated("{which} raised {error}", which=which, error=answer.error),
                where,
                conclusive=proven,
            )
        if answer.status != status and "status" not in varying:
            return Finding(
                "RESP-20", expected, stated("{which} got status {status}", which=which, status=answer.status)
            )
        if case.contract.http.stable_body and not varying and answer.body != body:
            return Finding(
                "RESP-20",
                expected,
                stated("{which} got another body, of {size}", which=which, size=size_of(answer.body)),
            )
    return changing(by_hand) if "status" in varying else Held()
