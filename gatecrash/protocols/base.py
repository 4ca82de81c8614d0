"""What Gatecrash has to know of a protocol, so that nothing else asks which one it is.

One subclass a protocol, in a file of its own: what a client asks with, where an answer ends, what is owed for what was
sent, when the connection may end. Pure: bytes and plain data in, facts out. `protocol_of` finds it for a contract.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from gatecrash.language import marked, stated
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Close, Connect, HalfClose, Receive, Scenario, Send, Settle, Step, optional_send
from gatecrash.model.transcript import Transcript
from gatecrash.model.verdicts import EVERYTHING, Aspect, Plain


@dataclass(frozen=True)
class ApplicationProtocol(ABC):
    """What a server speaks over TCP or UDP, with what its contract says of that.

    The defaults are those of a protocol over TCP whose client asks first.
    """

    contract: Contract

    #: What a report calls it.
    spoken: ClassVar[str]
    #: The rules that say that a server accepts and answers: while they are not seen, nothing conforms.
    basic_rules: ClassVar[tuple[str, ...]] = ("ACC-01",)
    #: UDP: there are datagrams, and no connection that a client opens, or that ends.
    connectionless: ClassVar[bool] = False
    #: The server says something to a client that has said nothing.
    speaks_first: ClassVar[bool] = False
    #: A lone client's answer is asked for, and answers are measured by it.
    has_yardstick: ClassVar[bool] = False
    #: What is owed is known of what was sent: whatever comes behind it is too much.
    amount_is_known: ClassVar[bool] = False
    #: The server may be the first to close a connection, so that TIME_WAIT is on its side (RFC 9293 3.6).
    server_may_close_first: ClassVar[bool] = True

    # -- what a client asks with --------------------------------------------------------------------------------

    @property
    @abstractmethod
    def plain_request(self) -> bytes:
        """The bytes of one plain request; b"" where the server speaks first."""

    @property
    def request_with_body(self) -> bytes:
        """A request that is longer than its head; b"" where there is none."""
        return b""

    @property
    def last_request(self) -> bytes:
        """A plain request behind whose answer the server is to close the connection, where one can say so."""
        return self.plain_request

    @property
    def wordy_request(self) -> bytes:
        """A plain request of many short lines, where it may have them: each may have a time limit of its own."""
        return self.plain_request

    @property
    def large_request(self) -> bytes | None:
        """A request for the largest answer that is known; None where an answer is as large as what was sent."""
        return None

    @property
    def promised_requests(self) -> dict[str, bytes]:
        """A plain request for each thing that the contract names, or discovery found, by its key in gatecrash.toml."""
        return {}

    def come(self, client: str) -> tuple[Step, ...]:
        """The steps of a client that is there and says nothing."""
        return (Connect(client),)

    def ask(self, client: str) -> tuple[Step, ...]:
        """The steps of one client that asks once, waits for its answer, and says no more."""
        return (*self.come(client), *self.request(client), Receive(client))

    def request(self, client: str) -> tuple[Step, ...]:
        """The plain request of a client that is connected; nothing where the server speaks first."""
        return optional_send(client, self.plain_request, until_read=False)

    def say(self, client: str, data: bytes) -> tuple[Step, ...]:
        """A client that says this, waits for whatever comes, finishes, and leaves when the server ends it."""
        return (
            *(Connect(client), Send(client, data), Receive(client)),
            *(HalfClose(client), Receive(client, "end"), Close(client)),
        )

    def is_seen(self, client: str) -> tuple[Step, ...]:
        """A look at the server while this client is there, where no answer tells that it was taken."""
        return () if self.speaks else (Settle(labels.is_there(client)),)

    # -- what comes back ----------------------------------------------------------------------------------------

    @property
    def speaks(self) -> bool:
        """Whether it has answers that a client can be said to miss."""
        return True

    @property
    def is_silent_unpromised(self) -> bool:
        """Whether it answers nothing though nobody promised that: then it was not seen to do anything right."""
        return False

    @property
    def closes_behind_its_answer(self) -> bool:
        """Whether the server ends the connection by itself, at once, when it has answered."""
        return False

    @property
    def keeps_connections(self) -> bool:
        """Whether a client that has been answered is still connected, and may ask again."""
        return self.speaks and not self.closes_behind_its_answer

    @abstractmethod
    def complete(self, sent: bytes, received: bytes) -> bool:
        """Whether `received` is all that `sent` asked for, by the protocol's own framing (an end of stream apart)."""

    def announces_end(self, sent: bytes, received: bytes) -> bool:
        """Whether the last answer says that the server closes the connection now."""
        return False

    def owes_nothing(self, sent: int, received: int) -> bool:
        """Whether silence is right now, behind so many bytes each way, while the client has not finished."""
        return False

    def may_expect(self, sent: bytes) -> bool:
        """Whether a client that has sent this, and waits, is owed an answer."""
        return True

    def lacks_body(self, sent: bytes) -> bool:
        """Whether a request, of which not all was sent, is whole but for its body."""
        return False

    def meant(self, sent: bytes, whole: bytes) -> bytes:
        """What a client is answered for that could send only a part of what it wanted to, `whole`."""
        return sent

    def falls_short(self, sent: bytes, received: bytes) -> bool:
        """Whether some came of what `sent` asked for, so that it has to be known whether a lone client gets more."""
        return False

    def owed_for(self, sent: bytes) -> bytes:
        """What `owed` makes of these bytes."""
        return sent

    def served(self, sent: bytes, received: bytes, *, ended: bool, alone: Plain | None, unasked: Plain | None) -> bool:
        """Whether this is an answer of the kind a lone client gets (`alone`; `unasked`: one that sends nothing)."""
        return self.complete(sent, received)

    def refuses(self, sent: bytes, received: bytes) -> bool:
        """Whether one of these answers says that what was asked is not done."""
        return False

    def strange(self, client: str, sent: bytes, received: bytes, alone: Plain | None) -> str | None:
        """What a complete answer says that it does not say to a lone client, as a sentence."""
        return None

    # -- what is compared ---------------------------------------------------------------------------------------

    def single_requests(self, sent: bytes) -> tuple[bytes, ...]:
        """The requests in what one client sent, where each of them is answered for itself."""
        return ()

    def is_whole(self, sent: bytes, received: bytes, *, ended: bool) -> bool:
        """Whether what a lone client got is an answer at all, and all of it."""
        return True

    def changes_nothing(self, sent: bytes) -> bool:
        """Whether nothing in this asks for a change: an answer that is another one behind it changes by itself."""
        return True

    def differing(self, sent: bytes, one: Plain, other: Plain) -> frozenset[Aspect]:
        """What is not the same in two answers to the same bytes."""
        if one.answered != other.answered:
            return EVERYTHING
        return frozenset() if one.received == other.received else frozenset({"body"})

    # -- how a scenario, and what came of it, is fitted to it ----------------------------------------------------

    def fitted(self, scenario: Scenario) -> Scenario:
        """The scenario as this protocol allows it."""
        return scenario

    def owed(self, transcript: Transcript) -> Transcript:
        """The transcript as if each client had sent the very bytes that it is owed."""
        return transcript

    # -- what is said of it -------------------------------------------------------------------------------------

    @property
    def described(self) -> tuple[str, ...]:
        """What a report calls it, and what this contract says of that."""
        return (stated(self.spoken),)

    @property
    def habits(self) -> tuple[str, ...]:
        """What else a report says of it, behind the server's model."""
        return ()


UPPER_CASE = marked("in upper case")
