"""What is done to the server in a scenario: it is frozen, signalled, made to fail, looked at and started again."""

from __future__ import annotations

import signal
from collections.abc import Callable

from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    AwaitHeld,
    Fail,
    Freeze,
    Hold,
    LetTimePass,
    LiftLimit,
    LimitDescriptors,
    ReadOutput,
    Release,
    Restart,
    Settle,
    Shorten,
    Signal,
    SmallBuffers,
    StartOnTakenPort,
    StartOnTerminal,
    StartSecond,
    Thaw,
    Watch,
    Who,
)
from gatecrash.model.transcript import Event, HeldAt, Looked, Printed
from gatecrash.player.passing import let_pass
from gatecrash.player.playback import Stage, act
from gatecrash.player.waiting import errno_number
from gatecrash.target.restarts import Lifecycle
from gatecrash.target.tcp_buffers import shrink_buffers

#: In which a limit may be counted in a server's ticks, where none is known: what programs count so is a minute at most.
_TWO_MINUTES = 120.0
_A_LITTLE_LONGER = 1.2


@act.register
def _freeze(step: Freeze, stage: Stage) -> None:
    stage.server.census.tasks()
    stage.frozen = stage.server.freeze(step.who)


@act.register
def _thaw_step(step: Thaw, stage: Stage) -> None:
    stage.thaw()


@act.register
def _fail(step: Fail, stage: Stage) -> None:
    if stage.server.gates is not None:
        stage.server.pump()
        stage.server.gates.fail(step.call, errno_number(step.error), times=step.times)


@act.register
def _watch(step: Watch, stage: Stage) -> None:
    """The trap alone does it: `Scenario.traps` names the family, and the trace keeps what passes."""


@act.register
def _hold(step: Hold, stage: Stage) -> None:
    if stage.server.gates is not None:
        stage.server.pump()
        stage.server.gates.hold(step.call, times=step.times)


@act.register
def _await_held(step: AwaitHeld, stage: Stage) -> None:
    gates = stage.server.gates
    if gates is None:
        return
    outcome = stage.waiter.until(lambda: len(gates.held) >= step.count)
    name = gates.held[0].name if gates.held else "the call"
    stage.record(HeldAt(stage.index, name, outcome.reached, outcome.proven))


@act.register
def _release(step: Release, stage: Stage) -> None:
    if stage.server.gates is not None:
        stage.server.gates.clear()


@act.register
def _shorten(step: Shorten, stage: Stage) -> None:
    if stage.server.gates is not None:
        stage.server.gates.shorten(step.size, times=step.times)


@act.register
def _signal(step: Signal, stage: Stage) -> None:
    stage.server.signal_pids(_named(stage, step.who), signal.Signals[step.name])


def _named(stage: Stage, who: Who) -> tuple[int, ...]:
    match who:
        case "parent":
            return (stage.server.main_pid,)
        case "all":
            return stage.server.census.pids()
        case "child":
            return stage.server.children()
        case "accepting":
            return stage.server.waiting_for_clients()[:1]
    served = stage.server.holders(tuple(c.address for c in stage.streams.values() if c.connected))
    return tuple(pid for pid in stage.server.children() if pid in served)


@act.register
def _limit(step: LimitDescriptors, stage: Stage) -> None:
    stage.limit = stage.server.limit_descriptors(step.spare)


@act.register
def _lift(step: LiftLimit, stage: Stage) -> None:
    if stage.limit is not None:
        stage.server.lift_limit(stage.limit)
        stage.limit = None


@act.register
def _shrink_buffers(step: SmallBuffers, stage: Stage) -> None:
    stage.small_buffers = shrink_buffers(stage.server.arena)


@act.register
def _settle(step: Settle, stage: Stage) -> None:
    still = stage.waiter.settle(step.within, spin=step.spin)
    for client in stage.streams.values():
        stage.take(client)
    look = stage.observer.look(still, stacks=step.label in (labels.FIRST_CROWD, labels.SECOND_CROWD))
    stage.record(Looked(stage.index, step.label, look))


@act.register
def _let_time_pass(step: LetTimePass, stage: Stage) -> None:
    passed = let_pass(stage.waiter, step.seconds, _counted(stage.contract), really=stage.really_passed)
    stage.note_time(all_of_it=True, wakes=passed.wakes, late=passed.late)


def _counted(contract: Contract) -> float:
    """Seconds in which the server may count its ticks up to a limit for its clients."""
    longest = contract.longest_limit
    return _TWO_MINUTES if longest is None else _A_LITTLE_LONGER * longest


@act.register
def _read_output(step: ReadOutput, stage: Stage) -> None:
    printed = stage.server.process.output()
    stage.record(Printed(stage.index, step.label, printed.head + printed.tail, whole=not printed.missing))


@act.register
def _restart(step: Restart, stage: Stage) -> None:
    _another_life(stage, lambda life: life.restart(stage.index))


@act.register
def _second(step: StartSecond, stage: Stage) -> None:
    _another_life(stage, lambda life: life.second(stage.index))


@act.register
def _taken(step: StartOnTakenPort, stage: Stage) -> None:
    _another_life(stage, lambda life: life.on_taken_port(stage.index))


@act.register
def _on_terminal(step: StartOnTerminal, stage: Stage) -> None:
    _another_life(stage, lambda life: life.on_terminal(stage.index))


def _another_life(stage: Stage, live: Callable[[Lifecycle], Event]) -> None:
    stage.spoiled = True
    life = Lifecycle(stage.server, patience=stage.patience, horizon=stage.contract.horizon)
    stage.record(live(life))
    if life.server is not stage.server:
        stage.server = life.server
        stage.waiter.server = stage.observer.server = life.server
