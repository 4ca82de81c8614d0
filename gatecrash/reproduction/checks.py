"""What a script looks at to see the rule broken: the lines behind a client's last answer, or behind everything.

The rulebook says by what a rule is seen (`script`); what came in Gatecrash's own run says which look at that suffices.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Scenario, SendDatagram, Settle
from gatecrash.model.verdicts import Verdict
from gatecrash.protocols import http, protocol_of
from gatecrash.reproduction.form import COUNT, FINDERS, chunks_for_the_old, failing
from gatecrash.reproduction.payloads import Payloads
from gatecrash.reproduction.rows import WHO

#: More bytes than this are not shown, but where they part.
_MANY = 200
_THEN = 'f"{got}, then {end}"'
#: What is compared at two moments, by `script` of a rule.
LOOKS = {"zombies": "zombies()", "processes": "living()", "descriptors": "open_descriptors()"}


class Check:
    """How the clients of one verdict are judged. `judged`: those that are looked at, in order; `by`: see SCRIPTS."""

    def __init__(
        self, verdict: Verdict, scenario: Scenario, contract: Contract, by: str, owed: tuple[str, ...]
    ) -> None:
        self.by = by
        self._scenario, self._contract, self._protocol = scenario, contract, protocol_of(contract)
        self._rule = verdict.rule
        transcript = verdict.transcript
        self._came = {name: b"" if transcript is None else transcript.received(name) for name in owed}
        heads = tuple(name for name in owed if self._methods(name)[:1] == ["HEAD"])
        self.judged = () if by not in ("answers", "form") else heads if verdict.rule == "RESP-10" else owed
        silent = transcript is not None and not all(self._came.values())
        requests = by == "answers" and not silent and bool(self.judged)
        self._asked = {name: self._requests(name) if requests else () for name in self.judged}
        self._counts = any(self._asked.values()) and any(map(self._miscounted, self.judged))
        usual = {} if self._counts else dict.fromkeys(one for asked in self._asked.values() for one in asked)
        self._usual = dict(zip(usual, _numbered("usual", len(usual)), strict=True))

    @property
    def named(self) -> tuple[bytes, ...]:
        """The bytes that have a name in the script: what clients are to get back, and what a lone client asks."""
        if self.by != "answers":
            return ()
        return tuple(self._owed(name) for name in self.judged) if self._echoes else tuple(self._usual)

    @property
    def wordy(self) -> bool:
        """Whether more came for a client than should be told."""
        return any(len(came) > _MANY * 4 for came in self._came.values())

    def before(self, payloads: Payloads) -> tuple[str, ...]:
        """The lines that ask as a lone client does, for what comes then is what is expected."""
        return tuple(f"{name} = ask({payloads.expression(request)})" for request, name in self._usual.items())

    # -- looks at the server ------------------------------------------------------------------------------------

    def looks(self) -> Mapping[int, tuple[str, ...]]:
        """The lines that look at the server, by the number of the step behind which they do."""
        if self.by not in LOOKS:
            return {}
        settled = [(number, step) for number, step in enumerate(self._scenario.steps) if isinstance(step, Settle)]
        (last, step), earlier = settled[-1], settled[:-1]
        alike = [number for number, one in earlier if one.label.split(" ")[0] == step.label.split(" ")[0]]
        once = [number for number, one in earlier if one.label in ("once", "start")]
        before = (alike or once or [number for number, _ in earlier])[-1:]
        look = LOOKS[self.by]
        lines = dict.fromkeys(before, ("time.sleep(WAIT)", f"before = {look}"))
        return {**lines, last: ("time.sleep(WAIT)", f"after = {look}", *self._grown(compared=bool(before)))}

    def _grown(self, *, compared: bool) -> tuple[str, ...]:
        longer = "if len(after) > len(before):"
        if self.by == "zombies":
            seen = 'f"zombies: {after}; ps shows them as <defunct>"'
            return failing(longer if compared else "if after:", '"no child that has ended is left"', seen)
        if self.by == "processes":
            return failing(longer, 'f"as many processes as before: {len(before)}"', 'f"{len(after)}"')
        more = "if any(after.get(pid, 0) > number for pid, number in before.items()):"
        return failing(more, 'f"as many open descriptors as before, by process: {before}"', 'f"{after}"')

    def ended(self) -> tuple[str, ...]:
        """The lines that judge whether the server has ended; of one that speaks TCP, nobody then has its port."""
        expected, got = '"the server goes on, whatever bytes a client sends"', '"it has ended: nobody has its port"'
        if not self._protocol.connectionless:
            return failing("if socket.socket().connect_ex(SERVER):", expected, got)
        return (
            *("last = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", "last.connect(SERVER)", 'last.send(b"x")'),
            *("time.sleep(WAIT)", "refused = last.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)"),
            *failing("if refused:", expected, got),
        )

    # -- looks at what came for a client ------------------------------------------------------------------------

    def of(self, client: str, got: str, payloads: Payloads) -> tuple[str, ...]:
        """The lines that judge this client when all has come for it, in the variable `got`."""
        if self.by == "form":
            lines = self._chunks_for_the_old(client) or FINDERS[self._rule](
                tuple(self._came[name] for name in self.judged)
            )
        elif self._echoes:
            lines = self._back(payloads.expression(self._owed(client)), len(self._owed(client)))
        elif self._protocol.connectionless:
            lines = failing("if got is None:", f'f"{WHO} gets an answer"', '"none"')
        elif self._counts:
            lines = self._number(client)
        elif self._usual:
            lines = self._as_a_lone_client(self._asked[client], self._methods(client))
        else:
            lines = failing("if not got:", f'f"{WHO} gets an answer"', 'f"nothing, then {end}"')
        return tuple(re.sub(r"\bgot\b", lambda _: got, line) for line in lines)

    def _chunks_for_the_old(self, client: str) -> tuple[str, ...]:
        old = b" HTTP/1.0\r\n" in self._scenario.sent_by(client)
        return chunks_for_the_old(self._came[client]) if self._rule == "RESP-09" and old else ()

    def _back(self, owed: str, size: int) -> tuple[str, ...]:
        """What was sent comes back."""
        owed = f"{owed}.upper()" if self._contract.echo.unit == "upper" else owed
        then = "" if self._protocol.connectionless else ", then {end}"
        if size <= _MANY:
            return failing(f"if got != {owed}:", f'f"{WHO} gets back {{{owed}}}"', f'f"{{got}}{then}"')
        came, there = ('got or b""', "(got or b'')") if self._protocol.connectionless else ("got", "got")
        return (
            f"if got != {owed}:",
            f"    at = parting({owed}, {came})",
            f'    expected = f"{WHO} gets back {{len({owed})}} bytes; from number {{at}} on {{{owed}[at : at + 40]}}"',
            f'    fail(expected, f"{{{there}[at : at + 40]}}{then}")',
        )

    def _number(self, client: str) -> tuple[str, ...]:
        """There are as many answers as requests, or fewer and the end of the connection."""
        asked = len(self._methods(client))
        many = any(self._count(name) > len(self._methods(name)) for name in self.judged)
        wrong = f"if count > {asked}:" if many else f'if count < {asked} and end != "the server closed":'
        expected = f'f"{WHO} gets {asked} answer{"s" if asked > 1 else ""}"'
        return (COUNT, *failing(wrong, expected, 'f"{count}: {got}, then {end}"'))

    def _as_a_lone_client(self, asked: tuple[bytes, ...], methods: list[str]) -> tuple[str, ...]:
        """The answers are those that lone clients get."""
        part = "parts" if self._contract.http.stable_body else "status"
        usual = [f"{part}({self._usual[one]})" for one in asked]
        if len(asked) == 1:
            expected = f'f"{WHO} gets {{{usual[0]}}}, as a lone client does"'
            return failing(f"if {part}(got) != {usual[0]}:", expected, f'f"{{{part}(got)}}, then {{end}}"')
        named = ", ".join(f'"{method}"' for method in methods)
        came = f"answers(got, [{named}])" if part == "parts" else f"[status for status, _ in answers(got, [{named}])]"
        fewer = 'end == "the server closed" and came == expected[: len(came) or 1]'
        return (
            f"came, expected = {came}, [{', '.join(usual)}]",
            *failing(
                f"if came != expected and not ({fewer}):", f'f"{WHO} gets {{expected}}, as lone clients do"', _THEN
            ),
        )

    # -- what is known of the clients ---------------------------------------------------------------------------

    @property
    def _echoes(self) -> bool:
        """Whether what a client is owed is what it has sent."""
        known = self._protocol.amount_is_known or self._protocol.connectionless
        return self.by == "answers" and known and self._contract.echo.unit != "other"

    def _owed(self, client: str) -> bytes:
        """What an echo owes: all of a stream, the last datagram."""
        sent = [one.data for one in self._scenario.steps if isinstance(one, SendDatagram) and one.client == client]
        return sent[-1] if sent else self._scenario.sent_by(client)

    def _requests(self, client: str) -> tuple[bytes, ...]:
        return self._protocol.single_requests(self._scenario.sent_by(client))

    def _methods(self, client: str) -> list[str]:
        return list(http.request_methods(self._scenario.sent_by(client)))

    def _count(self, client: str) -> int:
        return len(re.findall(rb"HTTP/1\.[01] \d\d\d ", self._came[client]))

    def _miscounted(self, client: str) -> bool:
        return bool(self._came[client]) and self._count(client) != len(self._methods(client))


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}{number}" for number in range(1, count + 1)]
