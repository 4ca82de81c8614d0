"""An echo in upper case, which courses ask for: lines of text come back with their letters large."""

from __future__ import annotations

from dataclasses import replace

from gatecrash.language import stated
from gatecrash.model.scenario import Scenario, Send, SendDatagram
from gatecrash.model.transcript import Sent, Transcript
from gatecrash.protocols.base import UPPER_CASE
from gatecrash.protocols.line_echo import LineEcho


class UpperEcho(LineEcho):
    """What comes back is what was sent, a line at a time, its letters large."""

    def owed(self, transcript: Transcript) -> Transcript:
        return in_upper_case(transcript)

    def owed_for(self, sent: bytes) -> bytes:
        return sent.upper()

    @property
    def described(self) -> tuple[str, ...]:
        return (*super().described, stated(UPPER_CASE))


def in_upper_case(transcript: Transcript) -> Transcript:
    """The transcript as if each client had sent what an echo in upper case owes it: as many bytes, letters large."""
    said = transcript.scenario.steps
    steps = tuple(replace(s, data=s.data.upper()) if isinstance(s, Send | SendDatagram) else s for s in said)
    events = tuple(replace(e, data=e.data.upper()) if isinstance(e, Sent) else e for e in transcript.events)
    sent = {client: data.upper() for client, data in transcript.sent.items()}
    return replace(transcript, scenario=Scenario(steps), events=events, sent=sent)
