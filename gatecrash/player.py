"""The one runner: plays a scenario against a server and writes the transcript.

It never sleeps to make something happen. It acts, asks the kernel what became of it, and where nothing comes,
proves that nothing can come (gatecrash.instruments.quiescence).
"""

from __future__ import annotations

from gatecrash import client_acts as client_acts
from gatecrash import server_acts as server_acts
from gatecrash.contract import Contract
from gatecrash.instruments.ticks import Ticks
from gatecrash.scenario import Scenario
from gatecrash.server import Server
from gatecrash.stage import Stage, act
from gatecrash.transcript import Transcript


class Player:
    """Plays scenarios on one server. After `play`, `spoiled` tells that the server is not to be used again."""

    def __init__(
        self, server: Server, contract: Contract, *, patience: float = 5.0, ticks: Ticks | None = None
    ) -> None:
        self.server = server
        self.contract = contract
        self.patience = patience
        self.ticks = ticks
        self.spoiled = False

    def play(self, scenario: Scenario) -> Transcript:
        """Play every step in order, then let go of everything; the server is left running."""
        stage = Stage(self.server, self.contract, patience=self.patience, ticks=self.ticks)
        observer = stage.observer
        if self.server.gates is not None:
            self.server.gates.trace.clear()
        try:
            for stage.index, step in enumerate(scenario.steps):
                stage.note_act(step)
                act(step, stage)
            stage.events.extend(observer.dropped(stage.index, stage.datagrams.values()))
            stage.events.extend(observer.after_all(stage.index))
        finally:
            stage.let_go()
            self.server, self.spoiled = stage.server, stage.spoiled
        stage.events.extend(observer.reports(stage.index))
        sent = {name: bytes(client.sent) for name, client in stage.streams.items()}
        events, early = tuple(stage.events), stage.waiter.ticks.early
        return Transcript(scenario, events, output=observer.output, sent=sent, early=early)
