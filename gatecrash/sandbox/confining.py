"""What a confined arena's broker is told: the limits, and what of the machine is seen inside."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from gatecrash.errors import Unavailable
from gatecrash.language import say
from gatecrash.model.confinement import Confined

#: What every program needs; a machine has some of them, and some are links.
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc")
#: Where programs are installed, too. Left out where a place lies within: its neighbours would be seen.
_PROGRAMS = ("/opt", "/nix")


def wanted(confined: Confined) -> dict[str, Any]:
    """The request. Raises Unavailable where a place lies in a folder of the system, with all that lies beside it."""
    places = [place.path for place in confined.places]
    for place in places:
        around = next((folder for folder in _SYSTEM if place.is_relative_to(folder)), None)
        if around is not None:
            raise Unavailable(
                say("a confined arena"),
                say("{place} lies in {folder}, of which every program sees all", place=place, folder=around),
            )
    limits = confined.limits
    programs = _outermost(_without({*_PROGRAMS, *_interpreter()}, places))
    return {
        "limits": limits.to_json(),
        "system": _SYSTEM,
        "places": [
            *((path, "read-only") for path in programs),
            *((str(one.path), one.kind) for one in confined.places),
        ],
        "disk": limits.disk << 20,
        "inodes": limits.inodes,
    }


def _interpreter() -> set[str]:
    """Where the Python lives that runs submissions in Python."""
    program = Path(sys.executable).resolve()
    found = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    found |= {str(program.parent.parent)} if program.parent.name == "bin" else {str(program.parent)}
    return {os.path.abspath(folder) for folder in found}


def _without(folders: set[str], places: list[Path]) -> list[str]:
    """Those that show nothing but programs: none that the system has already, and none around a place."""
    seen = [one for one in folders if not any(Path(one).is_relative_to(folder) for folder in _SYSTEM)]
    seen = [one for one in seen if one != "/" and os.path.isdir(one)]
    return sorted(one for one in seen if not any(place.is_relative_to(one) for place in places))


def _outermost(folders: list[str]) -> list[str]:
    return [one for one in folders if not any(Path(one).is_relative_to(other) for other in folders if other != one)]
