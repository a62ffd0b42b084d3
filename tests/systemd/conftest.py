"""Fixtures of the tests under a real systemd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.systemd.machine import Machine


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine that has booted."""
    with Machine(tmp_path_factory.mktemp("machine")) as booted:
        yield booted
