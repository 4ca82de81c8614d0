"""How many examples a second each strategy draws, by itself: `python -m benchmarks.strategies [SECONDS]`.

Seconds are processor time. Drawing has to be cheap beside playing; much of it is Hypothesis's own
book-keeping, and the first line says how much.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy, integers

import strategies

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
STRATEGIES: dict[str, SearchStrategy[Any]] = {
    "one integer (Hypothesis alone)": integers(),
    "segmented_requests": strategies.segmented_requests(REQUEST),
    "segmented_requests, 64 KiB": strategies.segmented_requests(b"a" * 65536),
    "departures": strategies.departures(REQUEST),
    "hogs": strategies.hogs(REQUEST),
    "pipelines": strategies.pipelines([REQUEST] * 4),
    "slow_readers": strategies.slow_readers(REQUEST),
    "http_requests": strategies.http_requests(methods=("GET", "POST")),
    "large_requests": strategies.large_requests(),
    "malformed_requests": strategies.malformed_requests(),
    "echo_payloads": strategies.echo_payloads(),
    "echo_payloads, 1 MiB": strategies.echo_payloads(max_size=1 << 20),
    "datagrams": strategies.datagrams(max_size=65507),
}


def examples_per_second(strategy: SearchStrategy[Any], seconds: float) -> float:
    """Examples a second in a test that does nothing with them, runs of 200 examples for about `seconds`."""
    drawn = 0
    started = time.process_time()
    while (spent := time.process_time() - started) < seconds:
        drawn += _run(strategy)
    return drawn / spent


def _run(strategy: SearchStrategy[Any]) -> int:
    """How many examples came: a small strategy runs out."""
    drawn = 0

    @settings(
        max_examples=200,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def take(_: Any) -> None:
        nonlocal drawn
        drawn += 1

    take()
    return drawn


def main() -> None:
    """Print the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.5
    print(f"{'strategy':<31} {'examples/s':>10} {'µs each':>8}")
    for name, strategy in STRATEGIES.items():
        rate = examples_per_second(strategy, seconds)
        print(f"{name:<31} {rate:>10.0f} {1e6 / rate:>8.0f}")


if __name__ == "__main__":
    main()
