"""pytest's side: the options, the fixture `trial`, and how a broken rule is told.

Every suite test is marked with its rule (`@pytest.mark.rule("ACC-02", probe=...)`: its first example, where other rules
build on it) and ends with `trial.verify(scenarios)`.
With --target it judges that target; without, every reference server of the tree.
"""

from __future__ import annotations

import gc
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gatecrash import languages
from gatecrash.engine.cpu_quota import default_workers
from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.prerequisites import hidden_behind
from gatecrash.engine.profiles import Profile, profile, seconds
from gatecrash.engine.references import Judged, judged_targets
from gatecrash.engine.rule_broken import RuleBroken
from gatecrash.engine.run import Run
from gatecrash.engine.run_request import RunRequest
from gatecrash.engine.suite_run import trial_of
from gatecrash.engine.trial import Trial
from gatecrash.errors import GatecrashError, UsageError
from gatecrash.language import say, spoken
from gatecrash.model.verdicts import Verdict
from gatecrash.paths import tree_root
from gatecrash.pytest_plugin.entry import is_free, names_target
from gatecrash.pytest_plugin.reports import PROPERTY, TOLD, Gatherer
from gatecrash.reports import formats
from gatecrash.results.baseline import Baseline
from gatecrash.results.baseline_file import read_baseline
from gatecrash.results.folding import folded_lines
from gatecrash.rulebook import Rule, load
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.parent_death import die_with_parent
from gatecrash.target.resolve import resolve
from gatecrash.text import safe_text

_RUN_FOLDER = pytest.StashKey[Path]()
_TAKEN = pytest.StashKey[list[str]]()
_BASELINE = pytest.StashKey[Baseline]()
_UNOPENED = pytest.StashKey[set[str]]()  # targets of which this worker has said why they cannot be tried


#: What each option is called, and how pytest is told of it. Their values are kept under names of our own (`_asked`),
#: as others may have an option called --profile.
_OPTIONS: dict[str, dict[str, Any]] = {
    "--target": {
        "metavar": "TARGET",
        "help": "what to judge: a source file, a folder, a command, HOST:PORT (default: the reference servers)",
    },
    "--contract": {"metavar": "FILE", "help": "the gatecrash.toml to use (default: the one beside the target)"},
    "--profile": {"metavar": "NAME", "help": "quick, default or thorough (default: quick)"},
    "--only": {
        "metavar": "IDS",
        "action": "append",
        "default": [],
        "help": "rules or areas to try, separated by commas",
    },
    "--skip": {"metavar": "IDS", "action": "append", "default": [], "help": "rules or areas to leave out"},
    "--strict-rules": {"action": "store_true", "default": False, "help": "a broken SHOULD fails, too"},
    "--arena": {
        "default": "auto",
        "choices": ("auto", "namespace", "loopback"),
        "help": "where the target runs",
    },
    "--patience": {
        "metavar": "SECONDS",
        "type": seconds,
        "default": 5.0,
        "help": "seconds before a wait that proves nothing is given up",
    },
    "--gatecrash-report": {
        "metavar": "FORMAT=FILE",
        "action": "append",
        "default": [],
        "help": "write a report of the target: junit=gate.xml; may be repeated",
    },
    "--baseline": {"metavar": "FILE", "help": "known failures, which fail nothing"},
    "--plain-only": {"action": "store_true", "default": False, "help": "leave the sanitized build out"},
}


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """The options of a run, but for those that another plugin has."""
    group = parser.getgroup("gatecrash", "Gatecrash: judge a socket server")
    taken = [option for option in _OPTIONS if not is_free(option, parser)]
    for option, facts in _OPTIONS.items():
        if option not in taken:
            group.addoption(option, dest=_dest(option), **facts)
    config = pluginmanager.get_plugin("pytestconfig")
    assert isinstance(config, pytest.Config)
    config.stash[_TAKEN] = taken


def _dest(option: str) -> str:
    return "gatecrash_" + option.removeprefix("--").replace("-", "_")


def _asked(config: pytest.Config, option: str) -> Any:
    """The value of an option; its default where another plugin has one of its name."""
    return config.getoption(_dest(option), _OPTIONS[option].get("default"))


def _profile(config: pytest.Config) -> Profile:
    try:
        return profile(_asked(config, "--profile") or os.environ.get("GATECRASH_PROFILE", "quick"))
    except GatecrashError as error:
        raise pytest.UsageError(str(error)) from None


