"""A server that makes no calls but io_uring_enter(2): what it does is judged, its time limits are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faulty import blamed, verdicts_on
from tests.needs import need_io_uring

SOURCE = Path(__file__).parent / "ring_echo.c"


@pytest.fixture(autouse=True)
def _io_uring() -> None:
    need_io_uring()


def test_its_silence_is_proven_and_its_port_is_its_own_until_the_kernel_has_let_it_go(tmp_path: Path) -> None:
    source = tmp_path / "ring.c"
    source.write_text(SOURCE.read_text())
    verdicts = verdicts_on(source, frozenset({"ACC-11", "ACC-14", "LIFE-01", "RES-01", "STREAM-04"}))
    assert blamed(verdicts) == frozenset()
    assert {rule: verdicts[rule].outcome for rule in ("ACC-11", "ACC-14", "LIFE-01", "RES-01", "STREAM-04")} == {
        **dict.fromkeys(("ACC-11", "ACC-14", "LIFE-01", "RES-01", "STREAM-04"), "pass"),
    }


def test_of_one_that_gives_it_time_limits_nothing_is_said_that_rests_on_stillness(tmp_path: Path) -> None:
    source = tmp_path / "ring.c"
    source.write_text("#define LIMIT 10\n" + SOURCE.read_text())
    verdicts = verdicts_on(source, frozenset({"RES-01", "STREAM-01"}), only="lifecycle")
    assert blamed(verdicts) == frozenset()
    assert verdicts["RES-01"].outcome == "inconclusive"
    assert "for a time we cannot read" in verdicts["RES-01"].reason
