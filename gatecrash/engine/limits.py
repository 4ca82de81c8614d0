"""Whether a target lets go of a client that does nothing, and after how long, and whether its answers sleep.

Seen, by letting its own time pass.
"""

from __future__ import annotations

from gatecrash.engine.session import Session
from gatecrash.errors import TargetError
from gatecrash.model.scenario import Close, Connect, LetTimePass, Step, optional_send, scenario
from gatecrash.oracles.let_go import let_go
from gatecrash.protocols import ask, plain_request, protocol_of

#: Seconds in which nearly every time limit for clients is over.
_LONG = 600.0
#: Seconds that pass behind an answer, so that those before it are written down; of an answer that is said to sleep.
_A_SECOND, _A_SLEEP = 1.0, 0.4


def sleeps(session: Session) -> bool:
    """Whether time of its own passes until a client has its answer. Where nobody can see that, it may."""
    transcript = session.play(scenario(ask("A", session.contract), LetTimePass(_A_SECOND)))
    return transcript.skipped == 0.0 or transcript.skipped - _A_SECOND >= _A_SLEEP


def limits_of(session: Session) -> dict[str, float]:
    """What was seen, by the names of a contract's promises; nothing where no time can be skipped."""
    contract = session.contract
    if session.server().clock is None or protocol_of(contract).connectionless:
        return {}
    request = plain_request(contract)
    half = request[: len(request) // 2]
    steps: list[Step] = []
    waiting = {"silent_limit": "A"}
    steps += _waits("A", (Connect("A"),))
    if half and not protocol_of(contract).may_expect(half):
        waiting["half_limit"] = "B"
        steps += _waits("B", (Connect("B"), *optional_send("B", half)))
    if protocol_of(contract).keeps_connections:
        waiting["kept_limit"] = "C"
        steps += _waits("C", ask("C", contract))
    try:
        seen = let_go(session.play(scenario(steps), fresh=True), contract)
    except TargetError:
        return {}
    # A little less than the limit: what passed for real meanwhile is not counted.
    return {limit: round(seen[client], 1) for limit, client in waiting.items() if client in seen}


def _waits(client: str, begins: tuple[Step, ...]) -> tuple[Step, ...]:
    return (*begins, LetTimePass(_LONG), Close(client))
