"""Targets: everything a person may type comes to a command that starts a server, or to a plain sentence."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gatecrash.commands import absolute
from gatecrash.commands.options import with_args
from gatecrash.config.contract_file import read_contract
from gatecrash.config.contract_writing import write_contract
from gatecrash.errors import TargetError, Unavailable, UsageError
from gatecrash.model.contract import Contract
from gatecrash.target import compilers as building
from gatecrash.target.build import build
from gatecrash.target.compilers import run
from gatecrash.target.resolve import Target, resolve

MAIN = '#include <stdio.h>\nint main(int argc, char **argv) { puts(argc > 1 ? argv[1] : "none"); return 0; }\n'
CXX = "#include <iostream>\nint main() { std::cout << 7 << std::endl; }\n"
needs_cc = pytest.mark.skipif(building.find_compiler(".c") is None, reason="no C compiler")
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, empty, that the command is run in."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(path: Path, text: str, *, mode: int = 0o644) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def output(argv: tuple[str, ...], port: int = 4711) -> str:
    words = [word.replace("{port}", str(port)) for word in argv]
    return subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout.strip()


def refusal(text: str | None, contract: Path | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        resolve(text, contract)
    return str(caught.value)


# -- source files --------------------------------------------------------------------------------------------


@needs_cc
def test_a_c_file_is_compiled_and_gets_the_port_as_its_argument(here: Path, tmp_path: Path) -> None:
    write(here / "server.c", MAIN)
    target, contract = resolve("server.c")
    assert (target.kind, target.language, target.name, target.cwd) == ("source", "c", "server.c", here)
    assert contract == Contract(source="c")
    built = build(target, tmp_path / "out")
    assert output(built.argv) == "4711"
    assert built.how.endswith("-std=gnu11 -O1 -g -pthread -o server server.c")
    assert sorted(path.name for path in here.iterdir()) == ["server.c"], "nothing is left beside the source"


@pytest.mark.skipif(building.find_compiler(".cpp") is None, reason="no C++ compiler")
def test_a_cpp_file_is_compiled_as_cpp(here: Path, tmp_path: Path) -> None:
    write(here / "server.cpp", CXX)
    built = build(resolve("server.cpp")[0], tmp_path / "out")
    assert output(built.argv) == "7"


@needs_cc
def test_a_sanitized_build_says_so_in_its_command(here: Path, tmp_path: Path) -> None:
    write(here / "server.c", MAIN)
    try:
        built = build(resolve("server.c")[0], tmp_path / "out", sanitize=True)
    except Unavailable as error:
        pytest.skip(str(error))
    assert "-fsanitize=address,undefined -fno-omit-frame-pointer" in built.how
    assert built.how.endswith("-o server server.c")


@needs_cc
def test_the_words_of_the_compiler_are_shown(here: Path, tmp_path: Path) -> None:
    write(here / "server.c", "int main(void) { return nothing; }\n")
    with pytest.raises(TargetError) as caught:
        build(resolve("server.c")[0], tmp_path / "out")
    assert str(caught.value).startswith("server.c does not compile.")
    assert "server.c:1:" in str(caught.value)
    assert "nothing" in str(caught.value)


@needs_cc
def test_a_missing_function_leads_to_the_makefile(here: Path, tmp_path: Path) -> None:
    write(here / "server.c", "int elsewhere(void);\nint main(void) { return elsewhere(); }\n")
    with pytest.raises(TargetError, match="put a Makefile beside it and name the folder"):
        build(resolve("server.c")[0], tmp_path / "out")


def test_without_a_compiler_the_next_step_is_named(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here / "server.c", MAIN)
    target, _ = resolve("server.c")
    monkeypatch.setenv("PATH", str(here))
    with pytest.raises(TargetError, match=r"there is no compiler \(looked for cc, gcc, clang\)\. Install one"):
        build(target, tmp_path / "out")


def test_a_compiler_without_sanitizers_is_a_missing_capability(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    write(tools / "cc", '#!/bin/sh\necho "cannot find -lasan" >&2\nexit 1\n', mode=0o755)
    monkeypatch.setenv("PATH", str(tools))
    write(here / "server.c", MAIN)
    with pytest.raises(
        Unavailable, match="a sanitized build is not available here: cc cannot do it: cannot find -lasan"
    ):
        build(resolve("server.c")[0], tmp_path / "out", sanitize=True)


def test_a_python_file_is_run_by_this_python(here: Path, tmp_path: Path) -> None:
    write(here / "server.py", "import sys\nprint(sys.argv[1])\n")
    target, contract = resolve("server.py")
    built = build(target, tmp_path / "out")
    assert contract.source == "python"
    assert built.argv == (sys.executable, str(here / "server.py"), "{port}")
    assert output(built.argv) == "4711"


def test_a_python_file_that_does_not_parse_is_refused_with_its_line(here: Path, tmp_path: Path) -> None:
    write(here / "server.py", "print('a')\nwhile True\n    pass\n")
    with pytest.raises(TargetError, match=r"server.py, line 2 is not Python 3.*\nwhile True"):
        build(resolve("server.py")[0], tmp_path / "out")


def test_a_python_target_has_no_sanitized_build(here: Path, tmp_path: Path) -> None:
    write(here / "server.py", "pass\n")
    with pytest.raises(Unavailable, match="only a C or C\\+\\+ source file"):
        build(resolve("server.py")[0], tmp_path / "out", sanitize=True)


@needs_cc
def test_a_source_file_may_be_given_its_arguments(here: Path, tmp_path: Path) -> None:
    write(here / "server.c", MAIN)
    target, _ = resolve("server.c -p {port}")
    built = build(target, tmp_path / "out")
    assert output(built.argv) == "-p"
    assert built.argv[1:] == ("-p", "{port}")


# -- the contract beside it -----------------------------------------------------------------------------------------


def test_a_contract_beside_the_source_is_honoured(here: Path) -> None:
    write(here / "server.py", "pass\n")
    (here / "www").mkdir()
    write(
        here / "gatecrash.toml",
        '[target]\ncommand = "python3 server.py --port {port}"\ncwd = "www"\nenv = { A = "1" }\nport = 81\n'
        '[contract]\nconcurrency = "fork"\n',
    )
    target, contract = resolve("server.py")
    assert target.argv == ("--port", "{port}")
    assert target.cwd == here / "www"
    assert target.env == {"A": "1"}
    assert contract == Contract(
        concurrency="fork", port=81, source="python", written=frozenset({"concurrency", "port"})
    )


def test_a_named_contract_comes_before_the_one_beside_the_target(here: Path) -> None:
    write(here / "server.py", "pass\n")
    write(here / "gatecrash.toml", '[contract]\nprotocol = "echo"\n')
    named = write(here / "other.toml", '[contract]\nprotocol = "http"\n')
    assert resolve("server.py")[1].protocol == "echo"
    assert resolve("server.py", named)[1].protocol == "http"


def test_a_contract_that_starts_a_server_is_a_target_by_itself(here: Path, tmp_path: Path) -> None:
    (here / "sub").mkdir()
    contract = write(here / "sub" / "gatecrash.toml", '[target]\ncommand = "true {port}"\n')
    target, _ = resolve(None, contract)
    assert (target.kind, target.argv, target.cwd) == ("folder", ("true", "{port}"), here / "sub")


def test_a_cwd_that_is_not_there_is_refused(here: Path) -> None:
    write(here / "server.py", "pass\n")
    write(here / "gatecrash.toml", '[target]\ncwd = "nowhere"\n')
    assert "says cwd = 'nowhere', and " in refusal("server.py")
    assert refusal("server.py").endswith("is not a folder. Create or correct it.")


def test_a_command_with_an_open_quote_in_a_contract_is_refused(here: Path) -> None:
    write(here / "gatecrash.toml", '[target]\ncommand = "\'./server"\n')
    assert "cannot be split into words: No closing quotation" in refusal(".")


def test_the_section_of_a_target_writes_a_contract_that_starts_it(here: Path) -> None:
    write(here / "gatecrash.toml", '[target]\nbuild = "make"\ncommand = "./server -p {port}"\n')
    target, contract = resolve(".")
    write(here / "gatecrash.toml", write_contract(contract, target))
    assert resolve(".")[0] == target
    assert read_contract(here / "gatecrash.toml")[1].command == "./server -p {port}"


# -- folders -----------------------------------------------------------------------------------------------------


@needs_cc
@needs_make
def test_a_folder_with_a_makefile_is_made_and_its_one_program_is_the_server(here: Path, tmp_path: Path) -> None:
    write(here / "main.c", MAIN)
    write(here / "Makefile", "my-server: main.c\n\tcc -o my-server main.c\n")
    target, _ = resolve(str(here))
    built = build(target, tmp_path / "out")
    assert built.argv == (str(here / "my-server"), "{port}")
    assert output(built.argv) == "4711"
    assert build(target, tmp_path / "out").argv == built.argv, "when make has nothing left to do"


@needs_cc
@needs_make
def test_with_two_programs_the_contract_has_to_choose(here: Path, tmp_path: Path) -> None:
    write(here / "main.c", MAIN)
    write(here / "Makefile", "all: a b\na b: main.c\n\tcc -o $@ main.c\n")
    with pytest.raises(TargetError, match=r"the folder holds a, b after make\. Write a gatecrash.toml there"):
        build(resolve(".")[0], tmp_path / "out")
    write(here / "gatecrash.toml", '[target]\ncommand = "./b x"\n')
    assert output(build(resolve(".")[0], tmp_path / "out").argv) == "x"


@needs_make
def test_the_words_of_make_are_shown(here: Path, tmp_path: Path) -> None:
    write(here / "Makefile", "all:\n\t@echo no luck today; exit 3\n")
    with pytest.raises(TargetError, match=r"make failed in .*exit status 2\)\. It says:\nno luck today"):
        build(resolve(".")[0], tmp_path / "out")


def test_without_make_the_next_step_is_named(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here / "Makefile", "all:\n")
    monkeypatch.setenv("PATH", str(here))
    with pytest.raises(TargetError, match=r"has a Makefile, and make is not installed\. Install it"):
        build(resolve(".")[0], tmp_path / "out")


def test_the_build_command_of_a_contract_is_run_in_the_folder(here: Path, tmp_path: Path) -> None:
    write(
        here / "gatecrash.toml",
        '[target]\nbuild = "printf \'#!/bin/sh\\necho hi $1\\n\' > s && chmod +x s"\ncommand = "./s {port}"\n',
    )
    built = build(resolve(str(here))[0], tmp_path / "out")
    assert output(built.argv) == "hi 4711"
    assert built.how.startswith("printf")


def test_a_build_command_that_fails_is_shown_with_its_words(here: Path, tmp_path: Path) -> None:
    write(here / "gatecrash.toml", '[target]\nbuild = "echo sorry; exit 4"\ncommand = "./s"\n')
    with pytest.raises(TargetError, match=r"failed \(exit status 4\): echo sorry; exit 4\nIt says:\nsorry"):
        build(resolve(".")[0], tmp_path / "out")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("./server {port}", "gatecrash.toml starts ./server, and .*/server does not exist after the build"),
        ("no-such-program-here", "command = 'no-such-program-here', which is not a command in PATH."),
        ("local", 'which is not a command in PATH; write "./local" for the one in the folder'),
    ],
)
def test_a_contract_command_that_cannot_be_run_is_refused(
    here: Path, tmp_path: Path, command: str, message: str
) -> None:
    write(here / "local", "#!/bin/sh\n", mode=0o755)
    write(here / "gatecrash.toml", f'[target]\ncommand = "{command}"\n')
    with pytest.raises(TargetError, match=message):
        build(resolve(".")[0], tmp_path / "out")


def test_a_folder_with_one_source_file_is_that_source_file(here: Path) -> None:
    write(here / "server.py", "pass\n")
    target, _ = resolve(".")
    assert (target.kind, target.source) == ("source", here / "server.py")


def test_a_folder_without_makefile_is_refused_with_what_it_holds(here: Path) -> None:
    assert refusal(".") == (
        "work/ is a folder without a Makefile and without a command in a gatecrash.toml, and it holds no source file. "
        "Name the folder with the server's source, or write a gatecrash.toml there with [target] and "
        'command = "./server {port}".'
    )
    write(here / "a.c", MAIN)
    write(here / "b.py", "pass\n")
    assert "and it holds a.c, b.py. Name one of them, or write a gatecrash.toml there" in refusal(".")


# -- commands, programs, addresses -----------------------------------------------------------------------------------


def test_a_command_is_taken_as_it_is(here: Path, tmp_path: Path) -> None:
    target, contract = resolve("python3 -m http.server {port}")
    assert (target.kind, target.name, target.cwd) == ("command", "python3 -m http.server {port}", here)
    built = build(target, tmp_path / "out")
    assert built.argv == ("python3", "-m", "http.server", "{port}")
    assert contract.source == "python", "advice is given in the language of its program"


def test_a_command_without_port_gets_no_argument_added(here: Path, tmp_path: Path) -> None:
    write(here / "server", "#!/bin/sh\n", mode=0o755)
    assert build(resolve("./server 'a b'")[0], tmp_path / "out").argv == (str(here / "server"), "a b")
    assert build(resolve("server")[0], tmp_path / "out").argv == (str(here / "server"),)


def test_the_contract_in_the_working_folder_speaks_for_a_command(here: Path) -> None:
    write(here / "gatecrash.toml", '[contract]\nprotocol = "udp"\n')
    assert resolve("python3 x.py")[1].protocol == "udp"


def test_an_address_is_a_server_that_runs_already(here: Path, tmp_path: Path) -> None:
    target, _ = resolve("127.0.0.1:8080")
    assert (target.kind, target.address) == ("address", ("127.0.0.1", 8080))
    assert resolve("[::1]:80")[0].address == ("::1", 80)
    assert resolve("localhost:80")[0].address == ("localhost", 80)
    assert build(target, tmp_path / "out").how == "running already at 127.0.0.1:8080"


def test_nothing_is_the_reference_fork_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, _ = resolve(None)
    assert target.name in ("http_fork.c (reference server)", "http_fork.py (reference server)")
    assert isinstance(target.source, Path)
    assert target.source.is_file()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert resolve(None)[0].name == "http_fork.py (reference server)"


# -- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The target is empty. Give a source file, a folder"),
        ("sever.c", "sever.c does not exist. Did you mean server.c?"),
        ("nothing/like/it", "nothing/like/it does not exist: there is no folder nothing/like."),
        ("./zzz", "./zzz does not exist. Give a source file, a folder, a command"),
        ("server {port}", "server is not a file or folder here, and not a command in PATH. Did you mean server.c?"),
        ("./porgram {port}", "./porgram does not exist. Did you mean ./program?"),
        ("porgram", "porgram is not a file or folder here, and not a command in PATH. Did you mean ./program?"),
        ("wwww", "wwww is not a file or folder here, and not a command in PATH. Did you mean www/?"),
        ("note.txt", "note.txt is not a file or folder here, and not a command in PATH. Give a source file, a folder"),
        (
            "nosuchcommand {port}",
            "nosuchcommand is not a file or folder here, and not a command in PATH. Give a source file, a folder",
        ),
        ("notes.txt", "notes.txt is neither source that Gatecrash builds (.c .cc .cpp .cxx .py) nor a program. Give a"),
        ("./notes.txt 80", "notes.txt is neither source that Gatecrash builds (.c .cc .cpp .cxx .py) nor a program."),
        ("www/data", "data is neither source that Gatecrash builds (.c .cc .cpp .cxx .py) nor a program. Give a"),
        ("www/script", "script is a program that is not executable. Make it so: chmod +x www/script"),
        ("./www/script 80", "script is a program that is not executable. Make it so: chmod +x www/script"),
        ("www/Makefile", "Makefile is a Makefile. Name the folder it is in: gatecrash check www"),
        ("www/gatecrash.toml", "gatecrash.toml is a contract. Name the folder it is in, or the target, and this file"),
        (
            "server.h",
            "server.h is a header, and no program by itself. Name the source file, or the folder with a Makef",
        ),
        ("/dev/null", "/dev/null is neither a file nor a folder. Give a source file, a folder"),
        ("./program {prt}", "The command './program {prt}': {prt} is not known, only {port} is replaced. Did you mean"),
        (
            "server.c {PORT}",
            "The command 'server.c {PORT}': {PORT} is not known, only {port} is replaced. Did you mean",
        ),
        (
            "./program -d {root}",
            "The command './program -d {root}': {root} is not known, only {port} is replaced. Write",
        ),
        ("program 80", "program is a file here, and not a command in PATH; write './program 80' for the file."),
        ("echo 'a", 'The command "echo \'a" cannot be split into words: No closing quotation. Check its quotes.'),
        ("127.0.0.1:99999", "127.0.0.1:99999 has port 99999; a port is a number from 1 to 65535."),
    ],
)
def test_what_cannot_be_a_target_is_refused_with_the_next_step(here: Path, text: str, message: str) -> None:
    write(here / "server.c", MAIN)
    write(here / "notes.txt", "hello\n")
    write(here / "program", "#!/bin/sh\n", mode=0o755)
    write(here / "server.h", "int f(void);\n")
    www = here / "www"
    www.mkdir()
    write(www / "script", "#!/bin/sh\n")
    write(www / "Makefile", "all:\n")
    write(www / "gatecrash.toml", "")
    (www / "data").write_bytes(b"\x00\x7fELF\xff")
    assert refusal(text).startswith(message)


@pytest.mark.parametrize(
    "words", ["${PORT}", '{"a": 1}', "{a,b}", "{}", "%{code}", "{ print }", "{1}", "{{name}}", "-p{port}", "{port"]
)
def test_braces_that_are_no_place_are_left_alone(here: Path, words: str) -> None:
    assert resolve(f"python3 -c '{words}' {{port}}")[0].argv == ("python3", "-c", words, "{port}")


@needs_make
def test_a_makefile_that_builds_nothing_is_told_so(here: Path, tmp_path: Path) -> None:
    write(here / "Makefile", "all:\n\t@true\n")
    with pytest.raises(TargetError, match=r"^There is no program in work/ after make\. Let make build the server into"):
        build(resolve(".")[0], tmp_path / "out")


def test_a_contract_that_does_not_exist_is_refused(here: Path) -> None:
    write(here / "server.py", "pass\n")
    assert "missing.toml cannot be read: No such file or directory" in refusal("server.py", here / "missing.toml")


def test_a_build_that_never_ends_is_ended_with_all_it_started(here: Path) -> None:
    note = here / "pid"
    with pytest.raises(TargetError, match=r"did not end within 0\.5 seconds\. Run it by hand"):
        run(["/bin/sh", "-c", f"sleep 60 & echo $! > {note}; wait"], cwd=here, limit=0.5)
    try:
        process = os.pidfd_open(int(note.read_text()))
    except ProcessLookupError:
        return
    try:  # it was killed, and may be on its way out
        assert select.select([process], [], [], 10.0)[0], "the sleeping child outlived its build"
    finally:
        os.close(process)


def test_a_target_is_plain_data() -> None:
    assert Target("command", "x", ("x",), cwd=Path("/")) == Target("command", "x", ("x",), cwd=Path("/"))
    assert os.path.isabs(Target("command", "x").cwd)


def test_a_command_keeps_the_link_it_names_for_a_virtual_environment_is_one(tmp_path: Path) -> None:
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    target, _ = resolve(f"{link} server.py {{port}}")
    assert target.argv[0] == str(link)


# -- arguments -------------------------------------------------------------------------------------------------------


def test_arguments_beside_a_target_make_one_text_that_is_a_target(here: Path) -> None:
    write(here / "my server.py", "")
    text = with_args("my server.py", "{port} 'a b'")
    assert text == "'my server.py' {port} 'a b'"
    target, _ = resolve(text)
    assert (target.kind, target.name, target.argv) == ("source", "my server.py", ("{port}", "a b"))
    assert with_args("server.c", None) == "server.c"
    with pytest.raises(UsageError, match="name the target"):
        with_args(None, "{port}")


def test_a_source_before_arguments_is_built_whatever_its_mode(here: Path) -> None:
    write(here / "server.c", "int main(void) { return 0; }", mode=0o755)
    for text in ("server.c {port} www", "./server.c {port} www"):
        assert (resolve(text)[0].kind, resolve(text)[0].argv) == ("source", ("{port}", "www"))


def test_a_script_with_its_interpreter_is_a_command_where_it_is_written_as_one(here: Path) -> None:
    write(here / "server.py", "#!/usr/bin/env python3", mode=0o755)
    assert resolve("./server.py {port}")[0].kind == "command"
    assert resolve("server.py {port} www")[0].kind == "source"


def test_a_text_with_arguments_stays_right_in_another_folder(here: Path) -> None:
    write(here / "server.py", "")
    assert absolute("server.py {port} 'a b'") == f"{here.resolve()}/server.py '{{port}}' 'a b'"
    assert resolve(absolute("server.py {port}"))[0].argv == ("{port}",)
    assert absolute("python3 -m http.server {port}") == "python3 -m http.server {port}"
    assert absolute("it's") == "it's"


def test_the_one_program_of_a_makefile_is_given_the_arguments(here: Path, tmp_path: Path) -> None:
    (here / "sub").mkdir()
    write(here / "sub" / "Makefile", "s:\n\tcp /bin/echo s\n")
    target, _ = resolve("sub {port} www")
    assert (target.kind, target.arguments) == ("folder", ("{port}", "www"))
    assert output(build(target, tmp_path / "built").argv) == "4711 www"


def test_the_contract_names_the_arguments(here: Path, tmp_path: Path) -> None:
    write(here / "server.py", "import sys; print(sys.argv[1:])")
    write(here / "gatecrash.toml", '[target]\nargs = "-p {port} www"\n')
    target, contract = resolve("server.py")
    assert output(build(target, tmp_path / "built").argv) == "['-p', '4711', 'www']"
    assert 'args = "-p {port} www"' in write_contract(contract, target)
    assert resolve("server.py {port} of-mine")[0].argv == ("{port}", "of-mine")


def test_arguments_beside_a_contracts_command_are_refused(here: Path) -> None:
    (here / "sub").mkdir()
    write(here / "sub" / "gatecrash.toml", '[target]\ncommand = "true {port}"\n')
    assert "the arguments belong there" in refusal("sub {port} www")


def test_a_server_that_runs_already_is_given_no_arguments(here: Path) -> None:
    assert refusal("127.0.0.1:80 www") == "127.0.0.1:80 runs already, and is given no arguments."
