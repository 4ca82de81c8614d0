"""What a target promises: written in gatecrash.toml, or learnt by discovery. Plain data, no I/O."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

Protocol = Literal["http", "echo", "udp", "greeting", "none"]
Concurrency = Literal["iterative", "fork", "prefork", "thread", "event_loop", "unknown"]
Background = Literal["no", "after", "before", "unknown"]
Echo = Literal["bytes", "lines", "upper", "other"]
#: Whether it answers nothing: so it was seen, though nobody promised it, or so it is promised (RFC 863, discard).
Silence = Literal["", "seen", "promised"]
PROTOCOLS: tuple[str, ...] = get_args(Protocol)
MODELS: tuple[str, ...] = get_args(Concurrency)
CONCURRENT_MODELS = frozenset({"fork", "thread", "event_loop"})


@dataclass(frozen=True)
class Contract:
    """The promises of one target. `written` names the fields its author wrote; all others were discovered."""

    protocol: Protocol = "none"
    concurrency: Concurrency = "unknown"
    #: What comes back: any bytes at once; lines of text when they have ended; text, its letters large; something else.
    echo: Echo = "bytes"
    persistent: bool = False  # HTTP: the connection is kept after an answer
    closes: bool = False  # HTTP: it ends the connection at once behind an answer, not when a timer does
    path: str = "/"  # HTTP: a target that is known to be answered
    large_path: str | None = None  # HTTP: a target whose answer is larger than 64 KiB
    post_path: str | None = None  # HTTP: a target that takes POST with a body
    greets: int = 0  # greeting: its bytes, when the connection stays open behind it; 0: its end shows otherwise
    stable_body: bool = True  # HTTP: two plain requests get the same body
    workers: int | None = None  # prefork: processes that accept
    min_backlog: int = 5
    max_datagram: int = 65507  # bytes; UDP's own limit over IPv4
    port: int | None = None  # the port it promises; None: the one it is given
    takes_port: bool = False  # it listens on the port it is given
    chooses_port: bool = False  # it asks for port 0: each start listens on another one
    own_queues: bool = False  # its workers listen on sockets of their own, all on its port (SO_REUSEPORT)
    address: str | None = None  # the address it promises to listen on
    #: Its first process ends and the server lives on: after it has asked for its port, before, or nobody knows when.
    background: Background = "no"
    one_shot: bool = False  # it is meant to serve one client and leave
    child_closes_listener: bool = True
    handles_signals: bool = False  # the parent has handlers installed (SigCgt)
    says: int = 0  # a protocol Gatecrash does not know: the bytes a plain request is answered with; 0: none, or varying
    silence: Silence = ""  # a protocol Gatecrash does not know: it answers nothing
    waits_for_words: bool = False  # it reads its standard input before it answers: empty lines are typed for it
    source: Literal["c", "python", "other"] = "other"
    written: frozenset[str] = frozenset()

    def with_discovered(self, **facts: Any) -> Contract:
        """This contract with discovered facts, save where its author wrote otherwise."""
        return replace(self, **{name: value for name, value in facts.items() if name not in self.written})

    def to_json(self) -> dict[str, Any]:
        """Plain values for a saved run."""
        return {**asdict(self), "written": sorted(self.written)}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Contract:
        """The contract that `to_json` wrote."""
        return cls(**{**row, "written": frozenset(row["written"])})
