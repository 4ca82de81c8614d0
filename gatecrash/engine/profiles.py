"""How long to try: examples a rule, seconds a rule, seconds to shrink."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from gatecrash.errors import UsageError
from gatecrash.language import say


@dataclass(frozen=True)
class Profile:
    """`examples` a rule at most; a failure is shrunk for `shrink_seconds` and replayed `replays` times.

    `seconds` and `scenario_seconds` are the target's own (instruments/patience.py), which a busy machine does not
    change: how much of them a rule may cost before fewer examples are played, and one scenario before it is broken
    off. What was not tried in `run_seconds` is not tried: less than a busy machine took of them, unless its user says
    when it is to be over.
    """

    name: str
    examples: int
    seconds: float
    shrink_seconds: float
    replays: int = 3
    derandomize: bool = True
    run_seconds: float = 600.0
    scenario_seconds: float = 10.0

    def examples_on(self, build: str, area: str) -> int:
        """How many examples on this build: a sanitized one is slow, and only what the sanitizers say counts there."""
        if area == "memory":
            return min(self.examples, max(12, self.examples // 2))
        return self.examples if build == "plain" else max(3, self.examples // 8)


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("glance", examples=2, seconds=2.0, shrink_seconds=0.5, run_seconds=60.0, replays=1),
        Profile("matrix", examples=16, seconds=6.0, shrink_seconds=0.5, run_seconds=600.0),
        Profile("quick", examples=20, seconds=3.0, shrink_seconds=2.0, run_seconds=100.0),
        Profile("default", examples=100, seconds=15.0, shrink_seconds=6.0, run_seconds=900.0, scenario_seconds=30.0),
        Profile(
            "thorough",
            examples=1000,
            seconds=120.0,
            shrink_seconds=30.0,
            run_seconds=10800.0,
            scenario_seconds=120.0,
            derandomize=False,
        ),
    )
}


def profile(name: str) -> Profile:
    """The profile of this name. Raises UsageError for one that does not exist."""
    if name not in PROFILES:
        raise UsageError(say("there is no profile {name!r}; known are {names}.", name=name, names=", ".join(PROFILES)))
    return PROFILES[name]


def seconds(text: str) -> float:
    """The value of an option --patience. Raises ArgumentTypeError for what is no time, or one nobody means."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 600:
        raise argparse.ArgumentTypeError(
            say("{text!r} is not a time; give seconds, above 0 and at most 600", text=text)
        )
    return number
