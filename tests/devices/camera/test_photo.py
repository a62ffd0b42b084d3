"""Photos that fit into a message, whatever the camera sees."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from robot_node.devices.camera.capture import Photo
from robot_node.devices.camera.photo import MAX_BYTES, PhotoLimits, contact_sheet, fit


def opened(photo: Photo) -> Image.Image:
    picture = Image.open(io.BytesIO(photo.jpeg))
    assert picture.format == "JPEG"
    assert picture.size == (photo.width, photo.height)
    return picture


def photo_of(pixels: np.ndarray, quality: int = 90) -> Photo:
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG", quality=quality)
    return Photo(jpeg.getvalue(), pixels.shape[1], pixels.shape[0])


def noise(width: int, height: int) -> Photo:
    return photo_of(np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8))


def test_what_fits_stays_as_the_camera_made_it() -> None:
    photo = noise(64, 48)
    fitted = fit(photo, 0.9)
    assert fitted.photo is photo
    assert str(fitted) == f"64x48 pixels, {len(photo.jpeg)} bytes, quality 0.9."


def test_noise_of_full_size_fits_by_quality_alone() -> None:
    photo = noise(1920, 1080)
    assert len(photo.jpeg) > 2 * MAX_BYTES
    fitted = fit(photo, 0.9)
    assert len(fitted.photo.jpeg) <= MAX_BYTES
    assert opened(fitted.photo).size == (1920, 1080)
    assert str(fitted).endswith("Lowered to fit max_bytes: quality from 0.9.")
    assert fitted.quality < 0.9


@pytest.mark.parametrize("quality", [0.1, 0.9])
def test_then_by_size(quality: float) -> None:
    fitted = fit(noise(640, 480), quality, PhotoLimits(max_bytes=10_000))
    assert len(fitted.photo.jpeg) <= 10_000
    assert fitted.photo.width < 640
    assert opened(fitted.photo).size == (fitted.photo.width, fitted.photo.height)
    assert "size from 640x480" in str(fitted)
    assert ("quality from" in str(fitted)) is (quality > 0.3), "never better than asked for"
    assert fitted.quality <= quality


def test_a_size_that_was_asked_for_is_no_loss() -> None:
    fitted = fit(noise(640, 480), 0.9, PhotoLimits(max_side=320))
    assert opened(fitted.photo).size == (320, 240)
    assert fitted.lowered == ()


def test_a_contact_sheet_shows_each_photo_in_order_with_its_time() -> None:
    shades = [photo_of(np.full((120, 160, 3), shade, np.uint8)) for shade in (40, 120, 200)]
    fitted = contact_sheet([(number * 0.5, photo) for number, photo in enumerate(shades)], 0.9, PhotoLimits())
    sheet = opened(fitted.photo).convert("L")
    assert sheet.size == (320, 240), "two columns, two rows"
    for middle, shade in (((80, 80), 40), ((240, 80), 120), ((80, 200), 200)):
        assert sheet.getpixel(middle) == pytest.approx(shade, abs=4)
    assert max(sheet.crop((0, 0, 80, 20)).tobytes()) > 200, "a label"


def test_a_contact_sheet_of_noise_fits() -> None:
    photo = noise(640, 360)
    fitted = contact_sheet([(number, photo) for number in range(9)], 0.9, PhotoLimits(max_bytes=100_000))
    assert len(fitted.photo.jpeg) <= 100_000
    assert max(opened(fitted.photo).size) <= 1536
