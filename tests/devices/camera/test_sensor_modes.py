"""The mode of the sensor that shows most: modes of real cameras, as picamera2 lists them on a Pi."""

from __future__ import annotations

from typing import Any

import pytest

from robot_node.devices.camera.sensor_modes import widest_mode


def mode(size: tuple[int, int], fps: float, crop: tuple[int, int], bit_depth: int) -> dict[str, Any]:
    return {"size": size, "fps": fps, "crop_limits": (0, 0, *crop), "bit_depth": bit_depth}


def chosen(size: tuple[int, int], bit_depth: int) -> dict[str, Any]:
    return {"output_size": size, "bit_depth": bit_depth}


MODULE_3 = [  # imx708
    mode((1536, 864), 120.13, (3072, 1728), 10),
    mode((2304, 1296), 56.03, (4608, 2592), 10),
    mode((4608, 2592), 14.35, (4608, 2592), 10),
]
MODULE_2 = [  # imx219
    mode((640, 480), 206.65, (1280, 960), 8),
    mode((1640, 1232), 83.70, (3280, 2464), 8),
    mode((1920, 1080), 47.57, (1920, 1080), 8),
    mode((3280, 2464), 21.19, (3280, 2464), 8),
    mode((640, 480), 103.33, (1280, 960), 10),
    mode((1640, 1232), 41.85, (3280, 2464), 10),
    mode((1920, 1080), 47.57, (1920, 1080), 10),
    mode((3280, 2464), 21.19, (3280, 2464), 10),
]
HQ = [  # imx477
    mode((1332, 990), 120.05, (2664, 1980), 10),
    mode((2028, 1080), 50.03, (4056, 2160), 12),
    mode((2028, 1520), 40.01, (4056, 3040), 12),
    mode((4056, 3040), 10.00, (4056, 3040), 12),
]
GLOBAL_SHUTTER = [mode((1456, 1088), 60.38, (1456, 1088), 10)]
HD, FULL_HD = (1280, 720), (1920, 1080)


@pytest.mark.parametrize(
    ("modes", "size", "frame_rate", "expected"),
    [
        (MODULE_3, HD, 30, chosen((2304, 1296), 10)),
        (MODULE_3, HD, 56, chosen((2304, 1296), 10)),
        (MODULE_3, HD, 60, chosen((1536, 864), 10)),
        (MODULE_3, FULL_HD, 10, chosen((2304, 1296), 10)),
        (MODULE_2, HD, 30, chosen((1640, 1232), 10)),
        (MODULE_2, HD, 60, chosen((1640, 1232), 8)),
        (MODULE_2, FULL_HD, 20, chosen((3280, 2464), 10)),
        (MODULE_2, FULL_HD, 30, chosen((1640, 1232), 10)),
        (HQ, HD, 30, chosen((2028, 1520), 12)),
        (HQ, HD, 50, chosen((2028, 1080), 12)),
        (GLOBAL_SHUTTER, HD, 30, chosen((1456, 1088), 10)),
        ([mode(HD, 29.97, HD, 10)], HD, 30, chosen(HD, 10)),
    ],
)
def test_the_largest_field_of_view_at_the_frame_rate(
    modes: list[dict[str, Any]], size: tuple[int, int], frame_rate: float, expected: dict[str, Any]
) -> None:
    assert widest_mode(modes, size, frame_rate) == expected
    assert widest_mode(reversed(modes), size, frame_rate) == expected


@pytest.mark.parametrize("modes", [[], [{"format": "MJPEG"}], [mode(HD, 15.0, HD, 10)]])
def test_without_a_mode_that_serves_libcamera_chooses(modes: list[dict[str, Any]]) -> None:
    assert widest_mode(modes, HD, 30) == {}
