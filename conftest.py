"""Loads Gatecrash's side of pytest: the options, the fixture `trial`, how a broken rule is told."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from xdist.scheduler import LoadScopeScheduling

from gatecrash.engine.references import Judged, reference_names
from gatecrash.model.verdicts import Verdict
from gatecrash.pytest_plugin.reports import PROPERTY

pytest_plugins = ["gatecrash.pytest_plugin.plugin"]

#: Where bytecode is kept while the tests run, for those who want none beside the sources: the command is started
#: hundreds of times, and would compile itself, pytest and Hypothesis each time anew.
_BYTECODE = tempfile.mkdtemp(prefix="gatecrash-") if os.environ.pop("PYTHONDONTWRITEBYTECODE", "") else ""
if _BYTECODE:
    os.environ["PYTHONPYCACHEPREFIX"] = _BYTECODE
    os.chmod(_BYTECODE, 0o755)  # some tests start the command as somebody else, who may read it, too

#: Where Hypothesis keeps the constants of our sources, for all processes of this run of tests: each command that is
#: started reads every source for them otherwise, which takes it half a second.
_CONSTANTS = "" if "HYPOTHESIS_STORAGE_DIRECTORY" in os.environ else tempfile.mkdtemp(prefix="gatecrash-")
if _CONSTANTS:
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = _CONSTANTS

#: Files whose tests share what takes long to start.
_SHARING = frozenset({"tests/test_html_browser.py"})


class _Together(LoadScopeScheduling):
    """Sends all tests of a reference server to one worker: what it has tried already needs no probe there.

    The same for a file that shares a browser. xdist's own `loadgroup` writes its groups into the tests' ids, which
    pytest 9.2 does not let it do: without a word every test goes to any worker.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, parameter = nodeid.partition("::")[0], nodeid.rpartition("[")[2].rstrip("]")
        target = parameter.removesuffix("+sanitized")
        if target in reference_names():
            return target
        return file if file in _SHARING else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Ours where nobody asked for another one."""
    return _Together(config, log) if config.getoption("dist") == "loadgroup" else None


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option `--slow`."""
    parser.addoption("--slow", action="store_true", help="try what takes long, too")


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark `slow`."""
    config.addinivalue_line("markers", "slow: takes several seconds; only tried with --slow, or when it is named")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is slow, but for what was named by its file."""
    left_out = [one for one in items if one.get_closest_marker("slow") and not _in_full(one)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [one for one in items if one not in set(left_out)]


def _in_full(item: pytest.Item) -> bool:
    files = tuple(name.partition("::")[0] for name in item.config.args)
    named = tuple(name for name in files if name.endswith(".py"))
    return bool(item.config.getoption("--slow")) or str(item.path).endswith(named)


@pytest.fixture
def in_full(request: pytest.FixtureRequest) -> bool:
    """Whether a test that could do less is to do all."""
    return _in_full(request.node)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what this process kept aside for its workers, which have ended."""
    for folder in filter(None, (_BYTECODE, _CONSTANTS)):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _every_rule_is_put_to_the_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """On a reference server a rule does not merely hold: it was exercised, where the machine lets all be seen."""
    yield
    judged = getattr(getattr(request.node, "callspec", None), "params", {}).get("judged")
    if not isinstance(judged, Judged) or judged.id.removesuffix("+sanitized") not in reference_names():
        return
    from tests.exercised import unexercised
    from tests.faulty import unseen_here
    from tests.needs import refused

    if refused()["arena"] or refused()["borrowed sockets"]:
        return
    marked = request.node.get_closest_marker("rule")
    if marked is not None and marked.args[0] in unseen_here():
        return
    verdicts = [Verdict.from_json(json.loads(row)) for name, row in request.node.user_properties if name == PROPERTY]
    assert verdicts or judged.build != "plain", "nothing is known of this rule"
    assert not [said for verdict in verdicts if (said := unexercised(verdict, judged.build)) is not None]
