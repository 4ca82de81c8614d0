"""A program that hides what the sanitizers say of it is found out, by what the kernel tells; none that does not is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.profiles import profile
from gatecrash.engine.properties import properties
from gatecrash.engine.suite_run import try_property
from gatecrash.model.confinement import Confined, Confinement
from gatecrash.model.launch import Launch
from gatecrash.model.verdicts import Verdict
from gatecrash.paths import tree_root
from gatecrash.target.report_watch import REOPENED, UNREAD, ReportWatch, note_start
from gatecrash.target.sanitizers import new_reports, sanitizer_environment
from tests.needs import need

OVERFLOW = "==42==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602\n    #0 serve\n"
WARNING = "==42==WARNING: AddressSanitizer failed to allocate 0xfffffff bytes\n"
_FAULT = "((volatile char *)malloc(8))[7 + argc] = 1;"
#: Does DO to each file in the folder of the reports, every tenth of a second.
_WIPES = r"""
#include <dirent.h>
#include <string.h>
extern char **environ;
static void wipe(void)
{
    for (char **one = environ; *one != NULL; one++) {
        char folder[512], file[1024], *path = strstr(*one, "log_pa" "th=");
        if (path == NULL)
            continue;
        snprintf(folder, sizeof folder, "%s", path + 9);
        folder[strcspn(folder, ":")] = '\0';
        *strrchr(folder, '/') = '\0';
        DIR *opened = opendir(folder);
        for (struct dirent *each; opened != NULL && (each = readdir(opened)) != NULL;) {
            snprintf(file, sizeof file, "%s/%s", folder, each->d_name);
            DO;
        }
        closedir(opened);
        return;
    }
}
"""
_KEEPS_WIPING = "if (fork() == 0) for (;;) { wipe(); usleep(100000); }"
_AGAIN = 'char *with[] = {"AGAIN=1", NULL}; execve("/proc/self/exe", argv, with);'


def _server(folder: Path, first: str, above: str = "", client: str = _FAULT) -> Path:
    """An echo server that forks, whose every client meets the fault, and that does something first."""
    text = (tree_root() / "servers" / "c" / "echo_fork.c").read_text()
    text = text.replace("static void fail(", f"{above}\nstatic void fail(", 1)
    text = text.replace("    int listener = listen_on(", f"    {first}\n    int listener = listen_on(", 1)
    source = folder / "server.c"
    source.write_text(text.replace("echo(connection);", f"{client} echo(connection);"))
    return source


def _verdicts(source: Path, *rules: str) -> dict[str, Verdict]:
    need("arena")
    folder = SessionPool.new_folder()
    try:
        with SessionPool(folder, arena="namespace", confinement=Confinement()) as pool:
            opened = pool.open(str(source), "sanitized")
            if opened is None:
                pytest.skip("no sanitized build")
            chosen = [one for one in properties() if one.rule in rules]
            found = [try_property(one, opened, "sanitized", profile("glance")) for one in chosen]
    finally:
        SessionPool.remove_folder(folder)
    return {one.rule: one for verdicts in found for one in verdicts}


@pytest.mark.parametrize(
    ("first", "above", "client", "why"),
    [
        pytest.param(_KEEPS_WIPING, _WIPES.replace("DO", "unlink(file)"), _FAULT, UNREAD, id="removes them"),
        pytest.param(
            _KEEPS_WIPING, _WIPES.replace("DO", "if (truncate(file, 0)) continue"), _FAULT, UNREAD, id="empties them"
        ),
        pytest.param(f'if (getenv("AGAIN") == NULL) {{ {_AGAIN} }}', "", _FAULT, REOPENED, id="executes itself"),
        pytest.param(
            f'if (getenv("AGAIN") != NULL) {{ {_FAULT} _exit(0); }}',
            "",
            f"if (fork() == 0) {{ {_AGAIN} }}",
            REOPENED,
            id="executes itself for each client",
        ),
    ],
)
def test_what_was_hidden_is_no_pass(tmp_path: Path, first: str, above: str, client: str, why: str) -> None:
    verdict = _verdicts(_server(tmp_path, first, above, client), "MEM-01")["MEM-01"]
    assert (verdict.outcome, verdict.reason) == ("not_observable", why)


def test_a_server_that_executes_another_program_for_each_client_hides_nothing(tmp_path: Path) -> None:
    helped = 'pid_t helper = fork(); if (helper == 0) { execl("/bin/true", "true", (char *)NULL); _exit(1); }'
    verdicts = _verdicts(_server(tmp_path, "", client=helped), "MEM-01", "MEM-02")
    assert {rule: one.outcome for rule, one in verdicts.items()} == {"MEM-01": "pass", "MEM-02": "pass"}


def test_a_fault_that_is_told_hides_nothing_either(tmp_path: Path) -> None:
    """The sanitizer opens the program to look the place up."""
    assert _verdicts(_server(tmp_path, ""), "MEM-01")["MEM-01"].outcome == "fail"


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[ReportWatch, Launch, Path]]:
    """A watch of a program in a folder, which is started once."""
    program, folder = tmp_path / "server", tmp_path / "reports"
    program.write_bytes(b"program")
    folder.mkdir()
    launch = Launch((str(program), "{port}"), tmp_path, sanitizer_environment(folder), confined=Confined(Confinement()))
    watch = ReportWatch(launch, folder)
    _execute(launch)
    yield watch, launch, folder
    watch.close()


def _execute(launch: Launch, *, ours: bool = True) -> None:
    if ours:
        note_start(launch)
    Path(launch.argv[0]).read_bytes()


def test_each_start_of_ours_opens_it_once(watched: tuple[ReportWatch, Launch, Path]) -> None:
    watch, launch, _ = watched
    _execute(launch)
    assert [watch.look(), watch.look()] == ["", ""]
    _execute(launch, ours=False)
    assert [watch.look(), watch.look()] == ["", REOPENED], "a report may be on its way at first"


def test_a_report_says_why_the_program_was_opened(watched: tuple[ReportWatch, Launch, Path]) -> None:
    watch, launch, _ = watched
    _execute(launch, ours=False)
    assert [watch.look(), watch.look({"address"}), watch.look()] == ["", "", ""]
    _execute(launch, ours=False)
    assert [watch.look({"undefined"}), watch.look()] == ["", REOPENED], "no place is looked up for that"


@pytest.mark.parametrize(
    ("text", "why"), [(OVERFLOW, ""), (WARNING, ""), ("", UNREAD), ("listening on port 80\n", UNREAD)]
)
def test_a_file_of_reports_that_says_nothing_was_emptied(
    watched: tuple[ReportWatch, Launch, Path], text: str, why: str
) -> None:
    watch, launch, folder = watched
    (folder / "report.42").write_text(text)
    spoken = {report.tool for report in new_reports(launch.env, 0)}
    assert [watch.look(spoken), watch.look()] == ["", why]


def test_what_is_written_while_it_is_looked_at_is_heard_the_next_time(
    watched: tuple[ReportWatch, Launch, Path],
) -> None:
    watch, launch, folder = watched
    with (folder / "report.42").open("w") as file:
        assert watch.look({report.tool for report in new_reports(launch.env, 0)}) == ""
        file.write(OVERFLOW)
        file.flush()
        assert watch.look({report.tool for report in new_reports(launch.env, 0)}) == ""
    assert watch.look() == ""


def test_a_file_of_reports_that_was_removed_or_moved_is_noticed(watched: tuple[ReportWatch, Launch, Path]) -> None:
    watch, _, folder = watched
    (folder / "report.42").write_text(OVERFLOW)
    assert watch.look({"address"}) == ""
    os.rename(folder / "report.42", folder.parent / "gone")
    assert watch.look() == UNREAD
