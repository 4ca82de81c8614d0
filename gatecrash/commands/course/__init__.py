"""Ready folders for course platforms: the files as they are, and writing them where an instructor wants them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from gatecrash import __version__
from gatecrash.errors import UsageError
from gatecrash.paths import tree_root

#: What a platform's folder holds; those that are run are executable.
GRADESCOPE = ("setup.sh", "run_autograder", "gatecrash.toml", "README.md")
_RUN = ("setup.sh", "run_autograder")
#: What pip needs to install Gatecrash from a copy of its checkout.
_SOURCES = ("gatecrash", "suites", "strategies", "servers")
_BESIDE = ("pyproject.toml", "hatch_build.py", "conftest.py", "README.md")


def write_gradescope(folder: Path, *, force: bool) -> list[Path]:
    """Write the folder, and a copy of this checkout for its setup.sh. Returns the files an instructor looks at.

    Raises UsageError when something is in the way and `force` is not given.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"{folder} is a file; name a folder for the autograder, as in `gatecrash init gradescope hw3`."
        )
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} has files in it already; name another folder, or overwrite them with --force.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = [_write(folder, name) for name in GRADESCOPE]
        _carry(folder / "gatecrash")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}.") from None
    return written


def _write(folder: Path, name: str) -> Path:
    text = (files(__name__) / "gradescope" / name).read_text(encoding="utf-8")
    path = folder / name
    path.write_text(text.replace("@VERSION@", __version__), encoding="utf-8")
    if name in _RUN:
        path.chmod(0o755)
    return path


def _carry(folder: Path) -> None:
    """The sources to install from, where there are some: an installed wheel has none, and is installed by version."""
    root = tree_root()
    if not (root / "pyproject.toml").is_file():
        return
    for path in _sources(root):
        copy = folder / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _sources(root: Path) -> Iterator[Path]:
    yield from (root / name for name in _BESIDE if (root / name).is_file())
    for name in _SOURCES:
        yield from (path for path in (root / name).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
