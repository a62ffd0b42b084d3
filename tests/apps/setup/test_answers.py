"""What setup writes of a camera's rotation: it asks about 180 degrees, and keeps what it does not ask about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from robot_node.apps.setup.answers import Answers
from robot_node.settings.loading import load_settings


@pytest.mark.parametrize(("rotate", "upside_down"), [(0, False), (90, False), (180, True), (270, False)])
def test_a_rotation_is_kept_unless_the_answer_is_another(rotate: int, upside_down: bool) -> None:
    answers = Answers.from_settings(load_settings(None, {"camera": {"rotate": rotate}}))
    assert answers.upside_down is upside_down
    assert answers.values()["camera", "rotate"] == rotate
    assert replace(answers, upside_down=True).values()["camera", "rotate"] == 180
