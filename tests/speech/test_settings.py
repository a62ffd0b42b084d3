"""The settings of speech that cannot be are explained before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from robot_node.errors import SettingsError
from robot_node.settings.loading import load_settings


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("", "audio.microphone"),
        ('source = "viewer"', "audio.viewer_may_speak"),
        ('source = "both"\n[audio]\nmicrophone = "default"', "audio.viewer_may_speak"),
    ],
)
def test_hearing_where_there_is_nothing_to_hear_is_explained(tmp_path: Path, settings: str, reason: str) -> None:
    file = tmp_path / "robot.toml"
    file.write_text(f'[hearing]\nengine = "pocketsphinx"\n{settings}\n')
    with pytest.raises(SettingsError, match=reason):
        load_settings(file)
