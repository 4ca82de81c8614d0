"""What a lone client gets from a target, by what it sends: what everything else is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from gatecrash.model.scenario import Connect, LetTimePass, Receive, Scenario, optional_send, scenario
from gatecrash.model.transcript import Transcript
from gatecrash.model.verdicts import Aspect, Plain
from gatecrash.protocols import ApplicationProtocol

#: Bytes of plain answers that are remembered; beyond them all is learnt anew.
_MOST = 32 << 20


class Target(Protocol):
    """Who is asked: a session."""

    @property
    def protocol(self) -> ApplicationProtocol:
        """What it speaks."""

    @property
    def met(self) -> int:
        """The clients that its running server has met."""

    def fresh(self) -> object:
        """Start it anew."""

    def play(self, scenario: Scenario, *, fresh: bool = False) -> Transcript:
        """Play a scenario on the running server, or on a fresh one."""


class PlainAnswers:
    """What one target answers a lone client; asked when it is first needed, and kept."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._known: dict[bytes, Plain] = {}
        self._bytes = 0  # that were received in them when they were first asked for
        #: The scenario that was asked anew last, and what its requests change in one another's answers.
        self._moved: tuple[Scenario | None, Mapping[bytes, frozenset[Aspect]]] = (None, {})
        self._before: dict[bytes, tuple[bytes, ...]] = {}  # what a fresh server was asked before it was asked this

    def forget(self) -> None:
        """All must be asked again."""
        self._known.clear()
        self._before.clear()
        self._bytes, self._moved = 0, (None, {})

    def for_scenario(self, scenario: Scenario) -> dict[bytes, Plain]:
        """What is known of what the clients of this scenario send."""
        plain = {sent: self._known[sent] for sent in self._asked_in(scenario) if sent in self._known}
        if scenario == self._moved[0]:
            return {sent: replace(one, moves=self._moved[1].get(sent, one.moves)) for sent, one in plain.items()}
        return plain

    def learn(self, scenario: Scenario) -> None:
        """Make sure the plain answer to everything the clients of this scenario send is known.

        The plain request is asked first: another one may be what harms the server.
        """
        if self._target.protocol.has_yardstick:
            if self._bytes > _MOST:
                self.forget()
            plain = self._target.protocol.plain_request
            for sent in sorted(self._asked_in(scenario), key=lambda sent: sent != plain):
                if sent not in self._known:
                    self._known[sent] = self._ask(sent)
                    self._bytes += len(self._known[sent].received)

    def learn_short(self, transcript: Transcript) -> bool:
        """Learn the plain answer to what somebody has got a part of, on a fresh server; whether there was any to learn.

        An echo needs no other yardstick than what was sent, until one falls short of it: for everybody, perhaps.
        """
        waiting = {step.client for step in transcript.scenario.steps if isinstance(step, Receive)}
        short = dict.fromkeys(
            sent
            for client, sent in transcript.scenario.sent.items()
            if client in waiting and self._target.protocol.falls_short(sent, transcript.received(client))
        )
        unknown = [sent for sent in short if sent not in self._known]
        for sent in unknown:
            self._target.fresh()  # what it met may be what harmed it
            self._known[sent] = self._ask(sent)
            self._bytes += len(self._known[sent].received)
        return bool(unknown)

    def learn_anew(self, asked: Scenario) -> bool:
        """Ask everything once more, twice, in its order, on a fresh server; whether the answers are others by now.

        What changes from one fresh server to the next, where the same was asked before, changes by itself. What changes
        when it is asked again on the same one was changed by what was asked before, or by the time that has passed
        since: between the two passes as much as in the scenario.
        """
        wanted = [sent for sent in self._asked_in(asked) if sent in self._known]
        self._target.fresh()
        first = {sent: self._ask(sent) for sent in wanted}
        if pauses := [step for step in asked.steps if isinstance(step, LetTimePass)]:
            self._target.play(scenario(*pauses))
        second = {sent: self._ask(sent) for sent in wanted}
        protocol, changed = self._target.protocol, False
        safe, moves = all(protocol.changes_nothing(sent) for sent in wanted), dict[bytes, frozenset[Aspect]]()
        for number, (sent, now) in enumerate(first.items()):
            known, before = self._known[sent], tuple(wanted[:number])
            parted = protocol.differing(sent, known, now)
            varies = known.varies | (parted if self._before.get(sent) == before else frozenset())
            moved = protocol.differing(sent, now, second[sent]) if second[sent].received else frozenset()
            moves[sent] = known.moves | moved
            self._known[sent] = replace(now, varies=varies, moves=moves[sent] if safe else known.moves)
            self._before[sent] = before
            changed = changed or bool(parted - known.varies)
        self._moved = (asked, moves)
        return changed

    def _asked_in(self, scenario: Scenario) -> tuple[bytes, ...]:
        """Each single request of those who send several, and what each client sends."""
        streams = tuple(scenario.sent.values())
        single = (request for sent in streams for request in self._target.protocol.single_requests(sent))
        return tuple(dict.fromkeys([*single, *streams]))

    def _ask(self, sent: bytes) -> Plain:
        steps = scenario(Connect("A"), optional_send("A", sent), Receive("A"))
        transcript = self._target.play(steps)
        if self._target.met > 1 and not transcript.received("A") and _met_no_server(transcript):
            transcript = self._target.play(steps, fresh=True)  # it was about to end of what others had done
        received, end = transcript.trimmed().received("A"), transcript.end("A")
        return Plain(
            received,
            end,
            answered=bool(received) and self._target.protocol.is_whole(sent, received, ended=end is not None),
        )


def _met_no_server(transcript: Transcript) -> bool:
    """Whether A was let go unheard: refused, or reset in the queue of a server that was ending."""
    return transcript.end("A") == "RST" or not transcript.connected("A")
