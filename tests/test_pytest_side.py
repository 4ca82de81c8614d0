"""`pytest --target=…` judges from any folder, and a pytest that does not ask for it never notices Gatecrash."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatecrash.engine.profiles import seconds
from gatecrash.paths import tree_root
from gatecrash.pytest_plugin.entry import WITH_VALUE
from gatecrash.pytest_plugin.plugin import _OPTIONS

SERVER = tree_root() / "servers" / "python" / "http_iterative.py"
HOSTILE = 'raise RuntimeError("the conftest.py of a submission was loaded")\n'
COLLECT = ("--collect-only", "-q", "-p", "no:cacheprovider")
OPTIONS_OF_OTHERS = """
def pytest_addoption(parser):
    for name in ("--target", "--contract", "--profile", "--only", "--skip", "--arena", "--patience", "--plain-only"):
        parser.addoption(name, default=None)
"""


def run_pytest(folder: Path, *arguments: str, plugins: Path | None = None) -> subprocess.CompletedProcess[str]:
    """pytest as typed in `folder`, with Gatecrash's entry point, whether or not this environment has it on record.

    `plugins`: a folder of modules that `-p` can name.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (tree_root(), *((plugins,) if plugins else ()))))
    command = [sys.executable, "-P", "-m", "pytest", "-p", "gatecrash.pytest_plugin.entry", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("naming", [[f"--target={SERVER}"], ["--target", str(SERVER)]], ids=["equals", "space"])
def test_a_target_is_judged_from_any_folder_and_nothing_of_the_folder_is_loaded(
    tmp_path: Path, naming: list[str]
) -> None:
    for name in ("conftest.py", "test_own.py", "strategies/__init__.py", "servers/__init__.py", "suites/conftest.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(HOSTILE)
    done = run_pytest(tmp_path, *naming, "--only", "ACC-01", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.slow
def test_a_broken_rule_fails_the_run(tmp_path: Path) -> None:
    server = tree_root() / "servers" / "faulty" / "never_reaps.py"
    done = run_pytest(tmp_path, f"--target={server}", "--only=FORK-02", "-q", "--profile=glance")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FORK-02 MUST" in done.stdout


@pytest.mark.slow
def test_a_project_that_does_not_ask_for_gatecrash_loads_nothing_of_it_and_keeps_its_option_names(
    tmp_path: Path,
) -> None:
    (tmp_path / "conftest.py").write_text(OPTIONS_OF_OTHERS)
    (tmp_path / "test_own.py").write_text(
        "import sys\n"
        "def test_own(request):\n"
        "    ours = {name for name in sys.modules if name.startswith('gatecrash')}\n"
        "    assert ours == {'gatecrash', 'gatecrash.pytest_plugin', 'gatecrash.pytest_plugin.entry'}\n"
        "    assert request.config.getoption('--target') in (None, 'staging')\n"
    )
    for arguments in (["-q"], ["-q", "--target=staging", "test_own.py"], ["-q", "--target", "staging", "test_own.py"]):
        done = run_pytest(tmp_path, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def test_an_option_that_is_another_plugins_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "profiling.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--profile', action='store_true')\n"
    )
    plugin = ("-p", "profiling", f"--rootdir={tmp_path}")
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {tmp_path}\n")
    done = run_pytest(tmp_path, *plugin, f"--target={SERVER}", "--profile", *COLLECT)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "another plugin of this pytest has an option --profile" in done.stderr
    done = run_pytest(tmp_path, *plugin, f"--target={SERVER}", *COLLECT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_with_a_target_the_tests_of_the_engine_are_not_even_looked_at() -> None:
    done = run_pytest(tree_root(), f"--target={SERVER}", *COLLECT)
    assert done.returncode == 0, done.stdout + done.stderr
    collected = [line for line in done.stdout.splitlines() if "::" in line]
    assert collected
    assert all(line.startswith("suites/") for line in collected)
    assert "deselected" not in done.stdout


@pytest.mark.slow
def test_without_a_target_the_checkout_collects_suites_and_tests() -> None:
    done = run_pytest(tree_root(), *COLLECT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {line.partition("/")[0] for line in done.stdout.splitlines() if "::" in line} == {"suites", "tests"}


@pytest.mark.parametrize("patience", ["0", "-1", "600.1", "soon", "nan", "inf", ""])
def test_a_patience_that_is_no_time_is_refused(patience: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give seconds, above 0 and at most 600"):
        seconds(patience)


@pytest.mark.slow
@pytest.mark.parametrize("patience", ["601", "-1"])
def test_such_a_patience_ends_the_command_and_pytest_with_a_sentence(tmp_path: Path, patience: str) -> None:
    command = [sys.executable, "-P", "-m", "gatecrash", "check", str(SERVER), f"--patience={patience}"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    for done in (checked, run_pytest(tmp_path, f"--target={SERVER}", f"--patience={patience}")):
        assert done.returncode == 4
        assert f"'{patience}' is not a time; give seconds, above 0 and at most 600" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argument", "words"),
    [("--profile=hasty", ["hasty", "quick"]), ("--only=ACC-999", ["ACC-999"]), ("--arena=moon", ["moon", "loopback"])],
)
def test_a_mistyped_option_names_what_was_wrong(tmp_path: Path, argument: str, words: list[str]) -> None:
    done = run_pytest(tmp_path, f"--target={SERVER}", argument, *COLLECT)
    assert done.returncode == 4, done.stdout + done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr


def test_the_entry_knows_which_options_take_a_value() -> None:
    assert {name for name, facts in _OPTIONS.items() if "metavar" in facts or "choices" in facts} == WITH_VALUE


def test_a_rule_without_a_measure_is_skipped_with_its_reason_and_has_not_passed(tmp_path: Path) -> None:
    server = tree_root() / "servers" / "faulty" / "large_page_unflushed.c"
    (tmp_path / "contract.toml").write_text('[http]\nlarge_path = "/large"\n')
    named = (f"--target={server}", "--contract=contract.toml", "--plain-only", "--only=RESP-28", "--profile=glance")
    done = run_pytest(tmp_path, *named, "-rs", "-p", "no:cacheprovider")
    assert "1 skipped" in done.stdout, done.stdout + done.stderr
    assert "RESP-28 not observable: a lone client got no answer to GET /large either" in done.stdout


@pytest.mark.slow
def test_a_target_that_does_not_build_is_one_error_and_what_was_not_tried(tmp_path: Path) -> None:
    (tmp_path / "server.c").write_text("int main(void) { return nothing; }\n")
    done = run_pytest(tmp_path, f"--target={tmp_path / 'server.c'}", "--only=accept", "-q", "-rs", "-p", "no:xdist")
    assert done.returncode == 6, done.stdout + done.stderr  # the target does not build
    assert "1 error" in done.stdout
    assert "skipped" in done.stdout
    assert "server.c does not build or start, as an error of this run says" in done.stdout
    assert done.stdout.count("ERROR at setup of") == 1
