"""The faulty servers: what each header promises, and what the suites say of it."""

from __future__ import annotations

import re
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.prerequisites import missing_here
from gatecrash.engine.profiles import Profile, profile
from gatecrash.engine.suite_run import try_all
from gatecrash.model.confinement import Confinement
from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Verdict, merge
from gatecrash.paths import tree_root
from gatecrash.rulebook import Rule, load

_FIELD = re.compile(r"^[ *]*(Planted mistake|Model|Protocol|Breaks|Contract|Limits|Fix):\s*(.+?)\s*$", re.MULTILINE)
_RULE = re.compile(r"[A-Z]+-\d\d")


@dataclass(frozen=True)
class Planted:
    """One faulty server: its file, the mistake in a sentence, and exactly the rules it must be blamed for.

    `contract`: what it promises, as the one line of a gatecrash.toml; most promise nothing. `limits`: it is confined,
    with this one line of [limits].
    """

    path: Path
    mistake: str
    model: str
    protocol: str
    breaks: frozenset[str]
    contract: str = ""
    limits: str = ""


def faulty_servers() -> list[Planted]:
    """Every file of servers/faulty. Raises AssertionError when a header lacks a field."""
    folder = tree_root() / "servers" / "faulty"
    return [_planted(path) for path in sorted([*folder.glob("*.c"), *folder.glob("*.py")])]


def _planted(path: Path) -> Planted:
    fields = dict(_FIELD.findall(path.read_text()))
    missing = {"Planted mistake", "Model", "Protocol", "Breaks", "Fix"} - set(fields)
    assert not missing, f"{path.name}: its header lacks {', '.join(sorted(missing))}"
    breaks = frozenset(_RULE.findall(fields["Breaks"]))
    promised = fields.get("Contract", "").replace("] ", "]\n", 1)
    return Planted(
        path, fields["Planted mistake"], fields["Model"], fields["Protocol"], breaks, promised, fields.get("Limits", "")
    )


def verdicts_on(
    path: Path,
    expected: frozenset[str],
    *,
    others: str = "glance",
    only: str | None = None,
    contract: str = "",
    limits: str = "",
    then: Callable[[Prepared, dict[str, Verdict]], None] = lambda prepared, verdicts: None,
) -> dict[str, Verdict]:
    """One verdict a rule for one server: every suite on the plain build, the memory suite on the sanitized one.

    The rules it is expected to break are tried with the profile "matrix", all others with the profile `others`, or not
    at all where that is "". A mere glance plays only the simplest scenario of rules in other areas than those (of all,
    where the server is slow to start, and one after the other on the same server), and leaves the sanitized build out,
    unless it is expected to show something. `only`: one area is tried.
    `contract`: the text of its gatecrash.toml. `limits`: it is confined, with these lines of [limits].
    `then` is called with what came of it while the built programs are still there.
    """
    found: list[Verdict] = []
    # An interpreter starts for each server: a second look at each, or a server for each rule, costs minutes in all.
    slow = path.suffix == ".py"
    sanitized = others not in ("", "glance") or any(rule.startswith("MEM") for rule in expected)
    with (
        tempfile.TemporaryDirectory(prefix="gatecrash-") as folder,
        SessionPool(
            Path(folder),
            sanitized=sanitized,
            contract=_written(contract, Path(folder)),
            confinement=Confinement(**tomllib.loads(limits)) if limits else None,
        ) as session_pool,
    ):
        for build in ("plain", "sanitized"):
            opened = session_pool.open(str(path), build)
            if opened is not None:
                found += try_all(
                    opened,
                    build,
                    partial(_profile_of, build=build, expected=expected, others=others, only=only, slow=slow),
                    own_server=lambda rule: rule.id in expected or not slow or others != "glance",
                )
        verdicts = merge(found)
        then(session_pool.prepare(str(path)), verdicts)
    return verdicts


def _written(contract: str, folder: Path) -> str | None:
    if not contract:
        return None
    path = folder / "contract.toml"
    path.write_text(contract)
    return str(path)


def _profile_of(
    rule: Rule, build: str, expected: frozenset[str], others: str, only: str | None = None, *, slow: bool = False
) -> Profile | None:
    if only is not None and rule.area != only:
        return None
    if build != "plain" and rule.area != "memory":  # the memory suite alone is tried on the sanitized build here
        return None
    if rule.id in expected:
        return profile("matrix")
    if not others:
        return None
    tried, near = profile(others), {load().get(name).area for name in expected}
    return tried if others != "glance" or (rule.area in near and not slow) else replace(tried, examples=1)


def unseen_here() -> frozenset[str]:
    """The rules that need an instrument this machine refuses: here nobody can be blamed for them."""
    return frozenset(rule.id for rule in load().rules if set(rule.instruments) & set(missing_here()))


def blamed(verdicts: dict[str, Verdict]) -> frozenset[str]:
    """The rules that a server breaks."""
    return frozenset(rule for rule, verdict in verdicts.items() if verdict.outcome == "fail")
