"""What every pytest loads where Gatecrash is installed: nothing, until a run names `--target` and no files.

`pytest --target=server.c` then collects the suites, wherever they are installed, and neither the tests nor the
conftest.py of the folder it is typed in. The options are made only then, so that they can clash with nobody's.
"""

from __future__ import annotations

import sys
from itertools import pairwise

import pytest

#: The options of `gatecrash.pytest_plugin.plugin` that take a value.
WITH_VALUE = frozenset(
    {
        "--target",
        "--contract",
        "--profile",
        "--only",
        "--skip",
        "--arena",
        "--patience",
        "--baseline",
        "--gatecrash-report",
    }
)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """With --target and no files named, judge: load Gatecrash's side of pytest, and collect the suites."""
    known = early_config.known_args_namespace
    if not names_target(args) or _files(known.file_or_dir, args) or not is_free("--target", parser):
        return
    from gatecrash.paths import tree_root

    early_config.pluginmanager.import_plugin("gatecrash.pytest_plugin.plugin")
    suites = str(tree_root() / "suites")
    args.append(suites)
    known.file_or_dir[:] = [suites]
    known.confcutdir = str(tree_root())
    sys.path.insert(0, str(tree_root()))


def names_target(args: list[str]) -> bool:
    """Whether a target is named on the command line."""
    return any(arg == "--target" or arg.startswith("--target=") for arg in args)


def _files(positional: list[str], args: list[str]) -> list[str]:
    """The files that were named.

    Of `--target server.c`, pytest takes server.c for one while it has no such option; of `--target=./server {port}`,
    which has a blank in it, all.
    """
    values = [value for option, value in pairwise(args) if option in WITH_VALUE]
    return [name for name in positional if name not in values and name.partition("=")[0] not in WITH_VALUE]


def is_free(option: str, parser: pytest.Parser) -> bool:
    """Whether nobody has made an option of this name."""
    probe = f"{option}=0"
    try:
        return probe in parser.parse_known_and_unknown_args([probe])[1]
    except pytest.UsageError:  # somebody has, and takes no such value
        return False
