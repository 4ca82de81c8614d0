"""The documentation is true: its commands run as it says, its links lead somewhere, its tables name every key."""

from __future__ import annotations

import html
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from gatecrash.cli import _parser
from gatecrash.config.contract_file import _TABLES, read_contract, read_grading
from gatecrash.paths import tree_root
from gatecrash.reports.formats import FORMATS
from gatecrash.rulebook import AREAS, load

_ROOT = tree_root()
_PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(p.relative_to(_ROOT)) for p in (_ROOT / "docs").glob("*.md")),
]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_OURS = re.compile(r"(gatecrash|pytest|python -m) ")

#: The servers of the test that stand for those a page talks about: the quickest to judge that make it true.
_SERVERS = {
    "server.c": "faulty/never_answers.c",
    "faulty.c": "faulty/never_answers.c",
    "reference.c": "c/udp_echo.c",
    "submissions/ann/server.c": "faulty/never_answers.c",
    "submissions/김하늘/server.c": "c/udp_echo.c",
}

#: What a command ends with, where that is not 0.
_CODES = {
    "gatecrash check server.c": 1,
    "gatecrash check server.c --lang ko": 1,
    "gatecrash check server.c --args '{port} www'": 1,
    "gatecrash check faulty.c --contract course.toml": 1,
    "gatecrash check server.c --only-failed": 1,
    "gatecrash check server.c --only RESP-01 --report html=report.html": 1,
    "gatecrash replay RESP-01": 1,
}

_AS_ME = '--user "$(id -u):$(id -g)" --volume "$PWD:/work"'

#: What is not run here, and why. A line that no page shows has no business here.
_NOT_RUN = {
    "python3 -m venv .venv && . .venv/bin/activate": ".ci/run does it",
    "pip install -e .": ".ci/run does it",
    "pip install -e '.[dev]'": ".ci/run does it",
    "./check": ".ci/run does it",
    ".ci/run": "it runs this test",
    "pytest -n auto": "this is what runs this test",
    "pytest -n auto --slow": "this is what runs this test",
    "gatecrash watch server.c": "it ends when its user ends it: tests/test_watch.py",
    "gatecrash explain --all --output docs/rules": "tests/test_rule_pages.py runs it",
    "python -m tests.catalogue": "writes into the checkout; tests/test_language.py holds the catalogues to the sources",
    "python -m tests.matrix > docs/detection-matrix.md": "judges every faulty server, as tests/test_faulty.py does",
    "python -m tests.still > docs/still.svg": "a whole run for the picture; the picture is looked at below",
    "python -m benchmarks.segmented": "measures for minutes",
    "python -m benchmarks.class_of_100": "measures for minutes",
    "python -m benchmarks.same_scores": "measures for minutes",
    "python -m benchmarks.timed_servers": "measures for minutes",
    "docker build --tag gatecrash .": "no container engine in the tests; tests/test_ci_files.py reads the Dockerfile",
    'docker run --rm --volume "$PWD:/work:ro" gatecrash check server.c': "no container engine in the tests",
    f"docker run --rm {_AS_ME} gatecrash grade submissions --contract course.toml": "no container engine in the tests",
    "systemd-run --user --scope -p Delegate=yes gatecrash grade submissions --contract course.toml": (
        "no systemd in the tests; tests/test_cgroups.py plays it"
    ),
    "gatecrash grade --example": "twelve servers; tests/test_grade_example.py writes the class and grades two of it",
}


@cache
def _text(page: str) -> str:
    return (_ROOT / page).read_text(encoding="utf-8")


def _bare(line: str) -> str:
    """A command without the comment behind it."""
    return re.sub(r"\s{2,}#.*$", "", line).strip()


def _shown(page: str) -> list[str]:
    """The commands of a page's shell blocks, in their order; an `sh` block is one script."""
    found: list[str] = []
    for language, body in _FENCE.findall(_text(page)):
        if language == "console":
            found += [_bare(line[2:]) for line in body.splitlines() if line.startswith("$ ")]
        elif language in ("sh", "bash", "shell"):
            found.append(body)
    return found


def _mentioned(page: str) -> list[str]:
    """The commands named in a page's sentences."""
    prose = _FENCE.sub("", _text(page)).replace("\\|", "|")
    return [text for text in _INLINE.findall(prose) if _OURS.match(text)]


def _world(folder: Path) -> dict[str, str]:
    """The folder that a page's reader types in, and the environment."""
    for name, server in _SERVERS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_ROOT / "servers" / server, folder / name)
    (folder / "course.toml").unlink(missing_ok=True)
    tools = folder / "tools"
    tools.mkdir()
    (tools / "gatecrash").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m gatecrash "$@"\n')
    (tools / "pytest").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pytest "$@"\n')
    (tools / "curl").write_text("#!/bin/sh\nexec cat grade.form\n")  # posts nothing anywhere
    for tool in tools.iterdir():
        tool.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GATECRASH_"))}
    paths = f"{_ROOT}:{kept.get('PYTHONPATH', '')}".rstrip(":")
    cache_home = str(folder / "cache")
    return {
        **kept,
        "PATH": f"{tools}:{kept['PATH']}",
        "PYTHONPATH": paths,
        "XDG_CACHE_HOME": cache_home,
        "GATECRASH_PROFILE": "glance",  # what a page promises is the command and its exit code, not its thoroughness
        "LANG": "C.UTF-8",
    }


