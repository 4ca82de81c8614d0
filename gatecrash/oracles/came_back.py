"""What came back from an echo, against what was sent: where it differs, how it ended, and what that proves."""

from __future__ import annotations

from dataclasses import replace

from gatecrash.language import joined, marked, stated
from gatecrash.model.complaints import exceptions
from gatecrash.model.scenario import HalfClose
from gatecrash.model.transcript import Got, Transcript
from gatecrash.model.verdicts import Case, Difference, Finding
from gatecrash.oracles.service import how_it_ended, its_words, while_it_waited
from gatecrash.protocols import echo

_LINES = marked(
    "what is missing is a line that has not ended; if your course asks for an echo of lines, write "
    'echo = "lines" under [contract] in gatecrash.toml'
)
_UPPER = marked(
    "only the letters have become large; if your course asks for an echo in upper case, write "
    'echo = "upper" under [contract] in gatecrash.toml'
)


def difference(case: Case, client: str, rule: str, expected: str) -> Finding | None:
    """How what `client` got differs from what it sent. Bytes still missing count only when no more can come."""
    different = echo.difference(case.transcript.sent.get(client, b""), case.transcript.received(client))
    if different is None:
        return None
    got = joined((client, different.line()), ": ")
    if different.kind != "missing":
        advice = (stated(_UPPER),) if _large_on_purpose(case, client) else ()
        return Finding(rule, expected, got, advice, shown_at(case, client, different.offset))
    got = joined((got, and_then(case.transcript, client)), "")
    finding = not_whole(case, client, rule, expected, got, shown_at(case, client, different.offset))
    return (
        replace(finding, evidence=(*finding.evidence, stated(_LINES))) if _waits_for_newline(case, client) else finding
    )


def _large_on_purpose(case: Case, client: str) -> bool:
    """Whether what came is what was sent, or its beginning, in large letters; blanks at its edges may be lost."""
    sent, received = case.transcript.sent.get(client, b"").strip(), case.transcript.received(client).strip()
    same = received[: len(sent)] == sent[: len(received)]
    return case.contract.echo.unit != "upper" and not same and sent.upper().startswith(received)


def _waits_for_newline(case: Case, client: str) -> bool:
    """Whether all that is missing is a line that has not ended, on a connection that is open.

    A server that has sent somebody an unfinished line back waits for no newline.
    """
    sent, received = case.transcript.sent[client], case.transcript.received(client)
    over = case.transcript.end(client) is not None or case.transcript.server_ended is not None
    over = over or bool(exceptions(case.transcript.output))  # who served it has died of something else
    answers = {other: case.transcript.received(other) for other in case.transcript.scenario.clients}
    by_lines = all(answer.endswith(b"\n") for answer in answers.values() if answer)
    by_lines = by_lines and all(case.transcript.sent.get(c, b"").startswith(came) for c, came in answers.items())
    rest = sent[len(received) :]  # strlen stops at a NUL, which may stand behind a newline
    by_lines = by_lines and not rest.startswith(b"\0")
    return case.contract.echo.unit == "bytes" and not over and by_lines and received == sent[: sent.rfind(b"\n") + 1]


def not_whole(
    case: Case, client: str, rule: str, expected: str, got: str, difference: Difference | None = None
) -> Finding:
    """A finding that something is missing: a fact once the connection or the server ended, else when proven."""
    transcript, silence = case.transcript, case.transcript.silence(client)
    ended = transcript.end(client) is not None or transcript.server_ended is not None
    proven = ended or (silence is not None and silence.proven)
    return Finding(
        rule, expected, got, (*while_it_waited(transcript, client), *its_words(transcript)), difference, proven
    )


def shown_at(case: Case, client: str, offset: int) -> Difference:
    """What it sent and what came back, that differ from this byte on."""
    return Difference(case.transcript.sent.get(client, b""), case.transcript.received(client), offset)


def got_since(transcript: Transcript, client: str, step: int) -> bool:
    """Whether this client got bytes at this step or a later one."""
    return any(isinstance(event, Got) and event.step >= step for event in transcript.of(client))


def and_then(transcript: Transcript, client: str) -> str:
    """How its connection, and the server, ended behind what came: the end of a sentence, or nothing."""
    end = {
        "FIN": stated(", then the connection was closed"),
        "RST": stated(", then the connection was reset"),
        None: "",
    }
    if transcript.end(client) == "FIN" and _finished_before_its_end(transcript, client):
        end["FIN"] = stated(", and when {client} had half-closed the connection was closed", client=client)
    gone = joined(("", how_it_ended(transcript.server_ended)), "; ") if transcript.server_ended is not None else ""
    return joined((end[transcript.end(client)], gone), "")


def _finished_before_its_end(transcript: Transcript, client: str) -> bool:
    """Whether this client was seen to get nothing more, then half-closed, and the end was all that came of that."""
    silence, ended_at = transcript.silence(client), transcript.ended_at(client)
    half_close = next((n for n, s in enumerate(transcript.scenario.steps) if s == HalfClose(client)), None)
    if silence is None or ended_at is None or half_close is None:
        return False
    return silence.step < half_close < ended_at and not got_since(transcript, client, half_close)
