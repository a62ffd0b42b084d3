"""docs/motion.md: its settings work, and its picture shows them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from robot_node.settings.root import Settings
from scripts import motion_zones

GUIDE = (Path(__file__).parents[2] / "docs" / "motion.md").read_text()


def test_the_settings_of_the_guide_are_settings() -> None:
    first, rules = (
        tomllib.loads(re.sub("(?m)^  ", "", block)) for block in re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    )
    settings = Settings.model_validate(first | rules)
    assert settings.motion.watched == ("door", "path")
    assert len(settings.reactions.rules) == 2


def test_the_picture_shows_the_zones_of_the_guide() -> None:
    assert motion_zones.PICTURE.read_text() == motion_zones.picture(), "it is stale: run 'make reference'"
    for zone in motion_zones.settings().zones:
        assert zone in motion_zones.picture()
