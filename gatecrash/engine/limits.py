"""Whether a target lets go of a client that does nothing, and after how long, and whether its answers sleep.

Seen, by letting its own time pass.
"""

from __future__ import annotations

from gatecrash.engine.session import Session
from gatecrash.errors import TargetError
from gatecrash.model.scenario import Close, Connect, LetTimePass, Receive, Step, optional_send, scenario
from gatecrash.oracles.let_go import waited_for_in_vain
from gatecrash.protocols import ask, plain_request, protocol_of

#: Seconds in which nearly every time limit for clients is over.
_LONG = 600.0
#: Seconds that pass behind an answer, so that those before it are written down; of an answer that is said to sleep.
_A_SECOND, _A_SLEEP = 1.0, 0.1
#: What is up to so many times as long as an answer's sleep is that sleep: it may begin a little sooner, or vary.
_AS_LONG = 1.5


def sleep_of(session: Session) -> float | None:
    """Seconds of its own time that pass until a client has its answer, 0 for next to none. None: nobody sees it."""
    transcript = session.play(scenario(ask("A", session.contract), LetTimePass(_A_SECOND)))
    if transcript.skipped == 0.0:
        return None
    slept = transcript.skipped - _A_SECOND
    return slept if slept >= _A_SLEEP else 0.0


def limits_of(session: Session, sleep: float | None) -> dict[str, float]:
    """What was seen, by the names of a contract's promises; nothing where no time can be skipped.

    `sleep`: the seconds that an answer takes (`sleep_of`). A half request that is answered, or dropped, when these are
    over was not waited for any longer than a whole one: that is no limit, unless who is silent is let go so soon, too.
    """
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
        # Twice: one that answers a single request, and sleeps before it closes, has waited for nobody.
        steps += _waits("C", (*ask("C", contract), *protocol_of(contract).request("C"), Receive("C")))
    try:
        seen = waited_for_in_vain(session.play(scenario(steps), fresh=True), contract)
    except TargetError:
        return {}
    asleep = _AS_LONG * (sleep or 0.0)
    if seen.get("B", _LONG) <= asleep < seen.get("A", _LONG):
        del seen["B"]
    # A little less than the limit: what passed for real meanwhile is not counted.
    return {limit: round(seen[client], 1) for limit, client in waiting.items() if client in seen}


def _waits(client: str, begins: tuple[Step, ...]) -> tuple[Step, ...]:
    return (*begins, LetTimePass(_LONG), Close(client))