#: Commands that another page's run has shown already are not run again, unless this page's next ones build on them.
_AGAIN = {"docs/students.md", "docs/instructors.md"}
_FIRST = {command: page for page in reversed(_PAGES) for command in _shown(page)}


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in _PAGES if _shown(page)])
def test_the_commands_of_a_page_end_as_it_says(page: str, tmp_path: Path) -> None:
    environment = _world(tmp_path)
    for command in _shown(page):
        if command in _NOT_RUN or (page not in _AGAIN and _FIRST[command] != page):
            continue
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == _CODES.get(command, 0), f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr, command


@pytest.mark.parametrize("page", _PAGES)
def test_the_commands_in_sentences_are_commands(page: str) -> None:
    for text in _mentioned(page):
        command = text.replace("[", "").replace("]", "").partition(" > ")[0]
        words = shlex.split(command)
        if words[0] == "gatecrash":
            _parser(words[1:]).parse_args(words[1:])  # exits where the page names what is none
        elif words[0] == "python":
            assert importlib.util.find_spec(words[2]) is not None, text


def test_what_is_not_run_is_shown_somewhere() -> None:
    shown = {command for page in _PAGES for command in [*_shown(page), *_mentioned(page)]}
    assert set(_NOT_RUN) <= shown
    assert set(_CODES) <= shown
    ci = (_ROOT / ".ci" / "run").read_text()
    assert all(f"\n{command}\n" in ci for command in ("./check", "gatecrash check", "pytest -n auto --slow"))


def test_modules_that_are_not_run_are_there() -> None:
    modules = {command.split()[2] for command in _NOT_RUN if command.startswith("python -m ")}
    assert all(importlib.util.find_spec(module) is not None for module in modules)


_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def _anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_relative_links_lead_somewhere() -> None:
    hidden = {".git", ".venv", "node_modules"}
    pages = [p for p in _ROOT.rglob("*.md") if not hidden & set(p.relative_to(_ROOT).parts)]
    broken = []
    for page in pages:
        prose = _INLINE.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))
        for link in _LINK.findall(prose):
            name, _, anchor = link.partition("#")
            goal = page.parent / name if name else page
            if "://" in link or link.startswith("mailto:"):
                continue
            if not goal.exists() or (anchor and goal.suffix == ".md" and anchor not in _anchors(goal)):
                broken.append(f"{page.relative_to(_ROOT)}: {link}")
    assert not broken


def test_the_contract_page_names_every_key_and_its_examples_are_read(tmp_path: Path) -> None:
    import tomllib

    page = _text("docs/contract.md")
    named: dict[str, set[str]] = {}
    for number, (language, body) in enumerate(_FENCE.findall(page)):
        if language != "toml":
            continue
        path = tmp_path / f"{number}.toml"
        path.write_text(body)
        read_contract(path)
        read_grading(path)
        for table, keys in tomllib.loads(body).items():
            named.setdefault(table, set()).update(keys)
    rows = page + "".join(f"| {table} | {key} |" for table, keys in named.items() for key in keys)
    for table, model in _TABLES.items():
        missing = {key for key in model.model_fields if f"| {table} | {key} |" not in rows}
        assert not {key for key in missing if not re.search(rf"^\| `?{key}`? \|", page, re.MULTILINE)}, table


def test_the_json_page_names_every_field(tmp_path: Path) -> None:
    _world(tmp_path)
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [
        sys.executable,
        "-m",
        "gatecrash",
        "check",
        "reference.c",
        "--only",
        "DGRAM-01",
        "--report",
        "json=r.json",
    ]
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True, timeout=300)
    result = json.loads((tmp_path / "r.json").read_text())
    documented = set(re.findall(r"`(\w+)`", _text("docs/json.md")))
    assert {*result, *result["verdicts"][0]} <= documented


def test_every_format_is_documented() -> None:
    pages = "".join(_text(page) for page in ("README.md", "docs/ci.md", "docs/instructors.md", "docs/students.md"))
    assert not [name for name in FORMATS if not re.search(rf"(`|report ){re.escape(name)}(`|=)", pages)]


def test_the_picture_fetches_nothing() -> None:
    picture = (_ROOT / "docs" / "still.svg").read_text(encoding="utf-8")
    assert "gatecrash" in picture
    assert "LIFE-06" in picture
    assert not re.findall(r"@font-face|@import|<script|<image|href=|url\((?!#)", picture)


def test_the_picture_counts_the_rules_there_are() -> None:
    """A line an area: what holds, is broken and does not apply is all there is; `python -m tests.still` draws it."""
    picture = (_ROOT / "docs" / "still.svg").read_text(encoding="utf-8")
    drawn = re.findall(r'<text[^>]* y="([\d.]+)"[^>]*>(.*?)</text>', picture)
    lines = ["".join(text for at, text in drawn if at == y) for y in dict.fromkeys(y for y, _ in drawn)]
    said = [html.unescape(line).replace("\xa0", " ") for line in lines]
    for area in AREAS:
        line = next(line for line in said if re.match(rf"[✓✗– ] {area} ", line))
        counted = sum(int(number) for number in re.findall(r"(\d+) (?:hold|broken|do not apply|not observable)", line))
        assert counted == sum(rule.area == area for rule in load().rules) or line.endswith("does not apply"), line
