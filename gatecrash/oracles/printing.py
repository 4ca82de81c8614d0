"""What children print of what their parent had printed: the buffer of stdio is forked, too (fork(2), setbuf(3))."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace
from itertools import dropwhile, pairwise

from gatecrash.language import marked, stated
from gatecrash.model.facts import Facts
from gatecrash.model.scenario import Scenario, StartOnTerminal
from gatecrash.model.transcript import Printed, Started, Transcript
from gatecrash.model.verdicts import Case, Finding, Held, NotExercised, Ruling
from gatecrash.oracles import oracle
from gatecrash.oracles.children import children_live, not_served
from gatecrash.oracles.service import first_unserved
from gatecrash.oracles.unseen import (
    never_looked,
    never_still,
    server_gone,
)
from gatecrash.text import shown

_STILL = frozenset({"quiet", "spinning"})


@oracle("FORK-14")
def children_do_not_print_again(case: Case) -> Ruling:
    """No line that the parent printed before a client came is printed again with each client that comes.

    Two kinds of evidence, each of which only a copied buffer leaves. What is printed with a client begins with all that
    was printed before, and is more from client to client: equal lines for each client are equally many for each. Or a
    line comes with every client more often through a pipe than it does on a terminal, where it is seen as well: stdio
    keeps lines back for a pipe alone (setvbuf(3)), which moves or loses them, and never makes more of them. What the
    child prints, or the parent for each client, comes with each client on a terminal, too.
    """
    pipe, terminal = _outputs(case)
    # What the first child prints may be dropped when its descriptor closes: it begins with the first that is there.
    shares, on_terminal = list(dropwhile(operator.not_, _with_each(pipe))), _with_each(terminal)
    if _grows(shares) and not _grows(on_terminal):
        return _printed_again(shares, shares[0][0])
    came_with_each = _in_each(shares)
    if not terminal:
        before = pipe[0].text.splitlines(keepends=True) if pipe else []
        new = [line for line in came_with_each if line not in before]
        return _nobody_knows(shares, new[0]) if new else _nothing_again(case, pipe, terminal, shares)
    for line in came_with_each:
        most = max(share.count(line) for share in on_terminal)
        if line in terminal[-1].text.splitlines(keepends=True) and all(share.count(line) > most for share in shares):
            return _printed_again(shares, line, _FEWER if most else _BEFORE)
    return _nothing_again(case, pipe, terminal, shares)


def _nothing_again(
    case: Case, pipe: Sequence[Printed], terminal: Sequence[Printed], shares: Sequence[list[bytes]]
) -> Ruling:
    """Held, if there was something to copy, enough children ended to write their copy, and they wrote none."""
    played = case.transcript.scenario
    began = next((n for n, step in enumerate(played.steps) if isinstance(step, StartOnTerminal)), len(played.steps))
    if not pipe:
        return NotExercised(stated("what it printed was not read, or was so much that its middle was thrown away"))
    unseen = not_served(case, Scenario(played.steps[:began]).clients) or _stays(case.transcript, began)
    if unseen is not None:
        return unseen
    if len(pipe) <= _FEWEST:
        return NotExercised(stated("fewer than {count} clients came, too few to compare", count=_FEWEST))
    if not (pipe[-1].text or (terminal and terminal[-1].text)):
        return NotExercised(stated("it prints nothing, so there is nothing that could be printed again"), absent=True)
    known = terminal[-1].text.splitlines(keepends=True) if terminal else []
    if _grows(shares) or (terminal and any(line not in known for line in _in_each(shares))):
        return NotExercised(stated("what it prints through a pipe and on a terminal cannot be compared"), unproven=True)
    return Held()


def _stays(transcript: Transcript, began: int) -> NotExercised | None:
    """That children may have had their copy still to write: one had not ended when the output was read.

    What it writes then comes with the next client, and not with its own.
    """
    looks = [look.snapshot for look in transcript.looks() if look.step < began]
    restless = next((look for look in looks if look.still not in _STILL), None)
    if restless is not None or not looks:
        return never_looked("") if restless is None else never_still(restless)
    if not looks[-1].running:
        return server_gone(transcript)
    fewest = min(len(look.live) for look in looks)
    return children_live() if any(len(look.live) > fewest for look in looks) else None


_BEFORE = marked("on a terminal, where no line is kept back, it is printed before any client comes, and with none")
_FEWER = marked("on a terminal, where no line is kept back, it is printed fewer times with each client")
_FEWEST = 3  # clients: of fewer nobody can say that it came with each


def _printed_again(shares: Sequence[Sequence[bytes]], repeated: bytes, reason: str = "") -> Finding:
    line = repeated.decode("utf-8", "backslashreplace").rstrip("\n")
    got = stated(
        'the line "{line}", printed once by the parent, came out again with each of {count} clients',
        line=line,
        count=len(shares),
    )
    evidence = tuple(
        stated("with client {n}: {lines}", n=n, lines=shown(b"".join(lines))) for n, lines in enumerate(shares, start=1)
    )
    told = (stated(reason),) if reason else ()
    return Finding(
        "FORK-14",
        stated("a line that the parent has printed appears once"),
        got,
        (*evidence, *told),
        facts=Facts("output"),
    )


def _nobody_knows(shares: Sequence[Sequence[bytes]], line: bytes) -> Finding:
    """Without a terminal to compare with, it may be the child's own line."""
    found = _printed_again(shares, line)
    got = stated("{got}, or by each child; it could not be started on a terminal, which would tell", got=found.got)
    return replace(found, got=got, conclusive=False)


def _outputs(case: Case) -> tuple[list[Printed], list[Printed]]:
    """What was read of its output through a pipe, and on a terminal if all were served there; all of it, or nothing."""
    events, steps = case.transcript.events, case.transcript.scenario.steps
    begun = next((event for event in events if isinstance(event, Started)), None)
    began = len(steps) if begun is None else begun.step
    printed = [event for event in events if isinstance(event, Printed)]
    pipe, terminal = ([e for e in printed if e.step < began], [e for e in printed if e.step > began])
    clients = Scenario(steps[began:]).clients
    same = begun is not None and begun.listening and first_unserved(case, clients) is None
    return _whole(pipe), _whole(terminal) if same else []


def _whole(printed: list[Printed]) -> list[Printed]:
    return printed if all(event.whole for event in printed) else []


def _with_each(printed: Sequence[Printed]) -> list[list[bytes]]:
    return [later.text[len(earlier.text) :].splitlines(keepends=True) for earlier, later in pairwise(printed)]


def _grows(shares: Sequence[list[bytes]]) -> bool:
    """Whether each share begins with all of the one before, and is repeated further from one to the next."""
    repeated = [_common(earlier, later) for earlier, later in pairwise(shares)]
    return len(repeated) >= 2 and bool(repeated[0]) and all(len(a) < len(b) for a, b in pairwise(repeated))


def _in_each(shares: Sequence[list[bytes]]) -> list[bytes]:
    """The lines that came with every client."""
    if len(shares) < _FEWEST:
        return []
    return [line for line in shares[0] if line.strip() and all(line in share for share in shares)]


def _common(earlier: list[bytes], later: list[bytes]) -> list[bytes]:
    """The lines both begin with."""
    same: list[bytes] = []
    for one, other in zip(earlier, later, strict=False):
        if one != other:
            break
        same.append(one)
    return same
