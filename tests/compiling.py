"""Test files are compiled once on a fresh checkout: each process of a run compiles its share of them first.

pytest rewrites the asserts of each test file, 8 s of processor time for all of them; processes that read all files in
the same order would all do so at the same time.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parents[1]


def compile_share(config: pytest.Config) -> None:
    """Import every n-th of the test files that this run is about and that are not compiled, in the n-th process of it.

    One that cannot be imported is for pytest to report, when it collects it.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if not worker.isdecimal():
        return
    processes = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    for path in share([file for file in _files(config.args) if not _is_compiled(file)], int(worker), processes):
        name = ".".join(path.relative_to(_REPOSITORY).with_suffix("").parts)
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(name)


def share(files: list[Path], number: int, processes: int) -> list[Path]:
    """The files of one process."""
    return files[number::processes]


def _files(arguments: Iterable[str]) -> list[Path]:
    """The test files in what pytest was called with: folders, files, and names of tests."""
    paths = {(_REPOSITORY / argument.partition("::")[0]).resolve() for argument in arguments}
    files = {file for path in paths for file in (path.rglob("test_*.py") if path.is_dir() else (path,))}
    return sorted(file for file in files if file.is_relative_to(_REPOSITORY / "tests"))


def _is_compiled(file: Path) -> bool:
    compiled = (file.parent / "__pycache__").glob(f"{file.stem}.*-pytest-*.pyc")
    return any(each.stat().st_mtime >= file.stat().st_mtime for each in compiled)
