"""Which targets a suite test judges: the one that was named, or the reference servers of the tree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gatecrash.paths import tree_root
from gatecrash.protocols.registry import PROTOCOLS
from gatecrash.rulebook import Rule
from gatecrash.target.compilers import MAKEFILES, find_compiler

_SOURCES = {".c", ".cc", ".cpp", ".cxx"}
_SANITIZED = "+sanitized"


@dataclass(frozen=True)
class Judged:
    """A target and one of its builds, as a parameter of a test."""

    id: str
    target: str
    build: str = "plain"


def reference_servers() -> tuple[Path, ...]:
    """Every reference server: correct programs, one for each protocol and model."""
    root = tree_root() / "servers"
    return tuple(sorted([*(root / "c").glob("*.c"), *(root / "python").glob("*.py")]))


@cache
def reference_names() -> frozenset[str]:
    """What the tests' parameters call the reference servers."""
    return frozenset(map(_name, reference_servers()))


def _name(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def default_target() -> str:
    """What is judged when nothing is named: the fork server, in C where a compiler is found."""
    name = "c/http_fork.c" if find_compiler(".c") else "python/http_fork.py"
    return str(tree_root() / "servers" / name)


def judged_targets(named: str | None, rule: Rule, *, sanitized: bool) -> list[Judged]:
    """The parameters of one rule's test. Without a named target, references the rule cannot apply to are left out."""
    if named is not None:
        return _builds(named, "target", sanitized=sanitized and _may_be_sanitized(named))
    found: list[Judged] = []
    for path in reference_servers():
        if _may_apply(path.stem, rule):
            found += _builds(str(path), _name(path), sanitized=sanitized and path.suffix in _SOURCES)
    return found


def _may_be_sanitized(named: str) -> bool:
    """Whether it is source in C, or a folder with a Makefile: what comes of that is known once it is built."""
    source = Path(named.split()[0] if named else "").suffix in _SOURCES
    return source or any((Path(named) / name).is_file() for name in MAKEFILES)


def _builds(target: str, id: str, *, sanitized: bool) -> list[Judged]:
    plain = Judged(id, target, "plain")
    return [plain, Judged(id + _SANITIZED, target, "sanitized")] if sanitized else [plain]


def build_of(test: str) -> str:
    """The build that a test is about, by its node id, which ends with the id of its parameter."""
    return "sanitized" if test.endswith(f"{_SANITIZED}]") else "plain"


def _may_apply(stem: str, rule: Rule) -> bool:
    """What a reference server speaks and how it serves is in its name: http_event_loop, http_fork_cgi, udp_echo."""
    protocol, _, served = stem.partition("_")
    if protocol not in rule.applies.protocols:
        return False
    return (
        PROTOCOLS[protocol].connectionless
        or not rule.applies.models
        or any(served.startswith(m) for m in rule.applies.models)
    )
