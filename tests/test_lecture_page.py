"""The corrected programs of docs/lecture-servers.md hold every rule, and each faulty one is a file of the tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gatecrash.paths import tree_root
from tests.faulty import blamed, verdicts_on
from tests.needs import need

_PAGE = tree_root() / "docs" / "lecture-servers.md"
_CORRECTED = dict(re.findall(r"```c\n/\* corrected: (\S+) \*/\n(.*?)```", _PAGE.read_text(), re.DOTALL))


def test_every_lecture_server_has_a_corrected_version() -> None:
    lectures = {path.name for path in (tree_root() / "servers" / "faulty").glob("lecture_*.c")}
    assert set(_CORRECTED) == lectures


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(_CORRECTED))
def test_a_corrected_program_holds_every_rule(name: str, tmp_path: Path) -> None:
    if "PORT 8080" in _CORRECTED[name]:  # which others of the machine may have
        need("arena")
    source = tmp_path / name
    source.write_text(_CORRECTED[name])
    verdicts = verdicts_on(source, frozenset(), others="quick")
    assert not blamed(verdicts), {r: v.finding for r, v in verdicts.items() if v.outcome == "fail"}
