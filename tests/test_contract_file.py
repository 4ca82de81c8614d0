"""gatecrash.toml: every key is read, and every mistake is named with its line, its value and what is allowed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from gatecrash.config.contract_file import TargetSection, read_contract, read_limits
from gatecrash.config.contract_writing import write_contract
from gatecrash.errors import UsageError
from gatecrash.model.confinement import Confinement
from gatecrash.model.contract import Contract

FULL = """
[target]
build = "make server"
command = "./server -p {port}"
cwd = "www"
env = { MODE = "test" }
port = 8080
address = "127.0.0.1"

[contract]
protocol = "http"
echo = "lines"
concurrency = "prefork"
workers = 4
min_backlog = 10
one_shot = false
child_closes_listener = false

[http]
path = "/index.html"
large_path = "/large"
post_path = "/echo"
persistent = true
stable_body = false

[udp]
max_datagram = 1024
"""


def read(folder: Path, text: str) -> tuple[Contract, TargetSection]:
    path = folder / "gatecrash.toml"
    path.write_text(text, encoding="utf-8")
    return read_contract(path)


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        read(folder, text)
    prefix = f"{folder / 'gatecrash.toml'}, "
    return [line.removeprefix(prefix) for line in str(caught.value).splitlines()]


def test_every_key_is_read(tmp_path: Path) -> None:
    contract, target = read(tmp_path, FULL)
    assert target == TargetSection(
        build="make server",
        command="./server -p {port}",
        cwd="www",
        env={"MODE": "test"},
        port=8080,
        address="127.0.0.1",
    )
    assert replace(contract, written=frozenset()) == Contract.of(
        protocol="http",
        echo="lines",
        concurrency="prefork",
        workers=4,
        min_backlog=10,
        child_closes_listener=False,
        path="/index.html",
        large_path="/large",
        post_path="/echo",
        persistent=True,
        stable_body=False,
        max_datagram=1024,
        port=8080,
        address="127.0.0.1",
    )


@pytest.mark.parametrize("words", ["${PORT}", '{"a": 1}', "{a,b}", "awk '{ print }'", "%{code}", "{}"])
def test_braces_of_a_shell_or_of_json_are_no_places_in_a_command(tmp_path: Path, words: str) -> None:
    assert read(tmp_path, f'[target]\ncommand = """./server {words}"""\n')[1].command == f"./server {words}"


def test_what_is_written_is_remembered_and_survives_discovery(tmp_path: Path) -> None:
    contract, _ = read(tmp_path, '[contract]\nconcurrency = "thread"\n')
    assert contract.written == {"concurrency"}
    assert contract.with_discovered(concurrency="fork", protocol="echo").concurrency == "thread"
    assert contract.with_discovered(protocol="echo").protocol == "echo"


def test_an_empty_file_promises_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "") == (Contract(), TargetSection())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[contract]\n\nconcurency = 'fork'\n",
            "line 3: concurency is not known in [contract]. Did you mean 'concurrency'? Known are protocol, "
            "concurrency, echo, line_end, workers, min_backlog, idle_limit, one_shot, child_closes_listener.",
        ),
        (
            "[contract]\nconcurrency = 'forking'\n",
            'line 2: concurrency = "forking"; allowed are "iterative", "fork", "prefork", "thread", "event_loop", '
            '"unknown". Did you mean "fork"?',
        ),
        (
            "[contract]\nprotocol = 7\n",
            'line 2: protocol = 7; allowed are "http", "echo", "udp", "greeting", "none", "discard".',
        ),
        (
            "[contract]\necho = 'line'",
            'line 2: echo = "line"; allowed are "bytes", "lines", "upper", "other". Did you mean "lines"?',
        ),
        ("[contract]\nworkers = 0", "line 2: workers = 0; allowed is a whole number from 1 to 1024."),
        ("[contract]\nworkers = true", "line 2: workers = true; allowed is a whole number from 1 to 1024."),
        ("[contract]\nworkers = '4'", 'line 2: workers = "4"; allowed is a whole number from 1 to 1024.'),
        ("[contract]\nmin_backlog = -1", "line 2: min_backlog = -1; allowed is a whole number from 0 to 65535."),
        ("[contract]\none_shot = 1", "line 2: one_shot = 1; allowed is true or false."),
        ("[contract]\nport = 80", "line 2: port belongs under [target], not under [contract]."),
        ("[target]\nport = 70000", "line 2: port = 70000; allowed is a port from 1 to 65535."),
        (
            "[target]\naddress = 'here'",
            'line 2: address = "here"; allowed is an IP address in quotes, as in "127.0.0.1".',
        ),
        (
            "[target]\ncommand = ['./server']",
            "line 2: command = a list; allowed is a command in quotes, with {port} where the port goes.",
        ),
        (
            "[target]\ncommand = './server {prt}'",
            'line 2: command = "./server {prt}"; {prt} is not known, only {port} is replaced. Did you mean {port}?',
        ),
        (
            "[target]\n\ncommand = './server -p{port} -d {root}'",
            'line 3: command = "./server -p{port} -d {root}"; {root} is not known, only {port} is replaced. Write what '
            "it stands for; {port} is where the port goes.",
        ),
        ("[target]\nbuild = ''", 'line 2: build = ""; allowed is a shell command in quotes.'),
        ("[target]\ncwd = 3", "line 2: cwd = 3; allowed is a folder in quotes."),
        ("[target]\nenv = { A = 1 }", "line 2: env.A = 1; allowed is a text in quotes."),
        ("[target.env]\nA = 'x'\nB = 2", "line 3: env.B = 2; allowed is a text in quotes."),
        (
            "[target]\nenv = 'A=1'",
            'line 2: env = "A=1"; allowed is a table of texts, as in env = { MODE = "test" }.',
        ),
        (
            "[http]\npath = 'index.html'",
            'line 2: path = "index.html"; allowed is a path that begins with "/", in quotes.',
        ),
        ("[http]\npersistent = 'yes'", 'line 2: persistent = "yes"; allowed is true or false.'),
        ("http.large_path = 'big'", 'line 1: large_path = "big"; allowed is a path that begins with "/", in quotes.'),
        ("[udp]\nmax_datagram = 65508", "line 2: max_datagram = 65508; allowed is a size in bytes from 1 to 65507."),
        (
            "[contrac]\nprotocol = 'http'",
            "line 1: [contrac] is not known. Did you mean '[contract]'? "
            "Known are [target], [contract], [http], [udp], [submission], [limits], [grading].",
        ),
        ("protocol = 'http'", "line 1: protocol belongs under [contract]."),
        (
            "colour = 'red'",
            "line 1: colour is not known. "
            "Known are [target], [contract], [http], [udp], [submission], [limits], [grading].",
        ),
        ("http = 'yes'", 'line 1: http = "yes"; it must be a table: [http].'),
        ("# x\n[[http]]\npath = '/'", "line 2: http = a list; it must be a table: [http]."),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    assert mistakes(tmp_path, text) == [message]


def test_all_mistakes_are_named_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = '[target]\nport = 0\n\n[http]\npath = "x"\n\n[contract]\nworkers = 0\nspeed = 9\n'
    assert [line.split(":")[0] for line in mistakes(tmp_path, text)] == ["line 2", "line 5", "line 8", "line 9"]


def test_a_line_inside_a_long_string_is_not_taken_for_a_key(tmp_path: Path) -> None:
    text = '[target]\nbuild = """\nport = 5\n"""\nport = 0\n'
    assert mistakes(tmp_path, text) == ["line 5: port = 0; allowed is a port from 1 to 65535."]


def test_what_is_not_toml_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gatecrash.toml is not TOML: .*line 2.*\. A line is: key = value"):
        read(tmp_path, "[contract]\nprotocol = http\n")


def test_a_missing_file_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gatecrash.toml cannot be read: No such file.*`gatecrash init` writes one"):
        read_contract(tmp_path / "gatecrash.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gatecrash.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="it is not UTF-8 text"):
        read_contract(tmp_path / "gatecrash.toml")


@pytest.mark.parametrize(
    "contract",
    [
        Contract.of(protocol="http", concurrency="fork", persistent=True, large_path="/big", post_path="/echo"),
        Contract.of(protocol="http", concurrency="prefork", workers=3, stable_body=False, address="::1"),
        Contract.of(protocol="udp", concurrency="iterative", max_datagram=512, port=9999),
        Contract.of(protocol="echo", concurrency="thread", echo="lines"),
        Contract(protocol="greeting", concurrency="fork", one_shot=True, child_closes_listener=False),
        Contract(),
    ],
)
def test_a_written_contract_is_read_back_the_same(tmp_path: Path, contract: Contract) -> None:
    section = TargetSection(
        build='make "all"',
        command="./a b {port}",
        cwd="x y",
        env={"A b": "1\n2"},
        port=contract.port,
        address=contract.address,
    )
    back, target = read(tmp_path, write_contract(contract, section))
    assert replace(back, written=frozenset()) == contract
    assert target == section


def test_a_written_contract_explains_its_lines_and_shows_what_could_be_added() -> None:
    text = write_contract(Contract(protocol="http", concurrency="fork"))
    assert '# command = "./server {port}"  # {port} is replaced; PORT is in the environment too' in text
    assert 'concurrency = "fork"  # iterative | fork | prefork | thread | event_loop | unknown' in text
    assert '# large_path = "/large"  # one whose answer is larger than 64 KiB' in text
    assert "[udp]" not in text


def test_a_port_is_written_only_when_the_server_does_not_take_the_one_it_is_given() -> None:
    assert "\nport = 8080  #" in write_contract(Contract(port=8080))
    assert "\n# port = 8080  #" in write_contract(Contract(port=9157, takes_port=True))


def test_silence_can_be_promised(tmp_path: Path) -> None:
    contract, _ = read(tmp_path, '[contract]\nprotocol = "discard"\n')
    assert (contract.protocol, contract.unknown.silence) == ("none", "promised")
    assert contract.with_discovered(silence="seen").unknown.silence == "promised"
    again, _ = read(tmp_path, write_contract(contract))
    assert again.unknown.silence == "promised"


def test_limits_are_those_of_the_table_and_else_the_usual(tmp_path: Path) -> None:
    path = tmp_path / "gatecrash.toml"
    path.write_text("[limits]\nmemory = 64\nbuild_seconds = 5\n")
    assert read_limits(path) == Confinement(memory=64, build_seconds=5)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("memory = 1", "memory = 1; allowed is a whole number of MiB from 16 to 1048576."),
        ('disk = "64"', 'disk = "64"; allowed is a whole number of MiB from 1 to 1048576.'),
        ("memmory = 64", "memmory is not known in [limits]. Did you mean 'memory'?"),
        ("cpu_seconds = 0", "cpu_seconds = 0; allowed is whole seconds from 1 to 86400."),
    ],
)
def test_a_mistake_in_the_limits_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "gatecrash.toml"
    path.write_text(f"[limits]\n{line}\n")
    with pytest.raises(UsageError, match=re.escape(said)):
        read_limits(path)
