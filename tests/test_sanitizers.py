"""Reports of the sanitizers: told apart, read once, and attributed to the scenario that provoked them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.profiles import profile
from gatecrash.engine.properties import properties
from gatecrash.engine.session import Session
from gatecrash.engine.suite_run import try_property
from gatecrash.errors import Unavailable
from gatecrash.model.contract import Contract
from gatecrash.model.launch import Launch
from gatecrash.model.scenario import Close, Connect, Reset, Send, Settle, Signal, scenario
from gatecrash.model.transcript import SanitizerReport, Transcript
from gatecrash.paths import tree_root
from gatecrash.target.compilers import compile_source
from gatecrash.target.program_text import sanitizers_named
from gatecrash.target.resolve import resolve
from gatecrash.target.sanitizers import new_reports, sanitizer_environment, told_apart

SHIFT = "server.c:7:3: runtime error: left shift of 3 by 30 places cannot be represented in type 'int'\n"
NULL = "server.c:9:3: runtime error: load of null pointer of type 'char'\n"
SEGV = "=====\n==42==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000000 (pc 0x1)\n    #0 serve\n"
OVERFLOW = "=====\n==42==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602\n    #0 serve\n"
UBSAN_SEGV = "UndefinedBehaviorSanitizer:DEADLYSIGNAL\n==42==ERROR: UndefinedBehaviorSanitizer: SEGV on unknown address"

#: Serves one client after the other, each in a child of its own. A byte 's' shifts too far; the end of a client
#: that has sent an 'e' makes its child write behind a buffer, a little later.
SERVER = r"""
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[argc - 1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    signal(SIGCHLD, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bind(listener, (struct sockaddr *)&address, sizeof address);
    listen(listener, 5);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (fork() == 0) {
            char byte = 0, last = 0, *buffer = malloc(10);
            while (read(client, &byte, 1) == 1) {
                last = byte;
                if (byte == 's')
                    on = on << (30 + argc);
            }
            usleep(20000);
            if (last == 'e')
                buffer[8 + argc] = byte;
            _exit(0);
        }
        close(client);
    }
}
"""


def test_runtime_errors_and_the_fatal_error_are_two_reports() -> None:
    assert told_apart(SHIFT + OVERFLOW) == [
        ("undefined", SHIFT.strip()),
        ("address", OVERFLOW[OVERFLOW.index("==42") :]),
    ]


@pytest.mark.parametrize("text", [SEGV, NULL + SEGV, NULL + UBSAN_SEGV])
def test_a_caught_signal_is_one_fault_whatever_was_noticed_on_the_way(text: str) -> None:
    assert [tool for tool, _ in told_apart(text)] == ["signal"]


def test_a_null_pointer_that_kills_nobody_is_undefined_behaviour() -> None:
    assert told_apart(NULL) == [("undefined", NULL.strip())]


def test_words_of_a_program_are_no_report() -> None:
    assert told_apart("listening on port 80\nERROR: no such file\n") == []


def test_a_process_that_keeps_its_file_open_is_heard_twice(tmp_path: Path) -> None:
    environment = sanitizer_environment(tmp_path)
    with (tmp_path / "report.42").open("w") as file:
        for text in (SHIFT, OVERFLOW):
            file.write(text)
            file.flush()
            assert len(new_reports(environment, 0)) == 1
            assert new_reports(environment, 0) == []


def test_the_last_of_a_crowd_is_heard_when_the_first_have_long_been_read(tmp_path: Path) -> None:
    environment = sanitizer_environment(tmp_path)
    for number in range(100):
        (tmp_path / f"report.{number:03}").write_text(SHIFT)
    heard = [new_reports(environment, 0) for _ in range(3)]
    assert sum(map(len, heard)) == 100
    assert heard[-1] == []
    (tmp_path / "report.999").write_text(OVERFLOW)
    assert len(new_reports(environment, 0)) == 1


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("sanitized")
    source, program = folder / "server.c", folder / "server"
    source.write_text(SERVER)
    try:
        compile_source(source, program, sanitize=True)
    except Unavailable as reason:
        pytest.skip(str(reason))
    launch = Launch((str(program), "{port}"), folder, sanitizer_environment(folder))
    return Session({"sanitized": launch}, Contract(protocol="none", concurrency="fork"))


def tools(transcript: Transcript) -> list[str]:
    return [event.tool for event in transcript.events if isinstance(event, SanitizerReport)]


def test_each_report_belongs_to_the_scenario_that_provoked_it(session: Session) -> None:
    """The child of the first scenario dies of its client's end, when all steps have been played."""
    with session:
        late = scenario(Connect("A"), Send("A", b"e"))
        shifts = scenario(Connect("A"), Send("A", b"s"), Settle("said"), Close("A"))
        harmless = scenario(Connect("A"), Send("A", b"x"), Settle("said"), Reset("A"))
        killed = scenario(Connect("A"), Send("A", b"x"), Settle("said"), Signal("child", "SIGKILL"))
        played = [tools(session.play(each, build="sanitized")) for each in (late, harmless, shifts, killed, late)]
    assert played == [["address"], [], ["undefined"], [], ["address"]]


def test_what_was_told_with_its_place_is_not_looked_up_for_each_client(tmp_path: Path) -> None:
    """A place is looked up by a process of its own, in each child: a crowd of clients took a minute."""
    text = (tree_root() / "servers" / "c" / "echo_fork.c").read_text()
    source = tmp_path / "server.c"
    fault = "((volatile char *)malloc(8))[7 + argc] = 1; echo(connection);"
    source.write_text(text.replace("echo(connection);", fault))
    with SessionPool(tmp_path) as pool:
        opened = pool.open(str(source), "sanitized")
        if opened is None:
            pytest.skip("no sanitized build")
        served = next(one for one in properties() if one.rule == "ACC-01")
        told = try_property(served, opened, "sanitized", profile("glance"))
        assert "server.c:" in str(next(one.finding for one in told if one.rule == "MEM-01"))
        again = try_property(served, opened, "sanitized", profile("glance"))
        assert opened.session.brief
        assert [one.rule for one in again if one.outcome == "fail"] == []
        said = opened.session.play(scenario(Connect("A"), Send("A", b"\n"), Close("A")), build="sanitized")
        reports = [event.text for event in said.events if isinstance(event, SanitizerReport)]
        assert reports
        assert not any("server.c:" in text for text in reports)


@pytest.mark.parametrize(
    "code",
    [
        'const char *__asan_default_options(void) { return "detect_leaks=0"; }',
        'int main(void) { return setenv("ASAN_OPTIONS", "log_path=/dev/null", 1); }',
        "__attribute__((no_sanitize_address)) int main(void) { return 0; }",
    ],
)
def test_what_tells_the_sanitizers_what_to_say_is_not_judged_by_them(tmp_path: Path, code: str) -> None:
    source = tmp_path / "server.c"
    source.write_text(code)
    assert sanitizers_named(resolve(str(source))[0]) is not None
    pool = SessionPool(tmp_path / "run")
    build = pool._sanitized_build(resolve(str(source))[0], tmp_path / "run", None)
    assert build is not None
    with pytest.raises(Unavailable, match="what the sanitizers say would not be theirs alone"):
        build()


def test_no_server_of_ours_is_taken_for_one_that_minds_the_sanitizers() -> None:
    servers = [*tree_root().glob("servers/c/*.c"), *tree_root().glob("servers/faulty/*.c")]
    assert [path.name for path in servers if sanitizers_named(resolve(str(path))[0]) is not None] == []
