"""What a target promises: written in gatecrash.toml, or learnt by discovery. Plain data, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, Final, Literal, get_args

Protocol = Literal["http", "echo", "udp", "greeting", "none"]
Concurrency = Literal["iterative", "fork", "prefork", "thread", "event_loop", "unknown"]
Background = Literal["no", "after", "before", "unknown"]
Echo = Literal["bytes", "lines", "upper", "other"]
LineEnd = Literal["lf", "crlf"]
#: Whether it answers nothing: so it was seen, though nobody promised it, or so it is promised (RFC 863, discard).
Silence = Literal["", "seen", "promised"]
PROTOCOLS: tuple[str, ...] = get_args(Protocol)
MODELS: tuple[str, ...] = get_args(Concurrency)
CONCURRENT_MODELS = frozenset({"fork", "thread", "event_loop"})


# A promise stands in gatecrash.toml and in a record under its field's name, or under the "key" it was given.


@dataclass(frozen=True)
class HttpPromises:
    """What only an HTTP server promises. Paths are targets of requests."""

    path: str = "/"  # one that is known to be answered
    large_path: str | None = None  # one whose answer is larger than 64 KiB
    post_path: str | None = None  # one that takes POST with a body
    persistent: bool = False  # the connection is kept after an answer
    closes: bool = False  # it ends the connection at once behind an answer, not when a timer does
    stable_body: bool = True  # two plain requests get the same body


@dataclass(frozen=True)
class EchoPromises:
    """What only an echo promises, of a stream or of datagrams."""

    #: What comes back: any bytes at once; lines of text when they have ended; text, its letters large; something else.
    unit: Echo = field(default="bytes", metadata={"key": "echo"})
    #: What ends a line of a stream: a newline, or CR LF and nothing else, as in most protocols of text (RFC 5234 B.1).
    line_end: LineEnd = "lf"


@dataclass(frozen=True)
class DatagramPromises:
    """What only a server of datagrams promises."""

    max: int = field(default=65507, metadata={"key": "max_datagram"})  # bytes; UDP's own limit over IPv4


@dataclass(frozen=True)
class GreetingPromises:
    """What is known of a greeting."""

    #: Its bytes, when the connection stays open behind it; 0: its end shows otherwise.
    size: int = field(default=0, metadata={"key": "greets"})


@dataclass(frozen=True)
class UnknownPromises:
    """What is known of a protocol Gatecrash does not know."""

    #: The bytes a plain request is answered with; 0: none, or varying.
    size: int = field(default=0, metadata={"key": "says"})
    silence: Silence = ""  # it answers nothing


_PARTS: Final = {
    "http": HttpPromises,
    "echo": EchoPromises,
    "datagram": DatagramPromises,
    "greeting": GreetingPromises,
    "unknown": UnknownPromises,
}


def _key(one: Field[Any]) -> str:
    return str(one.metadata.get("key", one.name))


#: Where a promise stands that belongs to one protocol: the part and its field, by its key.
_PLACES: Final[Mapping[str, tuple[str, str]]] = {
    _key(one): (part, one.name) for part, promises in _PARTS.items() for one in fields(promises)
}


@dataclass(frozen=True)
class Contract:
    """The promises of one target: those of every server, and a part for each protocol.

    `written` names the keys its author wrote; all others were discovered.
    """

    protocol: Protocol = "none"
    concurrency: Concurrency = "unknown"
    workers: int | None = None  # prefork: processes that accept
    min_backlog: int = 5
    idle_limit: float | None = None  # seconds after which a client that does nothing is let go at the latest
    port: int | None = None  # the port it promises; None: the one it is given
    takes_port: bool = False  # it listens on the port it is given
    chooses_port: bool = False  # it asks for port 0: each start listens on another one
    hides_port: bool = False  # and it does not say on which
    own_queues: bool = False  # its workers listen on sockets of their own, all on its port (SO_REUSEPORT)
    address: str | None = None  # the address it promises to listen on
    horizon: float = 120.0  # seconds of its own time for which a wait goes on at most
    #: Its first process ends and the server lives on: after it has asked for its port, before, or nobody knows when.
    background: Background = "no"
    one_shot: bool = False  # it is meant to serve one client and leave
    child_closes_listener: bool = True
    starts_children: bool = False  # processes, for its clients: to serve them, or for something else
    has_limits: bool = True  # it sleeps, or waits with a time limit
    #: Seconds after which a client was seen to be let go that said nothing, half a request, or nothing more.
    silent_limit: float | None = None
    half_limit: float | None = None
    kept_limit: float | None = None
    sleeps: bool = True  # an answer takes time of its own, a tenth of a second or more
    handles_signals: bool = False  # the parent has handlers installed (SigCgt)
    waits_for_words: bool = False  # it reads its standard input before it answers: empty lines are typed for it
    confined: bool = False  # it runs within limits
    source: Literal["c", "python", "other"] = "other"
    #: The names and pieces of code the rulebook asks for that the program uses; None: nobody has read it.
    mentions: tuple[str, ...] | None = None
    http: HttpPromises = HttpPromises()
    echo: EchoPromises = EchoPromises()
    datagram: DatagramPromises = DatagramPromises()
    greeting: GreetingPromises = GreetingPromises()
    unknown: UnknownPromises = UnknownPromises()
    written: frozenset[str] = frozenset()

    @property
    def lets_go(self) -> bool:
        """Whether a time limit of its own was seen to end a client."""
        return any(limit is not None for limit in (self.silent_limit, self.half_limit, self.kept_limit))

    @property
    def shortest_limit(self) -> float | None:
        """Seconds after which the first client was seen to be let go."""
        limits = (self.silent_limit, self.half_limit, self.kept_limit)
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def longest_limit(self) -> float | None:
        """Seconds after which the last client is let go: seen, or promised."""
        limits = (self.silent_limit, self.half_limit, self.kept_limit, self.idle_limit)
        return max((limit for limit in limits if limit is not None), default=None)

    @classmethod
    def of(cls, **promises: Any) -> Contract:
        """A contract with these promises, each by its key in gatecrash.toml, whichever part it belongs to."""
        return cls().with_promises(promises)

    def with_promises(self, promises: Mapping[str, Any]) -> Contract:
        """This contract with these promises, each by its key."""
        parts: dict[str, dict[str, Any]] = {}
        for key, value in promises.items():
            part, name = _PLACES.get(key, ("", key))
            parts.setdefault(part, {})[name] = value
        common = parts.pop("", {})
        return replace(self, **common, **{part: replace(getattr(self, part), **own) for part, own in parts.items()})

    def promise(self, key: str) -> Any:
        """What it says under this key of gatecrash.toml. Raises KeyError for one that is none."""
        return self.to_json()[key]

    def with_discovered(self, **facts: Any) -> Contract:
        """This contract with discovered facts, each by its key, save where its author wrote otherwise."""
        return self.with_promises({key: value for key, value in facts.items() if key not in self.written})

    def to_json(self) -> dict[str, Any]:
        """Plain values for a record or a saved run: every promise by its key."""
        row: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            row |= (
                {_key(own): getattr(value, own.name) for own in fields(value)}
                if one.name in _PARTS
                else {one.name: value}
            )
        mentions = None if self.mentions is None else list(self.mentions)
        return {**row, "mentions": mentions, "written": sorted(self.written)}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Contract:
        """The contract that `to_json` wrote."""
        mentions = row.get("mentions")
        return cls.of(
            **{
                **row,
                "written": frozenset(row["written"]),
                "mentions": None if mentions is None else tuple(mentions),
            }
        )
