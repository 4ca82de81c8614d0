"""What a run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from gatecrash.config.scheme import Scheme
from gatecrash.model.confinement import Confinement
from gatecrash.results.baseline import Baseline
from gatecrash.rulebook import Rule


@dataclass(frozen=True)
class RunRequest:
    """What a run is asked to do. `target` and `contract` are absolute where they are paths; `named` as typed."""

    target: str
    rules: tuple[Rule, ...]
    named: str = ""
    profile: str = "quick"
    arena: str = "auto"
    patience: float = 5.0
    contract: str | None = None
    jobs: int | None = None
    #: Seconds for the whole run; None: as many as the profile has.
    max_time: float | None = None
    #: The first broken rule is enough.
    fail_fast: bool = False
    strict: bool = False
    #: Failures that are known.
    baseline: Baseline | None = None
    grading: Scheme | None = None
    #: Nobody trusts the target: it is built and run within these limits, and sees its own files only.
    confinement: Confinement | None = None
