"""Records made by hand, for the reports of a gate: every kind of verdict, and a stranger's worst words."""

from __future__ import annotations

from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.model.scenario import scenario
from gatecrash.model.steps import Connect, Send
from gatecrash.model.verdicts import Difference, Finding, Verdict
from gatecrash.results.baseline import Baseline
from gatecrash.results.record import RunRecord, judgements
from gatecrash.rulebook import load

#: What a hostile server may have said, or be called: colours, tags, bidi controls, ends of every format's syntax.
HOSTILE = (
    "\x1b[31mred\x1b[0m \x00\x07 <script>alert(1)</script> ]]> &amp; \u202eevil\u2066 \ud800\udfff \ufffe \x85\u2028 "
    "``` ~~~ | [link](javascript:x) ![i](http://x) @everyone # TODO %0A::set-output name=x::y\r\n::stop-commands::z\n"
    "...\n---\nnot ok 99 - made up\nBail out! no\n1..7\n</details>\n"
)
LONG = "A" * 1_000_000


def failure(rule: str = "FORK-02", *, expected: str = "no zombie", got: str = "2 zombies", line: str = "") -> Verdict:
    """A broken rule."""
    finding = Finding(rule, expected, got, evidence=(line,) if line else (), difference=Difference(b"ab", b"ac", 1))
    played = scenario(Connect("A"), Send("A", b"GET / HTTP/1.1\r\n"))
    return Verdict(rule, "fail", finding=finding, scenario=played, confirmed=(3, 3), examples=4, seconds=0.25)


def record_of(
    *verdicts: Verdict,
    source: str | None = "server.c",
    error: str | None = None,
    fault: str | None = None,
    interrupted: bool = False,
    strict: bool = False,
    baseline: Baseline | None = None,
    name: str = "server.c",
    contract: Contract | None = None,
) -> RunRecord:
    """A run with these verdicts."""
    prepared = Prepared(name, contract or Contract(), {}, arena="namespace", source=source, error=error)
    return RunRecord(
        name,
        prepared,
        {},
        judgements(verdicts, load().rules),
        seconds=1.5,
        profile="quick",
        fault=fault,
        interrupted=interrupted,
        named=name,
        strict=strict,
        baseline=baseline,
    )


def every_kind(**facts: object) -> RunRecord:
    """One of each verdict, a broken MUST and a broken SHOULD among them."""
    return record_of(
        Verdict("ACC-01", "pass", seconds=0.1),
        Verdict("ACC-02", "inconclusive", "no answer in 5.0 s"),
        Verdict("ACC-07", "not_observable", "gates are not available here"),
        failure("FORK-02"),
        Verdict("FORK-13", "not_applicable", "it is a rule for prefork servers"),
        failure("RESP-27", expected="a status below 400", got='A got "400 Bad Request"'),
        **facts,  # type: ignore[arg-type]  # the keyword arguments of record_of
    )


def hostile() -> RunRecord:
    """A run in which everything that comes from the target is hostile."""
    return record_of(
        failure("FORK-02", expected=HOSTILE, got=HOSTILE + LONG, line=HOSTILE),
        failure("RESP-27", expected=LONG, got=HOSTILE),
        Verdict("ACC-02", "inconclusive", HOSTILE + LONG),
        source=f"/elsewhere/{HOSTILE}",
        fault=LONG + HOSTILE,
        name=HOSTILE,
    )
