"""The choice of the hardware."""

from __future__ import annotations

import sys

import pytest

from robot_node import hardware
from robot_node.errors import SettingsError
from robot_node.settings.root import Settings


def test_without_numpy_simulated_hardware_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)  # as in a virtual environment with the wheel alone
    with pytest.raises(SettingsError, match="needs the Python package numpy") as caught:
        hardware.choose(Settings(), simulated=True)
    assert "pip install numpy" in caught.value.remedy
