"""Which of the functions in `pieces.py` a script calls: it gets those, what they call, and their imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

#: What stands in the place of a function that would be called once: a line of the script, and what it becomes.
#: `first` of connect: nobody has done anything to the server, so that one who does not listen was not started.
_INLINE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "connect": (
        r"(?P<client>.+) = connect\(\)",
        ("{client} = socket.socket()", "{client}.settimeout(WAIT)", "{client}.connect_ex(SERVER)"),
    ),
    "send": (r"send\((?P<client>[^,]+), (?P<data>.+)\)", ("with suppress(OSError):", "    {client}.sendall({data})")),
    "received": (
        r"(?P<got>.+), end = received\((?P<client>.+)\)",
        (
            *('{got}, end = b"", "the server closed"', "try:", "    while data := {client}.recv(65536):"),
            *("        {got} += data", "except OSError as error:", "    end = str(error)"),
        ),
    ),
    "datagram": (
        r"(?P<got>.+) = datagram\((?P<client>.+)\)",
        ("try:", "    {got} = {client}.recv(65536)", "except TimeoutError:", "    {got} = None"),
    ),
    "fail": (
        r'fail\((?P<e>f?)"(?P<expected>(?:[^"\\]|\\.)*)", (?P<g>f?)"(?P<got>(?:[^"\\]|\\.)*)"\)',
        ('print({e}"expected  {expected}")', 'print({g}"got       {got}")', "sys.exit(1)"),
    ),
}


def with_pieces(
    body: list[str], changed: Mapping[str, str], called: frozenset[str] = frozenset()
) -> tuple[list[str], list[str]]:
    """The functions that a script's lines call, as lines; and those lines, with what would be called once written out.

    `changed`: texts that are others in this script (the kernel's table of its sockets, say); `called`: what is called
    even if only once.
    """
    tree = _tree()
    for name, (pattern, lines) in _INLINE.items():
        if name in called:
            continue
        text = "\n".join(body)
        needed = _closure(_called(ast.parse(text)), tree)
        inside = any(name in _called(tree[one]) for one in needed)
        if inside or len(re.findall(rf"\b{name}\(", text)) != 1:
            continue
        body = [new for line in body for new in _in_place(line, pattern, lines)]
    names = _closure(_called(ast.parse("\n".join(body))), tree)
    chosen = [line for name in tree if name in names for line in ("", "", *_source(name).splitlines())]
    return [_with(line, changed) for line in chosen], [_with(line, changed) for line in body]


def _with(line: str, changed: Mapping[str, str]) -> str:
    for old, new in changed.items():
        line = line.replace(old, new)
    return line


def imports_of(text: str) -> list[str]:
    """The import lines that this text needs, of those that `pieces.py` has."""
    used = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    plain, named = [], []
    for node in _module().body:
        if isinstance(node, ast.Import):
            plain += [f"import {one.name}" for one in node.names if one.name in used]
        elif isinstance(node, ast.ImportFrom):
            wanted = [one.name for one in node.names if one.name in used]
            named += [f"from {node.module} import {', '.join(wanted)}"] if wanted else []
    return [*plain, *named]


def _in_place(line: str, pattern: str, lines: tuple[str, ...]) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    found = re.fullmatch(pattern, line.strip())
    if found is None:
        return [line]
    return [indent + one.format(**found.groupdict()) for one in lines]


def _called(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _closure(names: set[str], tree: Mapping[str, ast.FunctionDef]) -> set[str]:
    found: set[str] = set()
    waiting = names & set(tree)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= (_called(tree[name]) & set(tree)) - found
    return found


@cache
def _text() -> str:
    return (files(__package__) / "pieces.py").read_text(encoding="utf-8")


@cache
def _module() -> ast.Module:
    return ast.parse(_text())


@cache
def _tree() -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in _module().body if isinstance(node, ast.FunctionDef)}


@cache
def _source(name: str) -> str:
    return ast.get_source_segment(_text(), _tree()[name]) or ""
