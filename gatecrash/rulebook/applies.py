"""Which contracts a rule applies to, and the sentence that says why it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from gatecrash.contract import Contract

PROTOCOL_NAMES: Final = {
    "http": "HTTP",
    "echo": "TCP echo",
    "udp": "UDP echo",
    "greeting": "a greeting that the server sends first",
    "none": "a TCP protocol Gatecrash does not know",
}
MODEL_NAMES: Final = {
    "iterative": "iterative",
    "fork": "fork per connection",
    "prefork": "prefork",
    "thread": "thread per connection",
    "event_loop": "event loop",
}


@dataclass(frozen=True)
class Need:
    """A condition on a contract beyond protocol and model; `missing` is the reason when it is not met."""

    met: Callable[[Contract], bool]
    missing: str


NEEDS: Final[Mapping[str, Need]] = {
    "serves_many": Need(lambda c: not c.one_shot, "the contract says that it serves one client and leaves (one_shot)"),
    "persistent": Need(lambda c: c.persistent, "it closes the connection after an answer, which HTTP allows"),
    "large_path": Need(
        lambda c: c.large_path is not None,
        "no path with an answer larger than 64 KiB is known; name one as large_path in gatecrash.toml",
    ),
    "post_path": Need(
        lambda c: c.post_path is not None,
        "no path that takes POST with a body is known; name one as post_path in gatecrash.toml",
    ),
    "large_answer": Need(
        lambda c: c.protocol == "echo" or c.large_path is not None,
        "no path with an answer larger than 64 KiB is known; name one as large_path in gatecrash.toml",
    ),
    "stable_body": Need(
        lambda c: c.stable_body, "two plain requests get different bodies, so answers are not compared"
    ),
    "port": Need(
        lambda c: c.takes_port or c.port is not None,
        "it neither takes a port nor promises one; write port in gatecrash.toml",
    ),
    "takes_port": Need(lambda c: c.takes_port, "it does not listen on the port it is given"),
    "handles_signals": Need(
        lambda c: c.handles_signals, "it installs no signal handler, so nothing can interrupt a call"
    ),
    "c_source": Need(
        lambda c: c.source == "c", "only a target given as C or C++ source can be built with the sanitizers"
    ),
    "spare_worker": Need(
        lambda c: c.concurrency != "prefork" or (c.workers or 1) >= 2,
        "it has one worker, or an unknown number; write workers in gatecrash.toml",
    ),
    "child_closes_listener": Need(
        lambda c: c.child_closes_listener,
        "the contract lets a child keep the listening socket (child_closes_listener)",
    ),
}


@dataclass(frozen=True)
class Applies:
    """The contracts a rule is about. No `models` means all of them."""

    protocols: tuple[str, ...]
    models: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


class HasApplies(Protocol):
    """A rule, as far as this module cares."""

    @property
    def applies(self) -> Applies:
        """The contracts the rule is about."""


def applicable(rule: HasApplies, contract: Contract) -> str | None:
    """None when the rule applies to the contract; else the reason it does not, as half a sentence."""
    applies = rule.applies
    if contract.protocol not in applies.protocols:
        names = " or ".join(PROTOCOL_NAMES[name] for name in applies.protocols)
        return f"it is a rule for {names}, and this server speaks {PROTOCOL_NAMES[contract.protocol]}"
    if applies.models and contract.concurrency not in applies.models:
        names = " or ".join(MODEL_NAMES[name] for name in applies.models)
        if contract.concurrency == "unknown":
            missing = "this one's model is unknown; write concurrency in gatecrash.toml"
            return f"it is a rule for {names} servers, and {missing}"
        return f"it is a rule for {names} servers, and this one is {MODEL_NAMES[contract.concurrency]}"
    return next((NEEDS[need].missing for need in applies.needs if not NEEDS[need].met(contract)), None)
