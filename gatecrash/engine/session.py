"""Where one target is judged: its arena, its running servers, and the plain answers everything is compared with."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from types import TracebackType

from gatecrash.engine.leak_watch import LeakWatch
from gatecrash.engine.not_listening import why_not_listening
from gatecrash.engine.plain_answers import PlainAnswers
from gatecrash.errors import TargetError, TooSlow
from gatecrash.instruments.patience import OwnTime
from gatecrash.instruments.real_time.ticks import TickMemory, Ticks
from gatecrash.language import say
from gatecrash.model.contract import Contract
from gatecrash.model.launch import Launch
from gatecrash.model.scenario import Scenario, StartOnTakenPort
from gatecrash.model.transcript import SanitizerReport, Silent, Transcript
from gatecrash.model.verdicts import Case, Finding
from gatecrash.player.play import Player
from gatecrash.protocols import ApplicationProtocol, protocol_of
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.shelter import Shelter
from gatecrash.target.interface import Server
from gatecrash.target.sanitizers import with_readable_reports, without_places
from gatecrash.target.server import ObservedServer
from gatecrash.target.wire_only import REASON, WIRE_PATIENCE, RemoteServer, UnseenServer, Wire, unseen_in

#: In a namespace every target can have the same port; 9157 is 0x23C5, 50467 when its bytes are swapped.
ASKED_PORT = 9157
#: Crowds for one rule that are to show whether a server wears out.
WEAR_PATIENCE = 2
#: Not the module's own generator: Hypothesis seeds that for every example, and all workers would draw the same ports.
_CHANCE = random.SystemRandom()


class Session:
    """One target in one arena. A server is kept running between scenarios; a fresh one is a call away."""

    def __init__(
        self, launches: Mapping[str, Launch], contract: Contract, *, arena: str = "auto", patience: float = 5.0
    ) -> None:
        self.launches = launches
        self._contract = contract
        self.patience = patience
        self._kind = arena
        self._confined = next((one.confined for one in launches.values() if one.confined is not None), None)
        self._worn = False  # a server has run in this arena
        self._left_spinning = False  # the last scenario left the server spinning
        self.seconds_to_listen = 0.0  # what the last start took, on the clock
        self._listened = False  # a server has come to listen in this run
        self._ports: tuple[int, ...] = ()  # where its first start listened
        runs_already = any(launch.address is not None for launch in launches.values())
        self.shelter = Shelter(launches)
        self.arena: Arena | Wire = Wire() if runs_already else self._open_arena()
        #: Why only the wire is seen: of a server that runs already, or of any on a machine that refuses more.
        self.unseen = REASON if isinstance(self.arena, Wire) else unseen_in(self.arena)
        if self.remote:
            self.patience = min(patience, WIRE_PATIENCE)
        self.leak_watch = LeakWatch()
        #: What a crowd has shown of a server that wears out (gatecrash.engine.wear), and how often that is looked into.
        self.worn: tuple[Finding, Scenario, Transcript] | None = None
        self.wear_patience = WEAR_PATIENCE
        #: The clients that the running server has met, and those of the last one that was gone when it was to go on.
        self.met = self.outlived = 0
        #: Rules that looked broken once, and only too early (instruments/real_time/ticks.py).
        self.unhurried: set[str] = set()
        #: What the target took of its own accord until now, and how much of it one scenario may cost (TooSlow).
        self.own = OwnTime()
        self.scenario_seconds = math.inf
        #: When no more is to be played at all (time.monotonic): TooSlow after that.
        self.until = math.inf
        #: Rules that sanitizers were heard to speak of, with the place; and whether reports are to do without it.
        self.told: set[str] = set()
        self.brief = False
        #: Why the silence of the sanitizers in a server of this session meant nothing (target/report_watch.py).
        self.unheard = ""
        self._server: Server | None = None
        self._key: tuple[str, frozenset[str], bool] | None = None
        #: Whether the target was seen to sleep, or to wait with a time limit.
        self.saw_limits = False
        self._limits_after_all = False  # it was, by the rule that is tried, though not when it was discovered
        #: Why its time is real, though it was to be skipped.
        self.real_because: str | None = None
        self.plain = PlainAnswers(self)
        self._tick_memory: dict[tuple[str, frozenset[str]], TickMemory] = {}
        self._starts: dict[str, Ticks] = {}

    @property
    def remote(self) -> bool:
        """Whether only the wire is seen."""
        return self.unseen is not None

    @property
    def contract(self) -> Contract:
        """What the target promises, or is supposed to."""
        return self._contract

    def suppose(self, contract: Contract) -> None:
        """Go on by another contract: for the discovery that opened this session, and learns while it asks."""
        self._contract = contract

    @property
    def has_limits(self) -> bool:
        """Whether it is known to sleep, or to wait with a time limit: its time is in our hand then."""
        return self.contract.has_limits or self._limits_after_all

    @property
    def protocol(self) -> ApplicationProtocol:
        """What the target speaks, as its contract says."""
        return protocol_of(self.contract)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the target and the arena, which ends with everything in it even where the target cannot be ended."""
        with closing(self.shelter), closing(self.arena):
            self.drop()

    # -- servers ------------------------------------------------------------------------------------------------

    def port(self) -> int:
        """The port to ask for: fixed in a private network, free and outside the ephemeral range on a shared one."""
        if self.contract.port is not None:
            return self.contract.port
        return _free_port(self.arena) if self.arena.kind == "loopback" else ASKED_PORT

    def fresh(self, build: str = "plain", traps: frozenset[str] = frozenset(), *, timed: bool | None = None) -> Server:
        """A newly started server. Raises TargetError when it does not come to listen.

        `timed`: whether its time is in our hand; where nothing is said, if it is known to have limits of its own.

        Connections of the server before may linger in TIME_WAIT and hold the port against a server without
        SO_REUSEADDR, which then does not listen, or somewhere else if it does not look at what bind says. That is one
        rule's affair (ACC-14) and no other's: such a start is repeated in a new arena.
        """
        self.drop()
        self._left_spinning = False
        server = self._start(build, traps, timed=timed)
        began = time.monotonic()
        server.wait_until_listening()
        self.seconds_to_listen = time.monotonic() - began
        if not self._where_it_was(server) and self._worn and self.arena.kind == "namespace":
            self._new_arena()
            server = self._start(build, traps, timed=timed)
            server.wait_until_listening()
        self._worn = True
        if not server.sockets.ports:
            raise TargetError(why_not_listening(server, again=self._listened))
        self._listened = True
        self.own.add(server.processor_seconds())
        self._ports = self._ports or server.sockets.ports
        return server

    def _where_it_was(self, server: Server) -> bool:
        """Whether it listens, and on a port that its first start listened on, too."""
        ports = server.sockets.ports
        known = bool(self._ports) and not self.contract.chooses_port
        return bool(ports) and not (known and set(ports).isdisjoint(self._ports))

    def begun(self, traps: frozenset[str]) -> Server:
        """A newly started server that is not waited for; its trapped calls stand still until they are let go."""
        self.drop()
        self._worn = True
        return self._start("plain", traps)

    def _start(self, build: str, traps: frozenset[str], *, timed: bool | None = None) -> Server:
        timed = self.has_limits if timed is None else timed
        launch = without_places(self.launches[build]) if self.brief else self.launches[build]
        server = self._make(launch, traps, timed=timed)
        server.starts = self._starts.setdefault(build, Ticks(hasty=True))
        self._server, self._key, self.met = server, (build, traps, timed), 0
        return server

    def _new_arena(self) -> None:
        self.drop()
        self.arena.close()
        self.arena = self._open_arena()
        self._worn = False

    def _open_arena(self) -> Arena:
        arena = Arena.open(kind=self._kind, confined=self._confined)  # type: ignore[arg-type]
        self.shelter.enter(arena)
        return arena

    def _make(self, launch: Launch, traps: frozenset[str], *, timed: bool) -> Server:
        if isinstance(self.arena, Wire):
            return RemoteServer(self.arena, launch, datagram=self.protocol.connectionless)
        launch = with_readable_reports(self.shelter.launch(launch), self.arena)
        if self.remote:
            return UnseenServer(self.arena, launch, port=self.port())
        launch = replace(launch, typed=self.contract.waits_for_words)
        return ObservedServer(self.arena, launch, port=self.port(), traps=traps, timed=timed)

    def server(self, build: str = "plain", traps: frozenset[str] = frozenset(), *, timed: bool | None = None) -> Server:
        """The running server, started when there is none of this kind."""
        kind = (build, traps, self.has_limits if timed is None else timed)
        fit = self._key == kind and not self._left_spinning
        serving = self._server is not None and self._server.serving()
        if self._server is not None and not serving and build == "plain":
            self.outlived = self.met
        if self._server is None or not fit or not serving:
            return self.fresh(build, traps, timed=timed)
        return self._server

    @property
    def running(self) -> Server | None:
        """The running server, if there is one."""
        return self._server

    def drop(self) -> None:
        """End the running server."""
        if self._server is not None:
            self._server.stop()
            self.unheard = self.unheard or self._server.unheard()
            self._server = self._key = None

    @property
    def asked(self) -> int:
        """The port the running server was told to listen on."""
        return self._server.asked_port if self._server is not None else self.port()

    def begin(self) -> None:
        """Begin with another rule: nothing that is left of those before may decide what is said of it.

        Which those were is a matter of which worker was free. Their server goes, what is known of a lone client, and
        what suspicions were looked into. (What is remembered of waits that prove nothing only saves time.)
        """
        self.drop()
        self.plain.forget()
        self.leak_watch.begin()
        self.worn, self.wear_patience, self.outlived = None, WEAR_PATIENCE, 0
        self.unhurried.clear()
        self._limits_after_all = False

    # -- playing ------------------------------------------------------------------------------------------------

    def play(
        self,
        scenario: Scenario,
        *,
        build: str = "plain",
        fresh: bool = False,
        hasty: bool = False,
        sure: bool = False,
        real: float | None = None,
    ) -> Transcript:
        """Play a scenario on the running (or a fresh) server; on a fresh one no look is early, however `hasty` we are.

        `sure`: somebody may be blamed for what is seen, so a server that wakes by itself is watched for longer.
        `real`: nothing of its time is skipped, and so many seconds more are waited for what comes.

        Raises TargetError when a fresh one does not start, TooSlow.
        """
        if time.monotonic() > self.until:
            raise TooSlow(say("there was no time left for it"))
        if fresh and self._worn and any(isinstance(step, StartOnTakenPort) for step in scenario.steps):
            self._new_arena()  # or TIME_WAIT might keep us from taking the port
        start = self.fresh if fresh else self.server
        ticks = self._ticks((build, scenario.traps), hasty=hasty and not fresh, sure=sure)
        timed = False if real is not None else True if scenario.lets_time_pass else None
        server = start(build, scenario.traps, timed=timed)
        transcript = self.play_on(server, scenario, ticks, longer=real or 0.0)
        if timed is None and not self.has_limits and _waits_with_a_limit(transcript):
            self._limits_after_all = True  # only a client who does not read may be waited for in this way
            server = self.fresh(build, scenario.traps)
            return self.play_on(server, scenario, self._ticks((build, scenario.traps), hasty=False, sure=sure))
        return transcript

    def play_on_running(self, scenario: Scenario) -> Transcript | None:
        """Play a scenario on the server that runs as it was left, surely; None when there is none."""
        if self._server is None or self._key is None or not self._server.serving():
            return None
        return self.play_on(self._server, scenario, self._ticks(self._key[:2], hasty=False, sure=True))

    def _ticks(self, key: tuple[str, frozenset[str]], *, hasty: bool, sure: bool) -> Ticks:
        return Ticks(self._tick_memory.setdefault(key, TickMemory()), hasty, sure)

    def play_on(
        self, server: Server, scenario: Scenario, ticks: Ticks | None = None, *, longer: float = 0.0
    ) -> Transcript:
        """Play a scenario on this server; `ticks`: what is known of its timed waits; `longer`: seconds more to wait."""
        player = Player(
            *(server, self.contract),
            patience=self.patience + longer,
            ticks=ticks,
            own=self.own,
            most=self.scenario_seconds + 2 * longer,
            real=longer > 0,
        )
        try:
            transcript = player.play(scenario)
        except TooSlow:
            self.drop()  # it is in the middle of something
            raise
        finally:
            if player.server is not server:
                player.server.stop()
                if player.server.arena is not server.arena:
                    player.server.arena.close()
        spoken = {event.tool for event in transcript.events if isinstance(event, SanitizerReport)}
        for each in dict.fromkeys((server, player.server)):
            self.unheard = self.unheard or each.unheard(spoken)
        self._note_time(player.server, transcript)
        if player.spoiled:
            self.drop()
        self._left_spinning = _spins(transcript)
        self.met += len(scenario.clients)
        return transcript

    def _note_time(self, server: Server, transcript: Transcript) -> None:
        self.saw_limits = self.saw_limits or _waits_with_a_limit(transcript)
        if server.clock is not None:
            self.saw_limits = self.saw_limits or server.clock.used
            self.real_because = self.real_because or server.clock.real_because

    def case(self, transcript: Transcript) -> Case:
        """What an oracle needs: the transcript and the plain answers to what its clients sent."""
        plain = self.plain.for_scenario(transcript.scenario)
        owed = {self.protocol.owed_for(sent): one for sent, one in plain.items()}
        return Case(self.protocol.owed(transcript), self.contract, owed)


def _waits_with_a_limit(transcript: Transcript) -> bool:
    """Whether the server was seen to sleep, or to wait with a time limit, when it was looked at or said nothing."""
    asleep = (task for look in transcript.looks() for task in look.snapshot.tasks)
    silent = (where for event in transcript.events if isinstance(event, Silent) for where in event.where)
    return any(task.timed is not None for task in asleep) or any(where.limit is not None for where in silent)


def _spins(transcript: Transcript) -> bool:
    """Whether the server was left spinning: it would serve nobody after that, and every later rule would suffer."""
    looks = transcript.looks()
    return (bool(looks) and looks[-1].snapshot.still == "spinning") or any(
        isinstance(event, Silent) and event.still == "spinning" for event in transcript.events
    )


def _free_port(arena: Arena | Wire) -> int:
    """A port that is free now, below the ephemeral range so that no client's TIME_WAIT owns it (ip(7))."""
    for _ in range(64):
        port = _CHANCE.randrange(10000, 32000)
        with arena.tcp() as stream, arena.udp() as datagram:
            try:
                stream.bind(("127.0.0.1", port))
                datagram.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise TargetError(
        say("no free port was found between 10000 and 32000 on the shared loopback; stop what uses them.")
    )
