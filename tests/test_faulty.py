"""Every faulty server is blamed for exactly the rules its header names."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatecrash.engine.prerequisites import missing_here
from gatecrash.model.launch import Launch
from gatecrash.model.prepared import Prepared
from gatecrash.model.verdicts import Verdict
from gatecrash.paths import tree_root
from gatecrash.target.compilers import compile_source
from tests.alone import REFERENCES, wrong_scripts
from tests.faulty import Planted, blamed, faulty_servers, unseen_here, verdicts_on
from tests.needs import need

_SERVERS = faulty_servers()
#: What can only be judged in a private network: a port that is written in the source, or whose bytes are swapped, which
#: others of the machine may have; a mistake that shows when buffers are full, which are small only where tcp_wmem is
#: ours to set.
_PRIVATE = frozenset({"lecture_iterative.c", "port_without_htons.c", "echo_sends_rest_once.py"})
#: Whose mistake shows where a send is held until its client has left. On a busy machine a client may be met that leaves
#: in that moment by chance, again and again; a script decides nothing of that.
_RACES = frozenset({"child_escapes_on_failed_send.py"})
#: What a mistake shows may be a matter of luck, on a busy machine: missed once, it is tried again. Blame never is.
_TRIES = 3


@pytest.fixture(scope="session")
def correct(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Launch]:
    """A correct server by protocol, built."""
    folder = tmp_path_factory.mktemp("correct")
    for name in REFERENCES.values():
        compile_source(tree_root() / "servers" / "c" / f"{name}.c", folder / name)
    return {protocol: Launch((str(folder / name), "{port}"), folder) for protocol, name in REFERENCES.items()}


@pytest.mark.parametrize("planted", _SERVERS, ids=[planted.path.name for planted in _SERVERS])
def test_a_faulty_server_is_blamed_for_exactly_its_mistake(
    planted: Planted, correct: dict[str, Launch], tmp_path: Path, in_full: bool
) -> None:
    """And whoever runs the stand-alone script of each failure sees it there, and not on a correct server.

    Without --slow only the rules that it breaks are tried, and no scripts.
    """
    if planted.path.name in _PRIVATE:
        need("arena")
    wrong: list[str] = []
    seen = planted.breaks - unseen_here()
    if not seen:
        pytest.skip(f"{', '.join(sorted(planted.breaks))} cannot be seen here: {missing_here()}")

    def run_scripts(prepared: Prepared, verdicts: dict[str, Verdict]) -> None:
        broken = [verdicts[rule] for rule in sorted(blamed(verdicts) & planted.breaks) if in_full]
        wrong.extend(wrong_scripts(broken, prepared, correct, tmp_path))

    verdicts: dict[str, Verdict] = {}
    for _ in range(_TRIES):
        wrong.clear()
        verdicts = verdicts_on(
            *(planted.path, planted.breaks),
            others="glance" if in_full else "",
            contract=planted.contract,
            limits=planted.limits,
            then=run_scripts,
        )
        if not blamed(verdicts) < seen and not wrong:  # a race may have been met by chance, and not by its script
            break
    assert blamed(verdicts) == seen, _told(verdicts, planted)
    assert not wrong, "\n".join(wrong)


def _told(verdicts: dict[str, Verdict], planted: Planted) -> str:
    lines = [f"{planted.path.name}: {planted.mistake}"]
    for rule in sorted(blamed(verdicts) ^ planted.breaks):
        verdict = verdicts.get(rule)
        if verdict is None:
            lines.append(f"  {rule} was never judged")
            continue
        said = verdict.reason or (verdict.finding.got if verdict.finding is not None else "")
        lines.append(f"  {rule} {verdict.outcome}: {said}")
        lines.append(str(verdict.transcript or ""))
    return "\n".join(lines)


def test_at_least_half_of_the_faulty_servers_are_c() -> None:
    written_in_c = [planted for planted in _SERVERS if planted.path.suffix == ".c"]
    assert len(_SERVERS) >= 50
    assert 2 * len(written_in_c) >= len(_SERVERS)


def _always(verdict: Verdict) -> bool:
    """Whether it showed in each replay: a script decides no race that was met by chance."""
    return verdict.confirmed is None or verdict.confirmed[0] == verdict.confirmed[1]
