"""Long scenarios made short: crowds become one lane, repeated rows one, and no diagram is longer than a reader."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from gatecrash.diagrams.cast import KERNEL, SERVER, Cast, child, client
from gatecrash.diagrams.fault import Fault
from gatecrash.diagrams.labels import plain
from gatecrash.diagrams.model import Arrow, Band, Diagram, Lane, Mark, Row, text_of
from gatecrash.diagrams.periods import periods_of
from gatecrash.language import say
from gatecrash.text import safe_text

MOST_CLIENTS = 6
MOST_CHILDREN = 5
_FEW_CLIENTS, _FEW_CHILDREN = 4, 3  # beside more clients fewer children have a lane: a page shows no more side by side
MOST_ROWS = 70
CROWD, CHILDREN = "clients", "children"
_CROWDED = 12
_LONGEST_BLOCK = 12
_NAME = 16
_AROUND = 3
_AFTER = 14
_NUMBER = re.compile(r"\d+")


def folded(rule: str, cast: Cast, fault: Fault, rows: Sequence[Row]) -> Diagram:
    """The rows as a diagram of bounded size."""
    used = {key for row in rows for key in keys_of(row)}
    clients, crowd = _clients(cast, fault, used)
    children, rest = _children(cast, fault, used, MOST_CHILDREN if len(clients) <= _FEW_CLIENTS else _FEW_CHILDREN)
    moves = {client(name): CROWD for name in crowd} | {child(pid): CHILDREN for pid in rest}
    short = _cut(_without_repeats(_merged([_moved(row, moves) for row in rows])))
    bad = {key for row in short if row.bad for key in keys_of(row)}
    lanes = [*clients, *_middle(cast, used, bool(children)), *children]
    return Diagram(rule, tuple(replace(lane, bad=lane.key in bad) for lane in lanes), short, periods_of(short))


def keys_of(row: Row) -> tuple[str, ...]:
    """The lanes a row touches."""
    match row:
        case Arrow():
            return row.start, row.end
        case Mark():
            return row.lanes
    return ()


# -- lanes ----------------------------------------------------------------------------------------------------------


def _clients(cast: Cast, fault: Fault, used: set[str]) -> tuple[list[Lane], list[str]]:
    """The clients' lanes, and the names of those that share one. The blamed, the first and the last have their own."""
    names = [name for name in cast.clients if client(name) in used]
    if len(names) <= MOST_CLIENTS:
        return [_client(name) for name in names], []
    ends = [names[0], names[-1], names[1]] + ([] if len(names) > _CROWDED else [names[-2], names[2]])
    preferred = [*(name for name in names if fault.blames(name)), *ends]
    alone = set(list(dict.fromkeys(preferred))[: MOST_CLIENTS - 1])
    crowd = [name for name in names if name not in alone]
    lanes = [_crowd(crowd) if n == crowd[0] else _client(n) for n in names if n in alone or n == crowd[0]]
    return lanes, crowd


def _crowd(names: list[str]) -> Lane:
    ends, count = (_short(names[0]), _short(names[-1])), say("{count} clients", count=len(names))
    return Lane(CROWD, "clients", " … ".join(ends), count, short="…".join(ends))


def _client(name: str) -> Lane:
    return Lane(client(name), "client", _short(name))


def _short(text: str) -> str:
    line = safe_text(text).replace("\n", " ")
    return line if len(line) <= _NAME else line[: _NAME - 1] + "…"


def _middle(cast: Cast, used: set[str], parent: bool) -> list[Lane]:
    """The lanes between the clients' and the children's. Their short names are what programmers of any tongue say."""
    queues = Lane(KERNEL, "kernel", say("kernel"), say("accept queue, buffers"), short="kernel")
    pids = say(", then ").join(map(str, cast.mains[:3]))
    detail = say("process {numbers}", numbers=pids) if pids else ""
    name, short = (say("parent"), "parent") if parent else (say("server"), "server")
    return [*([queues] if KERNEL in used else []), Lane(SERVER, "server", name, detail, short=short)]


def _children(cast: Cast, fault: Fault, used: set[str], most: int) -> tuple[list[Lane], list[int]]:
    """The children's lanes, and those that share one."""
    pids = [pid for pid in cast.children if child(pid) in used]
    lanes = {pid: _child(number, pid) for number, pid in enumerate(pids, 1)}
    if len(pids) <= most:
        return list(lanes.values()), []
    preferred = [*(pid for pid in pids if pid in fault.pids), *pids[:2], pids[-1], pids[2]]
    alone = set(list(dict.fromkeys(preferred))[: most - 1])
    rest = [pid for pid in pids if pid not in alone]
    shared = Lane(CHILDREN, "children", say("children"), say("{count} others", count=len(rest)), short="c…")
    return [*(lanes[pid] for pid in pids if pid in alone), shared], rest


