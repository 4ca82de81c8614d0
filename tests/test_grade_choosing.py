"""The server is found among what was handed in, or it is said why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatecrash.errors import TargetError
from gatecrash.grading.choosing import Undecided, server_in

_SERVER = "int main(void) { listen(fd, 5); }"
_PROGRAM = "int main(void) { return 0; }"


def _handed_in(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def _server(folder: Path, named: str | None = None, *, started: bool = False) -> str:
    found = server_in(folder, named=named, started=started)
    return str(found.relative_to(folder))


def test_one_source_is_the_server_even_deep_down(tmp_path: Path) -> None:
    assert _server(_handed_in(tmp_path, hw__src__server_c=_PROGRAM, hw__README_md="")) == "hw/src/server.c"


def test_a_folder_with_a_makefile_is_built(tmp_path: Path) -> None:
    assert _server(_handed_in(tmp_path, hw__Makefile="", hw__a_c=_SERVER, hw__b_c="")) == "hw"


def test_a_contract_that_says_how_it_is_built_takes_the_folder(tmp_path: Path) -> None:
    assert _server(_handed_in(tmp_path, a_c=_SERVER, b_c=""), started=True) == "."


def test_of_several_sources_the_one_that_serves_is_taken(tmp_path: Path) -> None:
    assert _server(_handed_in(tmp_path, server_c=_SERVER, client_c=_PROGRAM)) == "server.c"
    assert _server(_handed_in(tmp_path / "py", s_py="import socketserver", t_py="print(1)")) == "s.py"


def test_the_file_that_the_contract_names_is_taken(tmp_path: Path) -> None:
    folder = _handed_in(tmp_path, hw__server_c=_SERVER, hw__old_c=_SERVER)
    assert _server(folder, "server.c") == "hw/server.c"
    with pytest.raises(TargetError, match=r"echo.c is asked for, and was not handed in: there is old.c, server.c"):
        _server(folder, "echo.c")


def test_two_that_could_be_it_cost_nobody_a_point(tmp_path: Path) -> None:
    with pytest.raises(Undecided, match=r"not clear which file is the server: a.c, b.c. Write server ="):
        _server(_handed_in(tmp_path, a_c=_SERVER, b_c=_SERVER))
    with pytest.raises(Undecided, match=r"more than once: a/s.c, b/s.c"):
        _server(_handed_in(tmp_path / "twice", a__s_c=_SERVER, b__s_c=_SERVER), "s.c")


def test_a_server_in_several_files_without_a_makefile_is_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(Undecided, match=r"no Makefile, and there is server.c, util.c. Write build ="):
        _server(_handed_in(tmp_path, server_c=_SERVER, util_c="void f(void) {}"))


def test_where_no_source_was_handed_in_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="No source of a server was handed in: it is empty"):
        _server(tmp_path)
    with pytest.raises(TargetError, match=r"there is essay.pdf"):
        _server(_handed_in(tmp_path, essay_pdf=""))
    (tmp_path / "folders" / "hw" / "src").mkdir(parents=True)
    (tmp_path / "folders" / "tests").mkdir()
    with pytest.raises(TargetError, match=r"handed in: there are only folders: hw, hw/src, tests\.$"):
        _server(tmp_path / "folders")


def test_an_archive_that_is_not_opened_costs_nobody_a_point(tmp_path: Path) -> None:
    with pytest.raises(Undecided, match=r"archive of a kind that is not opened: server.rar\."):
        _server(_handed_in(tmp_path, server_rar=""))
    assert _server(_handed_in(tmp_path / "both", server_rar="", server_c=_SERVER)) == "server.c"
