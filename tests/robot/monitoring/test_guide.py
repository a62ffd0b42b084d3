"""What docs/monitoring.md tells people to write works, and names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from robot_node.settings.loading import load_settings
from tests.robot.monitoring.queries import CONFIG, RULES

GUIDE = (Path(__file__).parents[3] / "docs" / "monitoring.md").read_text()


@pytest.mark.parametrize("recipe", re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL))
def test_the_recipes_are_settings(tmp_path: Path, recipe: str) -> None:
    file = tmp_path / "robot.toml"
    file.write_text(recipe)
    assert load_settings(file) != load_settings()


def test_the_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"config/[\w/.-]+", GUIDE))
    assert {"config/prometheus/prometheus.yml", "config/grafana/robot-node.json"} <= named
    assert [name for name in named if not (CONFIG.parent / name).exists()] == []


def test_every_alert_is_told() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    assert re.findall(r"^\| `(Robot\w+)` \|", GUIDE, re.MULTILINE) == alerts
