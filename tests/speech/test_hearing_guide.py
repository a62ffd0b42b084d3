"""What the guide shows works."""

from __future__ import annotations

import re
from pathlib import Path

from robot_node.settings.devices import HearingSettings
from robot_node.settings.loading import load_settings

GUIDE = (Path(__file__).parents[2] / "docs" / "hearing.md").read_text()


def test_the_settings_are_settings(tmp_path: Path) -> None:
    found = re.search(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    assert found is not None
    (tmp_path / "robot.toml").write_text(found[1])
    settings = load_settings(tmp_path / "robot.toml")
    assert settings.hearing.engine == "pocketsphinx"
    assert "hello robot" in settings.hearing.phrases


def test_the_defaults_are_those_of_the_program() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \|(?: `(.*?)`)? \|", GUIDE, re.MULTILINE))
    assert set(HearingSettings.model_fields) <= set(table)
    defaults = HearingSettings()
    assert table["engine"] == f'"{defaults.engine}"'
    assert table["source"] == f'"{defaults.source}"'
    assert table["language"] == f'"{defaults.language}"'
    assert (table["phrases"], table["model"]) == ("[]", "")
    assert (defaults.phrases, defaults.model) == ((), None)
