"""Privacy holds whatever happens in whatever order: with the camera off or private, nothing is kept or recorded."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from robot_node.core.mixer import Mixer
from robot_node.core.state import CameraState
from robot_node.errors import NotReadyError
from robot_node.robot.recording.states import RecorderState
from tests.robot.recording.source import Microphone, studio


@pytest.mark.parametrize("seed", range(2))
async def test_nothing_is_kept_while_nothing_may_be_seen(tmp_path: Path, seed: int) -> None:
    chance, microphone = random.Random(seed), Microphone()
    private: set[int] = set()
    async with studio(tmp_path, mixer=Mixer(microphone=microphone), ring_s=chance.choice([0, 3]), before_s=0) as it:
        for _ in range(120):
            match chance.randrange(7):
                case 0:
                    it.camera(chance.choice(list(CameraState)))
                case 1 | 2:
                    it.telemetry.state.update(camera=CameraState.ON, privacy=False)
                case 3:
                    it.telemetry.state.update(privacy=chance.random() < 0.5)
                case 4:
                    action = chance.choice([it.recorder.start, it.recorder.stop, it.recorder.save_clip])
                    with contextlib.suppress(NotReadyError):
                        action()
                case _:
                    pass
            now = it.telemetry.state.snapshot
            if now.camera is not CameraState.ON or now.privacy:
                assert it.recorder.state is RecorderState.IDLE
                assert not it.telemetry.state.snapshot.recording
                assert (it.recorder.ring_bytes, it.recorder.ring_seconds) == (0, 0.0)
                assert not it.source.watched
                assert not microphone.listened
                it.source.watched = True  # a frame that is on its way, as from an encoder that is being stopped
                private.update(await it.source.play(0.3, microphone))
                it.source.watched = False
                assert it.recorder.ring_bytes == 0
            else:
                await it.source.play(0.3, microphone)
        await it.recorder.close()
    assert it.telemetry.counters.recordings_saved > 0
    recorded = {number for name in it.files() for number in it.numbers(name)}
    assert recorded
    assert not recorded & private
