"""What the simulated camera sees."""

from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
import pytest

from hw_mocks.clock_scene import ClockScene, ball_box, read_stamp
from hw_mocks.platform import simulated_platform
from hw_mocks.scenes import (
    Picture,
    VideoScene,
    WebcamScene,
    fitted,
    open_scene,
    planes,
)
from robot_node.errors import DeviceError, SettingsError

SIZES = [(1280, 720), (1920, 1080), (640, 362), (482, 270)]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Ten frames at 10 frames/s, 160x90, each of one brightness: 20, 40, ... 200."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for number in range(10):
            picture = np.full((135, 160), 128, np.uint8)
            picture[:90] = 20 * (number + 1)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, "yuv420p")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def brightness(picture: Picture) -> int:
    luma = planes(picture)[0]
    height, width = luma.shape
    return round(float(luma[height // 2 - 4 : height // 2 + 4, width // 2 - 4 : width // 2 + 4].mean()))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_clock_scene_carries_its_time(width: int, height: int) -> None:
    scene = ClockScene(width, height, utc_offset_s=0)
    for milliseconds in (0, 1, 123_456, 16_777_215, 16_777_216 + 7):
        luma = planes(scene.picture(milliseconds / 1000 + 0.0001))[0]
        assert read_stamp(luma) == milliseconds % (1 << 24)


def test_a_picture_without_a_stamp_is_not_read_as_one() -> None:
    assert read_stamp(np.full((720, 1280), 100, np.uint8)) is None
    assert read_stamp(np.random.default_rng(1).integers(0, 255, (720, 1280), np.uint8)) is None


def test_the_clock_shows_the_time_of_day_with_tenths() -> None:
    scene = ClockScene(1280, 720, utc_offset_s=3600 * 13 + 60 * 37)

    def dial(monotonic_s: float) -> Picture:
        return planes(scene.picture(monotonic_s))[0][90:234, 190:1090]

    assert np.array_equal(dial(0.01), dial(0.09))
    assert not np.array_equal(dial(0.01), dial(0.11)), "the tenths run"
    changed = np.nonzero((dial(4.0) != dial(5.0)).any(axis=0))[0]
    assert 900 * 7 // 10 - 10 <= changed.min() <= changed.max() <= 900 * 8 // 10 + 10, "the eighth place: seconds"
    assert np.array_equal(dial(0.0), dial(86_400.0))


def test_the_ball_moves_across_the_picture() -> None:
    scene = ClockScene(1280, 720, utc_offset_s=0)
    lefts = []
    for monotonic_s in (0.0, 1.0, 2.0, 3.0):
        left, top, side = ball_box(1280, 720, monotonic_s)
        picture = scene.picture(monotonic_s)
        assert (planes(picture)[0][top : top + side, left : left + side] == 160).all()
        assert (planes(picture)[2][top // 2 : (top + side) // 2, left // 2 : (left + side) // 2] == 190).all()
        lefts.append(left)
    assert lefts == [0, 290, 580, 870]


def test_the_clock_scene_depends_on_nothing_but_the_time() -> None:
    first, second = ClockScene(640, 360, utc_offset_s=5), ClockScene(640, 360, utc_offset_s=5)
    first.picture(1)
    first.picture(7)
    assert np.array_equal(first.picture(3.2), second.picture(3.2))


def test_a_clip_plays_at_its_own_rate_and_in_a_loop(clip: Path) -> None:
    scene = VideoScene(clip, 160, 90)
    try:
        start_s = 1000.0
        scene.picture(start_s)
        shown = [brightness(scene.picture(start_s + number / 20 + 0.001)) for number in range(50)]
    finally:
        scene.close()
    expected = [20 * (number // 2 % 10 + 1) for number in range(50)]
    assert shown == pytest.approx(expected, abs=4)


def test_a_clip_is_where_it_should_be_after_a_pause(clip: Path) -> None:
    scene = VideoScene(clip, 160, 90)
    try:
        scene.picture(0.0)
        assert brightness(scene.picture(7.3 + 0.001)) == pytest.approx(80, abs=4)
    finally:
        scene.close()


def test_a_clip_keeps_its_shape_between_black_borders(clip: Path) -> None:
    scene = VideoScene(clip, 640, 480)
    try:
        luma, blue, red = planes(scene.picture(0.0))
    finally:
        scene.close()
    assert luma.shape == (480, 640)
    assert (luma[:58] == 16).all()
    assert (luma[-58:] == 16).all()
    assert abs(int(luma[240, 2]) - 20) <= 3
    assert abs(int(luma[64, 320]) - 20) <= 3
    assert abs(int(blue[120, 160]) - 128) <= 2
    assert abs(int(red[120, 160]) - 128) <= 2


def test_a_clip_is_scaled_with_its_content() -> None:
    source = np.zeros((180 * 3 // 2, 320), np.uint8)
    source[:180, 160:] = 200  # the right half is bright
    source[180:] = 128
    frame = av.VideoFrame.from_ndarray(source, "yuv420p")
    luma = planes(fitted(frame, 640, 360))[0]
    assert luma[:, :310].max() < 20
    assert luma[:, 330:].min() > 190


@pytest.mark.parametrize("setting", ["no-such-clip.mp4", "colour", ""])
def test_a_scene_that_is_no_file_is_refused_at_once(setting: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"The scene {str(Path(setting))!r} cannot be opened")):
        simulated_platform(scene=setting)


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a video")
    with pytest.raises(SettingsError, match="cannot be opened"):
        simulated_platform(scene=str(text))


def test_a_clip_that_is_cut_off_is_shown_up_to_there(clip: Path, tmp_path: Path) -> None:
    stream = tmp_path / "clip.ts"
    with av.open(str(clip)) as source, av.open(str(stream), "w", format="mpegts") as target:
        copied = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = copied
                target.mux(packet)
    whole = stream.read_bytes()
    stream.write_bytes(whole[: len(whole) * 2 // 3])
    scene = VideoScene(stream, 160, 90)
    try:
        assert all(brightness(scene.picture(number / 10)) >= 16 for number in range(40))
    finally:
        scene.close()


def test_a_live_device_gives_its_newest_picture_and_is_let_go() -> None:
    """FFmpeg's test source stands for a webcam: it is read by the same code."""
    scene = WebcamScene("testsrc=size=320x240:rate=30", 640, 480, container_format="lavfi")
    try:
        luma = planes(scene.picture(0.0))[0]
        assert luma.shape == (480, 640)
        assert luma.std() > 20
    finally:
        scene.close()
    assert not scene._reader.is_alive()


def test_a_missing_webcam_is_a_device_error_that_says_what_to_check() -> None:
    with pytest.raises(DeviceError, match=r"The webcam /dev/video63 cannot be opened.*plugged in"):
        open_scene("/dev/video63", 640, 480)


def test_auto_falls_back_to_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hw_mocks.scenes.WEBCAM", "/dev/video63")
    assert isinstance(open_scene("auto", 640, 480), ClockScene)
