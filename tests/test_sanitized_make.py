"""A folder with a Makefile is built once more with the sanitizers: the program has them, or it is said why not."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gatecrash.errors import TargetError, Unavailable, Unfinished
from gatecrash.target.build import Built, build_sanitized_copy
from gatecrash.target.compilers import find_compiler, run
from gatecrash.target.resolve import resolve
from gatecrash.target.sanitized_make import copy_of, has_sanitizer, make_sanitized

needs_cc = pytest.mark.skipif(find_compiler(".c") is None, reason="no C compiler is here")
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not here")
MAIN = "int main(void) { return 0; }\n"


def sanitized(folder: Path, out: Path, makefile: str, *, contract: str = "") -> Built:
    """The sanitized build of a folder with this Makefile, whose program was built before."""
    (folder / "main.c").write_text(MAIN)
    (folder / "Makefile").write_text(makefile)
    if contract:
        (folder / "gatecrash.toml").write_text(contract)
    target, told = resolve(str(folder))
    assert told.source == "c"
    return build_sanitized_copy(target, copy_of(folder, out / "sanitized"), out)


@needs_cc
@needs_make
@pytest.mark.parametrize(
    "makefile",
    [
        pytest.param("server: main.c\n\tcc -o server main.c\n", id="cc by its name"),
        pytest.param("CC = gcc -std=gnu11\nCFLAGS = -Werror\nserver: main.c\n\t$(CC) $(CFLAGS) -o $@ $^\n", id="gcc"),
        pytest.param("CC = {cc}\nserver: main.o\n\t$(CC) $(LDFLAGS) -o $@ $^\n", id="a compiler by its path, in CC"),
        pytest.param("server: main.o\n\t{cc} $(LDFLAGS) -o $@ $^\n", id="the flags in LDFLAGS alone"),
    ],
)
def test_a_makefile_is_made_with_the_sanitizers(tmp_path: Path, makefile: str) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    built = sanitized(folder, tmp_path, makefile.replace("{cc}", find_compiler(".c") or "cc"))
    assert has_sanitizer(Path(built.argv[0]))
    assert built.argv[1:] == ("{port}",)
    assert "in a copy of the folder" in built.how
    assert sorted(path.name for path in folder.iterdir()) == ["Makefile", "main.c"], "its own folder is left alone"


@needs_cc
@needs_make
def test_what_was_built_before_is_built_again(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copy("/bin/true", folder / "server")
    (folder / "main.c").write_text(MAIN)
    assert has_sanitizer(Path(sanitized(folder, tmp_path, "server: main.c\n\tcc -o server main.c\n").argv[0]))


@needs_cc
def test_a_build_command_finds_the_compilers_too(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    contract = '[target]\nbuild = "cc -o s main.c"\ncommand = "./s -p {port}"\n'
    built = sanitized(folder, tmp_path, "", contract=contract)
    assert has_sanitizer(Path(built.argv[0]))
    assert built.argv[1:] == ("-p", "{port}")
    assert built.how.startswith("cc -o s main.c, with -fsanitize=address,undefined")


@needs_cc
@needs_make
def test_a_program_without_a_sanitizer_is_no_sanitized_build(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with pytest.raises(Unavailable, match="takes neither a compiler that is found in PATH nor CC, CFLAGS and LDFLAGS"):
        sanitized(folder, tmp_path, f"server: main.c\n\t{find_compiler('.c')} -o server main.c\n")


@needs_make
@needs_cc
def test_a_build_that_fails_with_the_sanitizers_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with pytest.raises(TargetError, match="no luck today"):
        sanitized(folder, tmp_path, "all:\n\t@echo no luck today; exit 3\n")


@needs_make
@needs_cc
def test_a_make_that_does_not_end_is_not_tried_in_another_way(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("all:\n\tsleep 600\n")
    made: list[str] = []

    def runner(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        if not command[0].endswith("make"):
            return run(command, cwd=cwd, environment=environment)
        made.append(command[0])
        raise Unfinished("make did not end within 60 seconds.")

    with pytest.raises(Unfinished):
        make_sanitized(tmp_path, None, None, tmp_path / "compilers", runner)
    assert len(made) == 1


def test_a_folder_that_is_too_large_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "data").write_bytes(b"x" * 4096)
    monkeypatch.setattr("gatecrash.target.sanitized_make._MOST_BYTES", 4095)
    with pytest.raises(Unavailable, match="too many to copy"):
        copy_of(folder, tmp_path / "out")