def _refuse_the_options_of_others(config: pytest.Config) -> None:
    """An option that was given and is another plugin's would be obeyed by that one, and not by us."""
    given = [arg.partition("=")[0] for arg in config.invocation_params.args]
    clashing = [option for option in config.stash[_TAKEN] if option in given]
    if clashing and names_target(list(config.invocation_params.args)):
        raise pytest.UsageError(
            f"another plugin of this pytest has an option {clashing[0]}, so Gatecrash cannot have it. "
            "Leave that plugin out (-p no:NAME), or use `gatecrash check`."
        )


def pytest_configure(config: pytest.Config) -> None:
    """The marker, and one folder a run that all its workers share."""
    _refuse_the_options_of_others(config)
    _profile(config)
    config.addinivalue_line("markers", "rule(id): the rule a suite test tries")
    try:
        if _asked(config, "--target") is not None:
            languages.use(None)
        config.stash[_BASELINE] = read_baseline(Path(known)) if (known := _asked(config, "--baseline")) else Baseline()
        gatherer = None if hasattr(config, "workerinput") else _gatherer(config)
    except GatecrashError as error:
        raise pytest.UsageError(str(error)) from None
    if not hasattr(config, "workerinput"):
        config.stash[_RUN_FOLDER] = gatherer.run.folder if gatherer is not None else SessionPool.new_folder()
        if gatherer is not None:
            config.pluginmanager.register(gatherer, "gatecrash-reports")
    else:
        die_with_parent()
        config.stash[_RUN_FOLDER] = Path(config.workerinput["gatecrash_run"])


def _gatherer(config: pytest.Config) -> Gatherer | None:
    """Who writes the reports of a run with a target. Raises UsageError for one that could not be written."""
    target = _asked(config, "--target")
    reports = tuple(formats.wanted(_asked(config, "--gatecrash-report")))
    if target is None:
        asked = [name for name in ("--gatecrash-report", "--baseline") if _asked(config, name)]
        if asked:
            raise UsageError(f"{asked[0]} needs --target: it is about one target.")
        return None
    request = RunRequest(
        target=target,
        rules=load().select(_asked(config, "--only"), _asked(config, "--skip")),
        named=target,
        profile=_profile(config).name,
        arena=_asked(config, "--arena"),
        patience=_asked(config, "--patience"),
        contract=_asked(config, "--contract"),
        strict=_asked(config, "--strict-rules"),
        baseline=config.stash[_BASELINE] if _asked(config, "--baseline") else None,
    )
    _look_at(request)
    return Gatherer(Run(request, SessionPool.new_folder()), reports)


def _look_at(request: RunRequest) -> None:
    """Raise GatecrashError for a target, or an arena, that is not there: once, and not in every test."""
    resolve(request.target, Path(request.contract) if request.contract else None)
    if request.arena == "namespace":
        Arena.open(kind="namespace").close()


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """`-n auto`: what this process may use, by affinity and its control group's quota; not the host's cores."""
    return None if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS") else default_workers()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder this run made for itself."""
    if not hasattr(config, "workerinput"):
        SessionPool.remove_folder(config.stash.get(_RUN_FOLDER, None))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the run's folder is."""
    node.workerinput["gatecrash_run"] = str(node.config.stash[_RUN_FOLDER])


# -- which tests, on which targets ----------------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each judged target, and each of its builds."""
    if "trial" not in metafunc.fixturenames:
        return
    rule = _rule_of(metafunc.definition)
    judged = judged_targets(
        _asked(metafunc.config, "--target"), rule, sanitized=not _asked(metafunc.config, "--plain-only")
    )
    metafunc.parametrize("judged", judged, ids=[one.id for one in judged], scope="session")


def _rule_of(node: Any) -> Rule:
    marker = node.get_closest_marker("rule")
    if marker is None:
        raise pytest.UsageError(f"{node.name} uses the fixture trial and has no @pytest.mark.rule(...)")
    return load().get(marker.args[0])


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With --target, the tests of the engine itself are nobody's business."""
    if _asked(config, "--target") is None:
        return None
    tests = tree_root() / "tests"
    return True if tests in (collection_path, *collection_path.parents) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the rules that --only and --skip leave; with --target, keep nothing but the suites."""
    only, skip = _asked(config, "--only"), _asked(config, "--skip")
    place = {rule.id: number for number, rule in enumerate(load().in_order())}
    suites = iter(
        sorted((item for item in items if _kept(item, set(place))), key=lambda item: place[_rule_of(item).id])
    )
    # Basic rules come first: their trials tell what is hidden behind them.
    items[:] = [next(suites) if _kept(item, set(place)) else item for item in items]
    if not only and not skip and _asked(config, "--target") is None:
        return
    try:
        chosen = {rule.id for rule in load().select(only, skip)}
    except GatecrashError as error:
        raise pytest.UsageError(str(error)) from None
    kept = [item for item in items if _kept(item, chosen)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported and collected lives to the end: the garbage collector need not look through it again."""
    gc.freeze()


