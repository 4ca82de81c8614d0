"""`gatecrash init TARGET` ends with the command that reads what it has written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gatecrash import cli
from gatecrash.commands import init
from gatecrash.paths import tree_root

SERVER = tree_root() / "servers" / "c" / "echo_fork.c"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Path(shutil.copy(SERVER, tmp_path / "reference.c"))


@pytest.mark.usefixtures("server")
def test_the_contract_that_was_written_elsewhere_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", "reference.c", "--output", "course.toml"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith("then run gatecrash check reference.c --contract course.toml")


def test_a_contract_is_named_only_where_it_is_not_read_by_itself(server: Path) -> None:
    beside = server.parent / "gatecrash.toml"
    beside.write_text("[contract]\n")
    (server.parent / "course.toml").write_text("[contract]\n")
    assert init._read_back("reference.c", Path("gatecrash.toml")) == ()
    assert init._read_back("reference.c 80", Path("gatecrash.toml")) == ()
    assert init._read_back("reference.c", Path("course.toml")) == ("--contract", "course.toml")
    assert init._read_back("127.0.0.1:80", Path("gatecrash.toml")) == ("--contract", "gatecrash.toml")
    beside.unlink()
    assert init._read_back("reference.c", Path("course.toml")) == ("--contract", "course.toml")
