"""Which contracts a rule applies to, and the sentence that says why it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from gatecrash.language import joined, marked, stated
from gatecrash.model.contract import PROTOCOLS, Contract

PROTOCOL_NAMES: Final = {
    "http": "HTTP",
    "echo": "TCP echo",
    "udp": "UDP echo",
    "greeting": marked("a greeting that the server sends first"),
    "none": marked("a TCP protocol Gatecrash does not know"),
}
#: What an entry may write for several at once. A protocol that is added is in them, or it is one of datagrams.
PROTOCOL_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "any": PROTOCOLS,
    "tcp": tuple(name for name in PROTOCOLS if name != "udp"),
}
MODEL_NAMES: Final = {
    "iterative": marked("iterative"),
    "fork": marked("fork per connection"),
    "prefork": marked("prefork"),
    "thread": marked("thread per connection"),
    "event_loop": marked("event loop"),
}


@dataclass(frozen=True)
class Need:
    """A condition on a contract beyond protocol and model; `missing` is the reason when it is not met."""

    met: Callable[[Contract], bool]
    missing: str


NEEDS: Final[Mapping[str, Need]] = {
    "echoes": Need(lambda c: c.echo.unit != "other", marked("what it sends back is not what was sent to it")),
    "serves_many": Need(
        lambda c: not c.one_shot, marked("the contract says that it serves one client and leaves (one_shot)")
    ),
    "answers": Need(
        lambda c: c.protocol != "none" or c.unknown.size > 0,
        marked("nothing is known that it answers twice in the same way"),
    ),
    "own_protocol": Need(
        lambda c: c.protocol in ("greeting", "none") or c.echo.unit == "other",
        marked("the rules of an echo try the same"),
    ),
    "persistent": Need(
        lambda c: c.http.persistent, marked("it closes the connection after an answer, which HTTP allows")
    ),
    "large_path": Need(
        lambda c: c.http.large_path is not None,
        marked("no path with an answer larger than 64 KiB is known; name one as large_path in gatecrash.toml"),
    ),
    "post_path": Need(
        lambda c: c.http.post_path is not None,
        marked("no path that takes POST with a body is known; name one as post_path in gatecrash.toml"),
    ),
    "large_answer": Need(
        lambda c: c.protocol == "echo" or c.http.large_path is not None,
        marked("no path with an answer larger than 64 KiB is known; name one as large_path in gatecrash.toml"),
    ),
    "stable_body": Need(
        lambda c: c.http.stable_body, marked("two plain requests get different bodies, so answers are not compared")
    ),
    "port": Need(
        lambda c: c.takes_port or c.port is not None or c.hides_port,
        marked("it neither takes a port nor promises one; write port in gatecrash.toml"),
    ),
    "keeps_port": Need(
        lambda c: not c.chooses_port, marked("it lets the system choose its port (port 0): none can be taken from it")
    ),
    "one_queue": Need(
        lambda c: not c.own_queues,
        marked(
            "its workers listen on sockets of their own (SO_REUSEPORT), and the kernel deals the clients out to them"
        ),
    ),
    "foreground": Need(
        lambda c: c.background != "before",
        marked("it goes into the background before it asks for its port: whoever started it waits for nothing"),
    ),
    "lets_go": Need(
        lambda c: c.lets_go,
        marked(
            "no time limit of its own was seen to end a client that does nothing (10 minutes); "
            "no standard asks for one, idle_limit in a contract does"
        ),
    ),
    "has_halves": Need(
        lambda c: c.protocol == "http" or c.echo.unit in ("lines", "upper"),
        marked("any bytes are a whole request to it"),
    ),
    "idle_limit": Need(
        lambda c: c.idle_limit is not None,
        marked("it promises no time limit for clients that do nothing; write idle_limit in gatecrash.toml"),
    ),
    "takes_port": Need(lambda c: c.takes_port, marked("it does not listen on the port it is given")),
    "handles_signals": Need(
        lambda c: c.handles_signals, marked("it installs no signal handler, so nothing can interrupt a call")
    ),
    "children": Need(
        lambda c: c.concurrency == "fork" or c.starts_children,
        marked("it was not seen to start a process for a client"),
    ),
    "sleeps": Need(lambda c: c.sleeps, marked("its answers take no time of their own: it does not sleep")),
    "confined": Need(
        lambda c: c.confined, marked("it was given no limits to keep within, as a class's submissions are")
    ),
    "c_source": Need(
        lambda c: c.source == "c",
        marked("only source in C or C++, given as a file or with a Makefile, can be built with the sanitizers"),
    ),
    "spare_worker": Need(
        lambda c: c.concurrency != "prefork" or (c.workers or 1) >= 2,
        marked("it has one worker, or an unknown number; write workers in gatecrash.toml"),
    ),
    "child_closes_listener": Need(
        lambda c: c.child_closes_listener,
        marked("the contract lets a child keep the listening socket (child_closes_listener)"),
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
        names = joined((stated(PROTOCOL_NAMES[name]) for name in applies.protocols), stated(" or "))
        spoken = stated(PROTOCOL_NAMES[contract.protocol])
        return stated("it is a rule for {names}, and this server speaks {spoken}", names=names, spoken=spoken)
    if applies.models and contract.concurrency not in applies.models:
        names = joined((stated(MODEL_NAMES[name]) for name in applies.models), stated(" or "))
        if contract.concurrency == "unknown":
            missing = stated("this one's model is unknown; write concurrency in gatecrash.toml")
            return stated("it is a rule for {names} servers, and {missing}", names=names, missing=missing)
        model = stated(MODEL_NAMES[contract.concurrency])
        return stated("it is a rule for {names} servers, and this one is {model}", names=names, model=model)
    return next((stated(NEEDS[need].missing) for need in applies.needs if not NEEDS[need].met(contract)), None)
