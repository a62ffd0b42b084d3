"""The drivers on the real sounddevice, PortAudio and ALSA, with files in the place of a sound card."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from robot_node.core.media import EncodedAudio
from tests.devices.test_audio import decoded, peak
from tests.sound import loudest_hz, tone
from tests.waiting import DEADLINE_S

_ALSA = """
</usr/share/alsa/alsa.conf>
pcm.robot_out {{
  type plug
  slave.pcm {{ type file slave.pcm "null" file "{played}" format "raw" }}
}}
pcm.robot_in {{
  type plug
  slave.pcm {{ type file slave.pcm "null" file "/dev/null" infile "{recorded}" format "raw" }}
}}
"""

# An equaliser is the only mixer that ALSA has without a sound card: its volume controls are the loudness of its bands.
_MIXER = """
ctl.robot_out {{
  type equal
  controls "{kept}"
}}
"""


def test_what_is_played_arrives_and_what_is_recorded_is_heard(tmp_path: Path) -> None:
    played, recorded, heard, sound = (tmp_path / name for name in ("played", "recorded", "heard", "sound"))
    sound.write_bytes(tone(440, 0.4))
    recorded.write_bytes(tone(1000, 1.0))
    (tmp_path / "alsa.conf").write_text(_ALSA.format(played=played, recorded=recorded))
    done = subprocess.run(
        [sys.executable, "-m", "tests.devices.sound_through_alsa", str(sound), str(played), str(heard)],
        env={**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "alsa.conf")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
    assert played.read_bytes() == tone(440, 0.4)
    assert loudest_hz(decoded(packets(heard.read_bytes()))[:48_000]) == pytest.approx(1000, abs=10)


@pytest.mark.parametrize(
    ("control", "percent", "share"), [("01. 63 Hz", 50, 1.0), ("auto", 66, 0.25), ("01. 64 Hz", 66, 0.25)]
)
def test_the_volume_is_set_in_the_mixer_or_heard_in_the_samples(
    tmp_path: Path, control: str, percent: int, share: float
) -> None:
    played, sound, alsa = (tmp_path / name for name in ("played", "sound", "alsa.conf"))
    sound.write_bytes(tone(440, 0.4))
    alsa.write_text(_ALSA.format(played=played, recorded="/dev/null") + _MIXER.format(kept=tmp_path / "equal.bin"))
    environment = {**os.environ, "ALSA_CONFIG_PATH": str(alsa)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.devices.volume_through_alsa", str(sound), str(played), control],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * DEADLINE_S,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
    assert peak(played.read_bytes()) == pytest.approx(share * peak(tone(440, 0.4)), abs=2)
    shown = subprocess.run(
        ["amixer", "-D", "robot_out", "sget", "01. 63 Hz"], env=environment, capture_output=True, text=True, check=True
    )
    assert f"[{percent}%]" in shown.stdout


def packets(written: bytes) -> list[EncodedAudio]:
    found = []
    while written:
        size = int.from_bytes(written[:2], "big")
        found.append(EncodedAudio(written[2 : 2 + size], 0))
        written = written[2 + size :]
    return found