def _kept(item: pytest.Item, chosen: set[str]) -> bool:
    marker = item.get_closest_marker("rule")
    return marker is not None and marker.args[0] in chosen


# -- the fixture ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def session_pool(pytestconfig: pytest.Config) -> Iterator[SessionPool]:
    """Builds and discovers targets, once a run, and keeps this worker's sessions."""
    with SessionPool(
        pytestconfig.stash[_RUN_FOLDER],
        arena=_asked(pytestconfig, "--arena"),
        patience=_asked(pytestconfig, "--patience"),
        contract=_asked(pytestconfig, "--contract"),
    ) as made:
        yield made


@pytest.fixture
def trial(request: pytest.FixtureRequest, judged: Judged, session_pool: SessionPool) -> Iterator[Trial]:
    """The trial of this test's rule on the judged target; skips where the rule does not apply or cannot be seen."""
    rule = _rule_of(request.node)
    started = time.monotonic()
    try:
        opened = session_pool.open(judged.target, judged.build)
    except GatecrashError as error:
        unopened = request.config.stash.setdefault(_UNOPENED, set())
        if judged.target in unopened:  # a compiler's words, a hundred times over, hide what else there is to read
            pytest.skip(f"not tried: {judged.target} does not build or start, as an error of this run says")
        unopened.add(judged.target)
        pytest.fail(str(error), pytrace=False)
    if opened is None:
        pytest.skip("there is no sanitized build of this target")
    probe = request.node.get_closest_marker("rule").kwargs.get("probe")
    made = trial_of(rule, opened, judged.build, _profile(request.config), probe)
    if isinstance(made, Verdict):
        _note(request.node, made)
        pytest.skip(f"{rule.id} {made.outcome.replace('_', ' ')}: {spoken(made.reason)}")
    yield made
    for other in made.others.values():
        _note(request.node, other)
    if made.verdict is not None:
        _note(request.node, made.verdict)
        opened.prerequisites.learn(hidden_behind([made.verdict]))
        if made.verdict.outcome == "inconclusive":
            request.node.user_properties.append(("gatecrash-inconclusive", str(made.verdict.reason)))
    request.node.user_properties.append(("gatecrash-seconds", round(time.monotonic() - started, 3)))


def _note(node: pytest.Item, verdict: Verdict) -> None:
    node.user_properties.append((PROPERTY, json.dumps(verdict.to_json())))


# -- what is reported -----------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A broken rule is shown as what it is, not as a traceback; a broken SHOULD only fails with --strict."""
    report = yield
    broken = call.excinfo.value if call.excinfo is not None else None
    if isinstance(broken, RuleBroken):
        rule = load().get(broken.finding.rule)
        report.longrepr = _told(rule, broken)
        setattr(report, TOLD, True)
        known = item.config.stash[_BASELINE].excuse(Verdict(rule.id, "fail", finding=broken.finding))
        if known is not None:
            report.outcome, report.wasxfail = "skipped", safe_text(f"known failure (baseline) {known.reason}".rstrip())
        elif rule.level != "MUST" and not _asked(item.config, "--strict-rules"):
            report.outcome, report.wasxfail = "skipped", f"{rule.id} is a {rule.level}"
    elif (unseen := _not_observed(item)) is not None and call.when == "call" and report.passed:
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.reportinfo()[1], f"Skipped: {unseen}")
    return report


def _not_observed(item: pytest.Item) -> str | None:
    """Why a rule that was tried could not be seen after all: its test has not passed."""
    made = getattr(item, "funcargs", {}).get("trial")
    verdict = made.verdict if isinstance(made, Trial) and made.build == "plain" else None
    if verdict is None or verdict.outcome != "not_observable":
        return None
    return f"{verdict.rule} not observable: {spoken(verdict.reason)}"


def _told(rule: Rule, broken: RuleBroken) -> str:
    finding = broken.finding
    lines = [f"{rule.id} {rule.level}: {spoken(rule.title)}"]
    lines += (f"{number:2}. {spoken(line)}" for number, line in folded_lines(broken.scenario.steps))
    lines += [say("expected: {expected}", expected=finding.expected), say("got:      {got}", got=finding.got)]
    lines += map(spoken, finding.lines)
    return safe_text("\n".join(lines))
