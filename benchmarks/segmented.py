"""How fast is Gatecrash? The segmented-request property on the C fork server, beside the two things it is made of.

(a) the same clients as a raw socket loop, without Gatecrash; (b) Hypothesis alone, making the same scenarios up.
All take turns in one run, and the ratio to what (a) and (b) together allow is what counts: machines are noisy. That is
said twice: as the sum of their times, each measured alone, and as measured when Hypothesis makes a scenario up and the
raw sockets play it, by turns as ours does: a processor that waits for a server in between makes things up more slowly.

    python -m benchmarks.segmented [rounds]
"""

from __future__ import annotations

import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.profiles import Profile
from gatecrash.engine.references import default_target
from gatecrash.engine.session import Session
from gatecrash.engine.trial import Trial
from gatecrash.model.scenario import Scenario, Send
from gatecrash.protocols import http, plain_request
from gatecrash.rulebook import load
from strategies import segmented_requests

_EXAMPLES = 200


def gatecrash_alone(session: Session, scenarios: SearchStrategy[Scenario], examples: int) -> float:
    """Examples/s of the property as the suites run it."""
    trial = Trial(load().get("RESP-02"), session, Profile("benchmark", examples, 60.0, 1.0))
    started = time.perf_counter()
    trial.verify(scenarios)
    return trial.seen.examples / (time.perf_counter() - started)


def hypothesis_alone(scenarios: SearchStrategy[Scenario], examples: int) -> float:
    """Examples/s of making the scenarios up and doing nothing with them."""
    started = time.perf_counter()
    made = scenarios_of(scenarios, examples)
    return len(made) / (time.perf_counter() - started)


def raw_loop(session: Session, played: list[Scenario]) -> float:
    """Examples/s of plain sockets that send the same segments and read the same answers."""
    address = session.server().address
    started = time.perf_counter()
    for scenario in played:
        with session.arena.tcp() as client:
            _exchange(client, address, [s.data for s in scenario.steps if isinstance(s, Send)])
    return len(played) / (time.perf_counter() - started)


def both_together(session: Session, scenarios: SearchStrategy[Scenario], examples: int) -> float:
    """Examples/s of making the scenarios up and playing each with plain sockets."""
    address = session.server().address

    def play(scenario: Scenario) -> None:
        with session.arena.tcp() as client:
            _exchange(client, address, [s.data for s in scenario.steps if isinstance(s, Send)])

    started = time.perf_counter()
    return _made_up(scenarios, examples, play) / (time.perf_counter() - started)


def _exchange(client: socket.socket, address: tuple[str, int], segments: list[bytes]) -> None:
    client.connect(address)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for segment in segments:
        client.sendall(segment)
    received = b""
    while not http.complete(b"".join(segments), received):
        data = client.recv(65536)
        if not data:
            return
        received += data


def scenarios_of(strategy: SearchStrategy[Scenario], examples: int) -> list[Scenario]:
    """The scenarios that the property plays."""
    made: list[Scenario] = []
    _made_up(strategy, examples, made.append)
    return made


def _made_up(strategy: SearchStrategy[Scenario], examples: int, use: Callable[[Scenario], None]) -> int:
    """Have scenarios made up and used; how many there were."""
    used = 0

    def example(played: Scenario) -> None:
        nonlocal used
        used += 1
        use(played)

    quiet = settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    quiet(given(strategy)(example))()
    return used


def main(rounds: int) -> None:
    """Measure `rounds` times, and print the medians and the ratio."""
    with tempfile.TemporaryDirectory(prefix="gatecrash-") as folder, SessionPool(Path(folder)) as session_pool:
        opened = session_pool.open(default_target())
        assert opened is not None
        request = plain_request(opened.session.contract)
        strategy = segmented_requests(request)
        played = scenarios_of(strategy, _EXAMPLES)
        runs: dict[str, Callable[[], float]] = {
            "gatecrash": lambda: gatecrash_alone(opened.session, strategy, _EXAMPLES),
            "raw sockets (a)": lambda: raw_loop(opened.session, played),
            "hypothesis (b)": lambda: hypothesis_alone(strategy, _EXAMPLES),
            "(a) inside (b)": lambda: both_together(opened.session, strategy, _EXAMPLES),
        }
        figures: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                figures[name].append(run())
    for name, values in figures.items():
        print(f"{name:<18} {statistics.median(values):8.0f} examples/s  (min {min(values):.0f}, max {max(values):.0f})")
    ours, raw, made, together = figures.values()
    _say("of (a) and (b), each alone", [one / (1 / (1 / a + 1 / b)) for one, a, b in zip(ours, raw, made, strict=True)])
    _say("of (a) inside (b)", [one / both for one, both in zip(ours, together, strict=True)])


def _say(what: str, ratios: list[float]) -> None:
    print(f"{what:<26} {statistics.median(ratios):.0%} (min {min(ratios):.0%}, max {max(ratios):.0%})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
