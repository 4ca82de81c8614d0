"""Rows of code as a script: what many clients do alike is a loop, and each client has a variable."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gatecrash.reproduction.rows import CLIENT, GOT, WHO, Row
from gatecrash.results.folding import best_block

#: Rows that a loop must save; rows that are not worth one where its clients act elsewhere, too, and want a name each.
_LEAST_SAVED, _SPARED = 3, 12


@dataclass(frozen=True)
class _Block:
    """`size` rows that come `times` times; the clients of the repetitions, in order, "" where they are the same."""

    start: int
    size: int
    times: int
    names: tuple[str, ...] = ()


def laid_out(rows: Sequence[Row]) -> list[str]:
    """The lines of these rows."""
    blocks = _blocks(rows)
    crowds = {block: block.names for block in blocks if block.names and not _is_local(block, rows)}
    shared = {name for names in crowds.values() for name in names}
    lines: list[str] = []
    if shared:
        lines.append("clients = {}")
        kept = any(GOT in line for row in rows if row.client in shared for line in row.code)
        lines += ["all_got = {}"] if kept else []
    lone = len({row.client for row in rows if any(GOT in line for line in row.code)}) <= 1
    for block in blocks:
        inside = rows[block.start : block.start + block.size]
        if block in crowds:
            body = [line for row in inside for line in _said(row, "clients[name]", "all_got[name]", "{name}")]
            lines += [f"for name in {_names(block.names)}:", *(f"    {line}" for line in body)]
        elif block.names:
            body = [line for row in inside for line in _said(row, "client", "got", "client {number}")]
            number = "number" if any("{number}" in line for line in body) else "_"
            span = f"range(1, {block.times + 1})" if number == "number" else f"range({block.times})"
            lines += [f"for {number} in {span}:", *(f"    {line}" for line in body)]
        else:
            body = [line for row in inside for line in _of_one(row, shared, lone)]
            if block.times > 1:
                lines += [f"for _ in range({block.times}):", *(f"    {line}" for line in body)]
            else:
                lines += body
    return [_plain(line) for line in lines]


def _of_one(row: Row, shared: set[str], lone: bool) -> list[str]:
    if row.client in shared:
        return _said(row, f'clients["{row.client}"]', f'all_got["{row.client}"]', row.client)
    name = _variable(row.client)
    return _said(row, name, "got" if lone else f"{name}_got", row.client)


def _said(row: Row, client: str, got: str, who: str) -> list[str]:
    return [line.replace(CLIENT, client).replace(GOT, got).replace(WHO, who) for line in row.code]


def _plain(line: str) -> str:
    """An f-string that has nothing to fill in is none."""
    return re.sub(r'\bf("(?:[^"\\{]|\\.)*")', r"\1", line)


def _blocks(rows: Sequence[Row]) -> list[_Block]:
    blocks: list[_Block] = []
    who, alike = [row.client for row in rows], [row.code for row in rows]
    at = 0
    while at < len(rows):
        size, times = best_block(who, alike, at, _LEAST_SAVED)
        clients = [{row.client for row in rows[at + size * n : at + size * (n + 1)]} - {""} for n in range(times)]
        names = tuple(next(iter(one)) for one in clients if len(one) == 1)
        spared = times * size <= _SPARED and bool(names) and not _is_local(_Block(at, size, times, names), rows)
        if spared:
            blocks += [_Block(at + n, 1, 1) for n in range(size * times)]
        elif times == 1 or (len(set(names)) == times and len(names) == times):
            blocks.append(_Block(at, size, times, names if times > 1 else ()))
        elif all(one == clients[0] for one in clients):
            blocks.append(_Block(at, size, times))
        else:
            blocks += [_Block(at + n, 1, 1) for n in range(size * times)]
        at += size * times
    return blocks


def _is_local(block: _Block, rows: Sequence[Row]) -> bool:
    """Whether nobody of this block acts anywhere else, and each leaves before the next one's socket takes its name."""
    inside = rows[block.start : block.start + block.size]
    if not any(leaves in line for row in inside for line in row.code for leaves in (f"{CLIENT}.close()", "reset(")):
        return False
    others = {row.client for row in (*rows[: block.start], *rows[block.start + block.size * block.times :])}
    return others.isdisjoint(block.names)


def _variable(client: str) -> str:
    name = re.sub(r"\W", "_", client)
    return f"client_{name}" if keyword.iskeyword(name) or not name.isidentifier() else name


def _names(names: Iterable[str]) -> str:
    """These names, short: letters as a string, numbered ones counted."""
    parts: list[tuple[str, int, int] | str] = []
    for name in names:
        match = re.fullmatch(r"(\D+)(\d+)", name)
        last = parts[-1] if parts else ""
        if match and isinstance(last, tuple) and last[0] == match[1] and last[2] + 1 == int(match[2]):
            parts[-1] = (last[0], last[1], last[2] + 1)
        elif match:
            parts.append((match[1], int(match[2]), int(match[2])))
        elif len(name) == 1 and isinstance(last, str) and last:
            parts[-1] = last + name
        else:
            parts.append(name)
    if len(parts) == 1:
        return _part(parts[0])
    return f"[{', '.join(f'*{_part(part)}' for part in parts)}]"


def _part(part: tuple[str, int, int] | str) -> str:
    if isinstance(part, str):
        return f'"{part}"' if len(part) > 0 else '""'
    return f'[f"{part[0]}{{n}}" for n in range({part[1]}, {part[2] + 1})]'
