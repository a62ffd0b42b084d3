"""Which video device, format, size and rate is opened; what the kernel tells; H.264 and JPEG as cameras send them."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from hw_mocks.sensor import SimulatedSensor
from hw_mocks.v4l2 import SimulatedUsbCamera, v4l2_library
from robot_node.devices.camera.annex_b import ParameterSets
from robot_node.devices.camera.jpeg import complete_jpeg
from robot_node.devices.camera.v4l2_choice import cameras, choose, sizes_text
from robot_node.devices.camera.v4l2_ioctl import VideoDevice, VideoFormat, VideoSize, video_devices

HD, VGA = VideoSize(1280, 720, (30.0, 10.0)), VideoSize(640, 480, (30.0, 15.0))


def device(driver: str = "uvcvideo", bus: str = "usb-1", **formats: tuple[VideoSize, ...]) -> VideoDevice:
    found = tuple(VideoFormat(fourcc, sizes) for fourcc, sizes in formats.items())
    return VideoDevice("/dev/video0", "camera", driver, bus, captures=True, encodes_h264=False, formats=found)


@pytest.mark.parametrize(
    ("wanted", "size", "rate", "chosen"),
    [
        ("auto", (1280, 720), 30, ("mjpeg", 1280, 720, 30.0)),
        ("auto", (640, 480), 30, ("yuyv", 640, 480, 30.0)),
        ("yuyv", (640, 480), 12, ("yuyv", 640, 480, 15.0)),
        ("mjpeg", (1920, 1080), 30, ("mjpeg", 1280, 720, 30.0)),
        ("mjpeg", (320, 240), 60, ("mjpeg", 640, 480, 30.0)),
        ("yuyv", (1280, 720), 30, ("yuyv", 640, 480, 30.0)),
        ("h264", (640, 480), 30, None),
    ],
)
def test_what_comes_next_to_the_settings_is_chosen(
    wanted: str, size: tuple[int, int], rate: int, chosen: tuple[str, int, int, float] | None
) -> None:
    slow_hd = VideoSize(1280, 720, (10.0,))
    choice = choose(device(MJPG=(HD, VGA), YUYV=(VGA, slow_hd)), wanted, *size, rate)
    found = None if choice is None else (choice.format, choice.width, choice.height, choice.rate)
    assert found == chosen


def test_of_a_range_of_sizes_the_nearest_even_one_within_its_steps() -> None:
    loopback = device("v4l2 loopback", "platform:v4l2loopback", YUYV=(VideoSize(48, 32, (), (1000, 800), (16, 2)),))
    choice = choose(loopback, "auto", 1280, 360, 30)
    assert choice is not None
    assert (choice.width, choice.height, choice.rate) == (992, 360, 30.0)


def test_the_first_camera_is_one_on_usb_and_never_the_pis_own_connector() -> None:
    csi, isp = device("rockchip", "platform:csi", YUYV=(VGA,)), device("bcm2835-isp", "platform:isp", YUYV=(VGA,))
    bayer, usb = device("unicam", "platform:unicam", pRAA=(VGA,)), device(MJPG=(HD,))
    assert cameras([bayer, isp, csi, usb]) == [usb, csi]


def test_devices_are_described_as_the_kernel_has_them() -> None:
    usb = SimulatedUsbCamera(SimulatedSensor(), formats=("MJPG", "YUYV"), sizes=((640, 480), (320, 240)), encoder=True)
    camera, metadata, encoder = video_devices(v4l2_library(usb))
    assert (camera.path, camera.name, camera.driver) == ("/dev/video0", "HD Pro Webcam C920", "uvcvideo")
    assert camera.bus == "usb-0000:01:00.0-1.2"
    assert [each.fourcc for each in camera.formats] == ["MJPG", "YUYV"]
    assert camera.formats[0].sizes == (VideoSize(640, 480, (60.0, 30.0, 15.0)), VideoSize(320, 240, (60.0, 30.0, 15.0)))
    assert (metadata.captures, metadata.formats, metadata.encodes_h264) == (False, (), False)
    assert (encoder.captures, encoder.encodes_h264) == (False, True)


def test_sizes_in_words() -> None:
    assert sizes_text((VGA, HD)) == "1280x720, 640x480"
    assert sizes_text((VGA, HD), most=1) == "1280x720 and 1 more"
    assert sizes_text((VideoSize(48, 32, (), (1000, 800)),)) == "48x32 to 1000x800"


SPS, PPS, IDR, SLICE = (b"\0\0\0\1" + bytes((kind, 1, 2)) for kind in (0x67, 0x68, 0x65, 0x41))


def test_each_keyframe_gets_the_parameter_sets_that_came_last() -> None:
    sets = ParameterSets()
    assert sets.complete(IDR) == (IDR, False), "no decoder could use it"
    assert sets.complete(SPS + PPS + IDR) == (SPS + PPS + IDR, True)
    assert sets.complete(SLICE) == (SLICE, False)
    assert sets.complete(IDR) == (SPS + PPS + IDR, True)
    assert sets.complete(SPS + b"\xff" + SLICE) == (SPS + b"\xff" + SLICE, False)
    assert sets.complete(IDR) == (SPS + b"\xff" + PPS + IDR, True)


def test_a_camera_may_begin_each_keyframe_with_other_units_and_short_start_codes() -> None:
    delimiter, sei = b"\0\0\1\x09\xf0", b"\0\0\1\x06\x05\x01\x80"
    keyframe = delimiter + SPS[1:] + PPS[1:] + sei + IDR[1:] + SLICE[1:]
    assert ParameterSets().complete(keyframe) == (keyframe, True)
    assert ParameterSets().complete(b"") == (b"", False)


def test_a_jpeg_is_completed_or_refused() -> None:
    file = io.BytesIO()
    Image.new("RGB", (32, 16), "red").save(file, "JPEG")
    whole = file.getvalue()
    assert complete_jpeg(whole) == whole
    assert complete_jpeg(whole + bytes(20)) == whole
    assert complete_jpeg(whole[:-2]) == whole, "the end is missing"
    for damaged in (b"", bytes(100), b"\xff\xd8", whole[:100]):
        assert complete_jpeg(damaged) is None
