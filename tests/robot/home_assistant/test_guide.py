"""The recipes of docs/home-assistant.md are settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from robot_node.settings.loading import load_settings

GUIDE = (Path(__file__).parents[3] / "docs" / "home-assistant.md").read_text()


@pytest.mark.parametrize("recipe", re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL))
def test_the_recipes_are_settings(tmp_path: Path, recipe: str) -> None:
    file = tmp_path / "robot.toml"
    file.write_text(recipe)
    assert load_settings(file) != load_settings()
