"""What a machine judges with: asked of each worker of a cluster, so that all that judge one class judge alike.

`python -m gatecrash.grading.sight` tells it as JSON: to look starts arenas, and what that does stays in its process.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis

from gatecrash import __version__
from gatecrash.errors import EngineFault
from gatecrash.instruments.capabilities import capabilities
from gatecrash.language import say
from gatecrash.paths import tree_root
from gatecrash.target.compilers import C_SUFFIXES, find_compiler, sanitizing_flags

_SECONDS_TO_LOOK = 120.0
_SANITIZERS = "sanitizers"
ARENA = "arena"  # the name of what keeps a submission from all else (instruments/capabilities.py)


@dataclass(frozen=True)
class Sight:
    """`lacks`: what `gatecrash doctor` finds refused, by name, with the reason. `code`: a digest of the sources."""

    version: str
    code: str
    python: str
    hypothesis: str
    machine: str
    compiler: str
    lacks: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Sight:
        """What `to_json` wrote. Raises KeyError, TypeError for what it did not."""
        return cls(**row)

    def foreign(self) -> str:
        """Why its Gatecrash is not the one that asks; empty where it is."""
        if self.version != __version__:
            return say("it has Gatecrash {theirs}, and this is {ours}", theirs=self.version, ours=__version__)
        if self.code != code():
            return say("its Gatecrash {version} is not of the same sources as this", version=self.version)
        return ""

    def unlike(self, other: Sight) -> str:
        """Why it would not judge as `other` does, as far as is known; empty where it would."""
        missing = [f"{name} ({why})" for name, why in self.lacks.items() if name not in other.lacks]
        if missing:
            return say("it sees less: {missing}", missing=", ".join(missing))
        more = [name for name in other.lacks if name not in self.lacks]
        if more:
            return say("it sees more than those at work: {more}", more=", ".join(more))
        for what, mine, theirs in (
            ("Python", self.python, other.python),
            ("Hypothesis", self.hypothesis, other.hypothesis),
            (say("machine"), self.machine, other.machine),
            (say("compiler"), self.compiler, other.compiler),
        ):
            if mine != theirs:
                return say("{what}: {mine}, and those at work have {theirs}", what=what, mine=mine, theirs=theirs)
        return ""


def best(sights: Sequence[Sight]) -> Sight:
    """The one that a class is judged by: which sees most, then that which most have."""
    alike = Counter(map(_key, sights))
    return min(sights, key=lambda sight: (len(sight.lacks), -alike[_key(sight)], _key(sight)))


def _key(sight: Sight) -> str:
    return json.dumps({**sight.to_json(), "lacks": sorted(sight.lacks)}, sort_keys=True)


def own() -> Sight:
    """What this machine judges with: looked at now, in about a second."""
    lacks = {one.name: one.reason for one in capabilities() if one.reason is not None}
    compiler, sanitized = _compiler()
    if compiler and not sanitized:
        lacks[_SANITIZERS] = say("{compiler} cannot build with them", compiler=compiler)
    return Sight(
        version=__version__,
        code=code(),
        python=".".join(platform.python_version_tuple()[:2]),
        hypothesis=hypothesis.__version__,
        machine=platform.machine(),
        compiler=compiler,
        lacks=lacks,
    )


def asked() -> dict[str, Any]:
    """`own` of a process of its own, as plain values. Raises EngineFault where that fails."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "gatecrash.grading.sight"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS_TO_LOOK,
            check=True,
        )
        row: dict[str, Any] = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        raise EngineFault(error.stderr.decode(errors="replace").strip().rpartition("\n")[2]) from None
    except (subprocess.TimeoutExpired, OSError, ValueError) as error:
        raise EngineFault(str(error)) from None
    return row


@cache
def code() -> str:
    """A digest of what decides verdicts: the sources of Gatecrash, of its suites and strategies."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for folder in (package, tree_root() / "suites", tree_root() / "strategies"):
        for path in sorted(one for one in folder.rglob("*") if one.suffix in (".py", ".toml")):
            inside = path.relative_to(folder)
            if "_bundle" not in inside.parts:
                digest.update(f"\0{folder.name}/{inside}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _compiler() -> tuple[str, bool]:
    """The C compiler as it names itself, and whether it has the sanitizers; empty where there is none."""
    path = find_compiler(min(C_SUFFIXES))
    if path is None:
        return "", False
    told = subprocess.run([path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    with tempfile.TemporaryDirectory(prefix="gatecrash-sight-") as folder:
        flags = sanitizing_flags(path, ".c", Path(folder))
    return told.stdout.decode(errors="replace").partition("\n")[0].strip(), flags is not None


if __name__ == "__main__":
    sys.stdout.write(json.dumps(own().to_json()))