def _child(number: int, pid: int) -> Lane:
    title, detail = say("child {number}", number=number), say("process {numbers}", numbers=pid)
    return Lane(child(pid), "child", title, detail, short=f"c{number}")


# -- rows -----------------------------------------------------------------------------------------------------------


def _moved(row: Row, moves: dict[str, str]) -> Row:
    """The row on the lanes that are drawn; one of a crowd is not named."""
    match row:
        case Arrow():
            words = plain("accept") if row.kind == "accept" and row.whose in moves else row.words
            start, end = moves.get(row.start, row.start), moves.get(row.end, row.end)
            return replace(row, start=start, end=end, words=words, note=text_of(plain(row.note)))
        case Mark():
            lanes = tuple(dict.fromkeys(moves.get(key, key) for key in row.lanes))
            return replace(row, lanes=lanes, note=text_of(plain(row.note)))
    return row


def _likeness(row: Row) -> object:
    """What makes two rows the same to a reader; numbers in them (process ids, dates) may differ."""
    words = _NUMBER.sub("0", text_of(row.words))
    if isinstance(row, Band):
        return (row.kind, words)
    return (type(row), row.kind, keys_of(row), words, _NUMBER.sub("0", row.note), row.bad)


def _merged(rows: Sequence[Row]) -> list[Row]:
    """Equal rows one after the other as one row with a count."""
    merged: list[Row] = []
    for row in rows:
        last = merged[-1] if merged else None
        if (
            last is not None
            and not isinstance(row, Band)
            and not isinstance(last, Band)
            and _likeness(row) == _likeness(last)
        ):
            merged[-1] = replace(last, times=last.times + row.times)
        else:
            merged.append(row)
    return merged


def _without_repeats(rows: list[Row]) -> list[Row]:
    """A block of rows that comes three times or more in a row is shown once, with how often it came."""
    alike = [object() if row.bad else _likeness(row) for row in rows]
    short: list[Row] = []
    at = 0
    while at < len(rows):
        size, times = _repeats(alike, at)
        if times < 2:
            short.append(rows[at])
            at += 1
            continue
        short.extend(rows[at : at + size])
        short.append(Band("folded", plain(_again(size, times - 1)), step=rows[at].step))
        at += size * times
    return short


def _again(rows: int, times: int) -> str:
    """That the rows above come so often again."""
    if rows == 1:
        once = say("… the same once more …")
        return once if times == 1 else say("… the same {times} times more …", times=times)
    if times == 1:
        return say("… these {rows} rows once more …", rows=rows)
    return say("… these {rows} rows {times} times more …", rows=rows, times=times)


def _repeats(alike: list[object], at: int) -> tuple[int, int]:
    """The block at `at` that repeats over most rows: its size, and how often it comes."""
    best = (1, 1)
    for size in range(1, _LONGEST_BLOCK + 1):
        block, times = alike[at : at + size], 1
        while alike[at + size * times : at + size * (times + 1)] == block:
            times += 1
        if times >= (3 if size < 3 else 2) and size * times > best[0] * best[1]:
            best = (size, times)
    return best


def _cut(rows: list[Row]) -> tuple[Row, ...]:
    """At most MOST_ROWS rows: the beginning, the end, and what is around the fault."""
    wrong = [number for number, row in enumerate(rows) if row.bad]
    if wrong and len(rows) > wrong[-1] + _AFTER + 2:
        left = len(rows) - wrong[-1] - _AFTER - 1
        more = Band("folded", plain(say("… {count} rows more …", count=left)), step=rows[-1].step)
        rows = [*rows[: wrong[-1] + _AFTER + 1], more]
    if len(rows) <= MOST_ROWS:
        return tuple(rows)
    wrong = [*wrong[:2], *wrong[-2:]]
    kept = {n + d for n in wrong for d in range(-_AROUND, _AROUND + 1) if 0 <= n + d < len(rows)}
    room = (MOST_ROWS - len(kept) - 8) // 2
    kept |= {*range(room), *range(len(rows) - room, len(rows))}
    short: list[Row] = []
    missing = 0
    for number, row in enumerate(rows):
        if number not in kept:
            missing += 1
            continue
        if missing:
            left_out = say("… {count} rows left out …", count=missing)
            short.append(Band("folded", plain(left_out), step=row.step))
            missing = 0
        short.append(row)
    return tuple(short)
