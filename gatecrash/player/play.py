"""The one runner: plays a scenario against a server and writes the transcript.

It never sleeps to make something happen. It acts, asks the kernel what became of it, and where nothing comes,
proves that nothing can come (gatecrash.instruments.quiescence).
"""

from __future__ import annotations

import math

from gatecrash.instruments.patience import OwnTime
from gatecrash.instruments.real_time.ticks import Ticks
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Scenario
from gatecrash.model.transcript import Transcript
from gatecrash.player import client_acts as client_acts
from gatecrash.player import server_acts as server_acts
from gatecrash.player.playback import Stage, act
from gatecrash.target.interface import Server


class Player:
    """Plays scenarios on one server. After `play`, `spoiled` tells that the server is not to be used again."""

    def __init__(
        self,
        server: Server,
        contract: Contract,
        *,
        patience: float = 5.0,
        ticks: Ticks | None = None,
        own: OwnTime | None = None,
        most: float = math.inf,
        real: bool = False,
    ) -> None:
        """`own`, `most`: what the server takes of its own accord, in seconds, and when that is too much (TooSlow).

        `real`: what it takes is written down, for it is what is skipped elsewhere.
        """
        self.server = server
        self.contract = contract
        self.patience = patience
        self.ticks = ticks
        self.own = own
        self.most = most
        self.real = real
        self.spoiled = False

    def play(self, scenario: Scenario) -> Transcript:
        """Play every step in order, then let go of everything; the server is left running. Raises TooSlow."""
        stage = Stage(
            *(self.server, self.contract),
            patience=self.patience,
            ticks=self.ticks,
            own=self.own,
            most=self.most,
            real=self.real,
        )
        observer = stage.observer
        if self.server.gates is not None:
            self.server.gates.trace.clear()
        try:
            for stage.index, step in enumerate(scenario.steps):
                stage.check_time()
                stage.note_act(step)
                act(step, stage)
            stage.finish_last()
            stage.events.extend(observer.dropped(stage.index, stage.datagrams.values()))
            stage.events.extend(observer.after_all(stage.index))
        finally:
            stage.let_go()
            self.server, self.spoiled = stage.server, stage.spoiled
        stage.events.extend(observer.reports(stage.index))
        skipped = stage.skipped_in_all()
        sent = {name: bytes(client.sent) for name, client in stage.streams.items()}
        events, early = tuple(stage.events), stage.waiter.ticks.early
        return Transcript(scenario, events, output=observer.output, sent=sent, skipped=skipped, early=early)
