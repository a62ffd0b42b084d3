"""The recorder: which pictures are in which file, and when nothing is in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from robot_node.core.mixer import Mixer
from robot_node.core.state import CameraState, act_for
from robot_node.devices.board import BoardReadings
from robot_node.errors import DeviceError, NotReadyError
from robot_node.robot.monitoring.figures import figures_of
from robot_node.robot.monitoring.metrics import RobotCollector
from robot_node.robot.recording.states import RecorderState
from robot_node.robot.telemetry import Telemetry
from robot_node.webrtc.broadcast import Viewer
from tests.robot.recording.source import GROUP, RATE, Microphone, Studio, studio
from tests.waiting import DEADLINE_S, eventually


async def saved(it: Studio, name: str) -> list[int]:
    """Wait for a file and return the numbers of its pictures."""
    await it.recorder.saved(name, within_s=60)
    return it.numbers(name)


async def test_a_clip_has_what_was_before_and_what_comes_after(tmp_path: Path) -> None:
    async with studio(tmp_path) as it:
        await it.on()
        before = await it.source.play(7)
        with act_for("anna"):
            name = it.recorder.save_clip(before_s=3, after_s=2)
        assert it.recorder.state is RecorderState.CLIP
        after = await it.source.play(4)
        numbers = await saved(it, name)
        assert not it.telemetry.state.snapshot.recording
    moment = before[-1]
    assert numbers == list(range(numbers[0], numbers[-1] + 1)), "without a gap"
    assert numbers[0] % GROUP == 0, "it begins with a keyframe that nobody asked for"
    assert moment - 3 * RATE - GROUP < numbers[0] <= moment - 3 * RATE
    assert numbers[-1] == moment + 2 * RATE
    assert after[-1] > numbers[-1]
    began, done = it.telemetry.events.after()[-2:]
    assert (began.kind, began.text, began.by) == ("recording", f"Recording began: {name}.", "anna")
    assert done.text.startswith(f"Saved {name}: 5.") or done.text.startswith(f"Saved {name}: 6.")
    assert it.telemetry.counters.recordings_saved == 1


async def test_another_rotation_begins_another_file(tmp_path: Path) -> None:
    async with studio(tmp_path) as it:
        await it.on()
        await it.start()
        await it.source.play(1)
        it.source.rotation = 90
        await it.source.play(3)
        last = it.recorder.stop()
        await it.recorder.saved(last, within_s=60)
        assert [it.rotation(name) for name in it.files()] == [0, -90]


async def test_a_clip_of_what_comes_begins_with_a_keyframe_that_is_asked_for(tmp_path: Path) -> None:
    async with studio(tmp_path) as it:
        await it.on()
        before = await it.source.play(1.5)
        asked = it.source.keyframes
        name = it.recorder.save_clip(before_s=0, after_s=1)
        await eventually(lambda: it.source.keyframes == asked + 1)
        await it.source.play(2)
        assert await saved(it, name) == list(range(before[-1] + 1, before[-1] + 2 + RATE))


async def test_a_second_moment_makes_the_clip_longer_and_not_another_one(tmp_path: Path) -> None:
    async with studio(tmp_path) as it:
        await it.on()
        await it.source.play(3)
        name = it.recorder.save_clip(before_s=1, after_s=2)
        middle = await it.source.play(1)
        assert it.recorder.save_clip(before_s=1, after_s=2) == name
        assert it.recorder.save_clip(before_s=1, after_s=0) == name, "no shorter than it was to be"
        await it.source.play(4)
        numbers = await saved(it, name)
    assert numbers[-1] in {middle[-1] + 2 * RATE, middle[-1] + 2 * RATE + 1}
    assert it.files() == [name]


async def test_a_recording_lasts_until_it_is_stopped(tmp_path: Path) -> None:
    async with studio(tmp_path) as it:
        await it.on()
        await it.source.play(1)
        with pytest.raises(NotReadyError, match="Nothing is being recorded"):
            it.recorder.stop()
        name = await it.start()
        assert it.recorder.start() == name
        recorded = await it.source.play(8)
        assert it.recorder.save_clip() == name, "it is in there"
        assert it.recorder.stop() == name
        assert await saved(it, name) == recorded
        with pytest.raises(NotReadyError):
            it.recorder.stop()


async def test_a_clip_goes_on_as_a_recording(tmp_path: Path) -> None:
    async with studio(tmp_path) as it:
        await it.on()
        await it.source.play(2)
        name = it.recorder.save_clip(before_s=2, after_s=1)
        assert it.recorder.start() == name
        await it.source.play(5)
        assert it.recorder.state is RecorderState.RECORDING
        it.recorder.stop()
        assert len(await saved(it, name)) >= 6 * RATE


async def test_a_forgotten_recording_ends_after_the_longest_time_and_is_cut_into_files(tmp_path: Path) -> None:
    async with studio(tmp_path, longest_s=10, file_s=3) as it:
        await it.on()
        await it.start()
        played = await it.source.play(12)
        assert it.recorder.state is RecorderState.IDLE
        await eventually(lambda: it.telemetry.counters.recordings_saved == 3)
    parts = [it.numbers(name) for name in it.files()]
    assert [number for part in parts for number in part] == played[: 10 * RATE + 1], (
        "the files follow one another without a gap"
    )


async def test_another_size_begins_another_file(tmp_path: Path) -> None:
    async with studio(tmp_path) as it:
        await it.on()
        await it.start()
        small = await it.source.play(2.5)
        it.source.resize(2)
        large = await it.source.play(1.5)
        last = it.recorder.stop()
        await saved(it, last)
        await eventually(lambda: it.telemetry.counters.recordings_saved == 2)
    first, second = it.files()
    assert (it.numbers(first), it.numbers(second)) == (small, large)
    assert second == last


@pytest.mark.parametrize("change", [{"camera": CameraState.OFF}, {"privacy": True}, {"camera": CameraState.FAILED}])
async def test_nothing_is_left_in_memory_once_the_camera_is_off_or_private(
    tmp_path: Path, change: dict[str, object]
) -> None:
    async with studio(tmp_path) as it:
        await it.on()
        before = await it.source.play(3)
        assert it.recorder.ring_bytes > 0
        assert it.recorder.ring_seconds >= 2.5
        name = await it.start()
        recorded = await it.source.play(2)
        it.telemetry.state.update(**change)
        assert it.recorder.ring_bytes == 0, "at once"
        assert it.telemetry.state.snapshot.recording is False
        assert not it.source.watched
        assert await saved(it, name) == recorded, "what was recorded before is complete"
        assert any(reason in it.events()[-1] for reason in ("the camera is off", "camera is failed", "privacy switch"))
        with pytest.raises(NotReadyError, match="privacy switch" if "privacy" in change else "The camera is not on"):
            it.recorder.save_clip()
        it.telemetry.state.update(camera=CameraState.ON, privacy=False)
        await eventually(lambda: it.source.watched)
        after = await it.source.play(1)
        clip = it.recorder.save_clip(before_s=5, after_s=0)
        await it.source.play(1)
        numbers = await saved(it, clip)
        assert numbers[0] >= after[0] > before[-1]


async def test_the_ring_makes_frames_but_does_not_keep_the_camera_on_and_a_recording_does(tmp_path: Path) -> None:
    async with studio(tmp_path) as it:
        await it.on()
        assert (it.source.watched, it.source.in_use) == (True, False)
        it.recorder.start()
        assert it.source.in_use
        await it.source.play(1)
        it.recorder.stop()
        assert (it.source.watched, it.source.in_use) == (True, False)


async def test_without_a_ring_the_encoder_runs_for_recordings_only(tmp_path: Path) -> None:
    async with studio(tmp_path, ring_s=0, before_s=0) as it:
        await it.on()
        await it.source.play(1)
        assert not it.source.watched
        name = it.recorder.start()
        await eventually(lambda: it.source.watched)
        recorded = await it.source.play(2)
        it.recorder.stop()
        assert not it.source.watched
        assert await saved(it, name) == recorded


async def test_the_recorder_takes_nothing_from_other_viewers(tmp_path: Path) -> None:
    async with studio(tmp_path) as it:
        await it.on()
        await it.source.play(1)
        asked = it.source.keyframes
        viewer = Viewer(await it.streams.video())
        viewer.join()
        name = it.recorder.start()
        await eventually(lambda: it.source.keyframes > asked)
        await it.source.play(0.5)
        async with asyncio.timeout(DEADLINE_S):
            packet = await viewer.next_packet()
        assert packet.is_keyframe
        it.recorder.stop()
        await saved(it, name)
        assert packet.pts == (1_000_000 + 11 * 100_000) * 9 // 100, "packets are shared: the file's times are its own"


async def test_sound_of_the_microphone_is_recorded_and_the_microphone_is_open_with_the_camera_only(
    tmp_path: Path,
) -> None:
    microphone = Microphone()
    async with studio(tmp_path, mixer=Mixer(microphone=microphone)) as it:
        assert not microphone.listened
        await it.on()
        await eventually(lambda: microphone.listened)
        name = await it.start()
        await it.source.play(3, microphone)
        it.recorder.stop()
        await it.recorder.saved(name)
        it.camera(CameraState.OFF)
        assert not microphone.listened
    assert it.sound_seconds(name) == pytest.approx(3, abs=0.3)


async def test_without_sound_the_microphone_stays_closed(tmp_path: Path) -> None:
    microphone = Microphone()
    async with studio(tmp_path, mixer=Mixer(microphone=microphone), sound=False) as it:
        await it.on()
        name = await it.start()
        await it.source.play(1, microphone)
        it.recorder.stop()
        await it.recorder.saved(name)
        assert not microphone.listened
    assert it.sound_seconds(name) is None


async def test_a_disk_without_space_ends_the_recording_and_what_was_written_plays(tmp_path: Path) -> None:
    async with studio(tmp_path) as it:
        await it.on()
        name = await it.start()
        await it.source.play(3)
        await eventually(lambda: (tmp_path / name).exists() and it.numbers(name))
        it.space[0] = -1
        async with asyncio.timeout(DEADLINE_S):
            while it.recorder.state is not RecorderState.IDLE:
                await it.source.play(1)
                await asyncio.sleep(0.01)
        assert "MB free" in it.events()[-1]
        assert "MB free" in it.telemetry.state.snapshot.fault("recording")
        assert len(it.numbers(name)) >= RATE
        it.space[0] = 10**12
        again = it.recorder.save_clip(after_s=0)
        await it.source.play(1)
        await saved(it, again)
        await eventually(lambda: not it.telemetry.state.snapshot.fault("recording"))


async def test_a_recording_of_a_camera_that_gives_no_pictures_ends(tmp_path: Path) -> None:
    async with studio(tmp_path, no_pictures_s=0.2) as it:
        await it.on()
        recorded = await it.source.play(1)
        name = it.recorder.save_clip(before_s=10, after_s=10)
        await eventually(lambda: it.recorder.state is RecorderState.IDLE)
        assert await saved(it, name) == [0, *recorded]
        await eventually(lambda: it.events()[-1].endswith("; no picture came for 0.2 s."))
        nothing = it.recorder.start()
        await eventually(lambda: it.recorder.state is RecorderState.IDLE)
        with pytest.raises(DeviceError, match=r"no picture came for 0\.2 s\."):
            await it.recorder.saved(nothing)
        assert not it.telemetry.state.snapshot.faults, "the disk works"


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with studio(tmp_path / "file" / "clips") as it:
        await it.on()
        await it.source.play(1)
        name = it.recorder.save_clip(after_s=0)
        await it.source.play(1)
        with pytest.raises(DeviceError, match="Not a directory"):
            await it.recorder.saved(name)


async def test_shutting_down_completes_the_file(tmp_path: Path) -> None:
    async with studio(tmp_path) as it:
        await it.on()
        name = await it.start()
        recorded = await it.source.play(2)
        await it.recorder.close()
        assert it.numbers(name) == recorded
        with pytest.raises(NotReadyError):
            it.recorder.start()


async def test_what_is_recorded_is_in_the_metrics(tmp_path: Path) -> None:
    def metrics(telemetry: Telemetry) -> dict[str, float]:
        figures = figures_of(telemetry, BoardReadings(), "robot-1")
        samples = [sample for metric in RobotCollector(lambda: figures).collect() for sample in metric.samples]
        return {sample.name: sample.value for sample in samples if "recording" in sample.name}

    assert metrics(Telemetry()) == {}, "a robot that may not record"
    async with studio(tmp_path) as it:
        await it.on()
        name = await it.start()
        await it.source.play(1)
        assert metrics(it.telemetry)["robot_node_recording"] == 1
        it.recorder.stop()
        await saved(it, name)
        assert metrics(it.telemetry) == {
            "robot_node_recording": 0,
            "robot_node_recordings_saved_total": 1,
            "robot_node_recording_frames_lost_total": 0,
        }
