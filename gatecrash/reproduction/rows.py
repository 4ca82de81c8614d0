"""What a script does, as rows of code, each by one client or nobody: the steps of a scenario one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    Freeze,
    HalfClose,
    LetTimePass,
    LiftLimit,
    LimitDescriptors,
    Receive,
    ReceiveDatagrams,
    Reset,
    Scenario,
    Send,
    SendDatagram,
    Settle,
    Signal,
    Step,
    Thaw,
)
from gatecrash.model.server_steps import Who
from gatecrash.protocols import protocol_of
from gatecrash.reproduction.payloads import Payloads

#: What stands in a row for its client: the variable, the variable of all that came for it, its name in an f-string.
CLIENT, GOT, WHO = "\0c", "\0g", "\0w"
#: Seconds in which a server reads what was sent, and in which it comes to rest.
_READ, _REST = 0.1, 0.3
#: The same for one that sleeps before it reads, as far as beginners' servers do.
_ITS_SLEEP = 1.5
#: So many waits for silence are too many: then a script waits for as much as an answer has.
_MANY = 8
#: More than this may not fit in the buffers of the kernel while nobody reads it.
_LARGE = 65536
_CHOSEN = {"all": "processes()", "parent": "processes()[:1]", "child": "processes()[1:]", "accepting": "accepting()"}


#: Whether something came for a client that has said a part of its request.
_EARLY = (
    f"early = peeked({CLIENT})",
    "if early is not None:",
    f'    fail(f"{WHO} gets nothing before it has sent all of its request", f"{{early}}")',
)


@dataclass(frozen=True)
class Row:
    """Lines of code that belong together, in which CLIENT, GOT and WHO stand for their client ("": nobody's)."""

    client: str
    code: tuple[str, ...]


@dataclass(frozen=True)
class Waits:
    """Who waits for what: by client, the numbers of the steps in which it reads."""

    steps: Sequence[Step]

    def of(self, client: str) -> list[int]:
        """The steps in which this client reads, numbered from 0."""
        waiting = (n for n, step in enumerate(self.steps) if isinstance(step, Receive | ReceiveDatagrams))
        return [n for n in waiting if getattr(self.steps[n], "client", "") == client]

    @property
    def many(self) -> bool:
        """Whether there are so many that none may wait for silence."""
        return sum(isinstance(step, Receive) for step in self.steps) > _MANY


class Writer:
    """Writes the rows of a scenario's steps. `kept`: the clients of whom all is kept that came for them.

    `peeks`: who has paused in its request looks whether something came before it says the rest.
    """

    def __init__(
        self, played: Scenario, contract: Contract, payloads: Payloads, kept: frozenset[str], *, peeks: bool = False
    ) -> None:
        self._peeks = peeks
        self.steps, self._protocol, self._payloads, self._kept = played.steps, protocol_of(contract), payloads, kept
        self._workers, self._sleeps = contract.concurrency == "prefork", contract.sleeps
        self.waits = Waits(played.steps)
        self._lone = sum(isinstance(step, Connect) for step in played.steps) == 1
        self._there: set[str] = set()
        self._frozen = False
        self._unread: dict[str, int] = {}

    def rows(self, number: int) -> list[Row]:
        """The rows of step `number`, from 0."""
        step = self.steps[number]
        client = getattr(step, "client", "")
        code = self._code(number, step)
        if isinstance(step, SendDatagram) and client not in self._there:
            self._there.add(client)
            code = (f"{CLIENT} = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", f"{CLIENT}.settimeout(WAIT)", *code)
        return [Row(client, code)] if code else []

    def _code(self, number: int, step: Step) -> tuple[str, ...]:
        match step:
            case Connect(small_window=True):
                window = f"{CLIENT}.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)"
                connected = (f"{CLIENT}.settimeout(WAIT)", f"{CLIENT}.connect_ex(SERVER)")
                return (f"{CLIENT} = socket.socket()", window, *connected)
            case Connect():
                first = number == 0 and self._lone
                return (f"{CLIENT} = socket.create_connection(SERVER, WAIT)" if first else f"{CLIENT} = connect()",)
            case Send():
                return self._send(number, step)
            case SendDatagram():
                return (f"{CLIENT}.sendto({self._payloads.expression(step.data)}, SERVER)",)
            case Receive():
                return self._receive(number, step)
            case ReceiveDatagrams():
                take = "datagram" if step.count == 1 else "last_datagram"
                return (f"{'got = ' if step.client in self._kept else ''}{take}({CLIENT})",)
            case HalfClose():
                return ("with suppress(OSError):", f"    {CLIENT}.shutdown(socket.SHUT_WR)")
            case Close():
                return (f"{CLIENT}.close()",)
            case Reset():
                return (f"reset({CLIENT})",)
            case _:
                return self._to_server(number, step)

    def _to_server(self, number: int, step: Step) -> tuple[str, ...]:
        match step:
            case Freeze():
                self._frozen = step.who == "all"
                return (f"frozen = {self._chosen(step.who)}", 'signal_to(frozen, "SIGSTOP")')
            case Thaw():
                self._frozen = False
                return ('signal_to(frozen, "SIGCONT")',)
            case Signal():
                return (f'signal_to({self._chosen(step.who)}, "{step.name}")',)
            case LimitDescriptors():
                return (f"limits = limit_descriptors({step.spare})",)
            case LiftLimit():
                return ("lift_limit(limits)",)
            case LetTimePass():
                said = f'print("waiting {step.seconds:g} seconds", flush=True)'
                return (said, f"time.sleep({step.seconds:g})")
            case Settle() if number and not self._frozen:
                return (f"time.sleep({min(step.within or _REST, _REST):g})",)
        return ()

    def _chosen(self, who: Who) -> str:
        """The call that finds these processes; where each client has its own, whoever is a child serves."""
        if who == "serving":
            return "serving()" if self._workers else _CHOSEN["child"]
        return _CHOSEN[who]

    def _send(self, number: int, step: Send) -> tuple[str, ...]:
        self._unread[step.client] = self._unread.get(step.client, 0) + len(step.data)
        how = "send_meanwhile" if len(step.data) >= _LARGE else "send"
        sent = f"{how}({CLIENT}, {self._payloads.expression(step.data)})"
        follows = self.steps[number + 1] if number + 1 < len(self.steps) else None
        waits = isinstance(follows, Settle) or (isinstance(follows, Receive) and follows.client == step.client)
        reads = step.until_read and not self._frozen and follows is not None and not waits
        peeks = self._peeks and number > 0 and isinstance(self.steps[number - 1], LetTimePass)
        looks = _EARLY if peeks else ()
        pause = _ITS_SLEEP if self._sleeps else _READ
        return (*looks, sent, f"time.sleep({pause})  # the server reads it") if reads else (*looks, sent)

    def _receive(self, number: int, step: Receive) -> tuple[str, ...]:
        call = self.call(step)
        self._unread[step.client] = 0
        if step.client not in self._kept:
            return (call,)
        if not self.keeps_all(step.client):
            return (f"got, end = {call}",)
        if number == self.waits.of(step.client)[0]:
            return (f"{GOT}, end = {call}",)
        return (f"more, end = {call}", f"{GOT} += more")

    def keeps_all(self, client: str) -> bool:
        """Whether what came for this client is put together from what several steps have read."""
        return sum(isinstance(self.steps[number], Receive) for number in self.waits.of(client)) > 1

    def call(self, step: Receive) -> str:
        """The call that reads as this step does."""
        if step.at_most is not None:
            return f"received_some({CLIENT}, {step.at_most})"
        if self.waits.many and step.until in ("message", "announced"):
            if self._protocol.amount_is_known:
                return f"received_size({CLIENT}, {self._unread.get(step.client, 0)})"
            if self._protocol.single_requests(self._sent(step.client)):
                return f"received{'' if self._protocol.closes_behind_its_answer else '_answer'}({CLIENT})"
            return f"received_first({CLIENT})"
        return f"received({CLIENT})"

    def _sent(self, client: str) -> bytes:
        return b"".join(step.data for step in self.steps if isinstance(step, Send) and step.client == client)
