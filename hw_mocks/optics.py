"""What a simulated sensor makes of its scene with its controls set: lens, exposure, crop, and image processing.

Crude, but monotonic: more of a control is more in the picture. With the defaults the picture is the scene itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from hw_mocks.scenes import Picture, planes

_BLACK, _WHITE, _GREY = 16, 235, 128
_NATIVE_EXPOSURE_US = 20_000
_HIGHEST_GAIN = 16.0
_NEUTRAL_KELVIN = 5500.0
_AWB_KELVIN = {1: 3000.0, 2: 3200.0, 3: 4200.0, 4: 4000.0, 5: 5500.0, 6: 7500.0}
_BAND_ROWS = 24


def exposure(controls: Mapping[str, Any], light: float) -> tuple[float, int]:
    """Return by how much the picture is brighter than the scene, and the exposure time in microseconds.

    Args:
        controls: As libcamera names them.
        light: Of the scene, 1: it is exposed well by 20 ms without gain.
    """
    longest_us = controls.get("FrameDurationLimits", (33_333, 33_333))[1]
    fixed_us, fixed_gain = controls.get("ExposureTime", 0), controls.get("AnalogueGain", 0)
    wanted = 2 ** controls.get("ExposureValue", 0.0)
    gain = fixed_gain or 1.0
    us = min(longest_us, fixed_us or max(1, round(wanted * _NATIVE_EXPOSURE_US / (light * gain))))
    if not fixed_gain:
        gain = min(_HIGHEST_GAIN, max(1.0, wanted * _NATIVE_EXPOSURE_US / (light * us)))
    return light * us * gain / _NATIVE_EXPOSURE_US, us


def seen(
    picture: Picture,
    controls: Mapping[str, Any],
    *,
    flips: tuple[bool, bool] = (False, False),
    whole: tuple[int, int, int, int] = (0, 0, 1, 1),
    defocus: float = 0.0,
    light: float = 1.0,
    flicker_hz: int = 0,
) -> Picture:
    """Return the picture of a scene.

    Args:
        picture: The scene.
        controls: What is set, as libcamera names it.
        flips: The sensor exchanges left and right, top and bottom.
        whole: The part of the sensor that is read: x, y, width and height.
        defocus: How far the lens is from where the scene is sharp, in dioptres.
        light: Of the scene, 1: normal.
        flicker_hz: Frequency of the lamps' mains; 0: daylight.
    """
    if any(flips):
        picture = _flipped(picture, *flips)
    crop = controls.get("ScalerCrop", whole)
    if tuple(crop) != tuple(whole):
        picture = _cropped(picture, crop, whole)
    if defocus > 0.05:
        picture = _filtered(picture, ImageFilter.BoxBlur(min(30.0, defocus * picture.shape[1] / 160)))
    if controls.get("NoiseReductionMode") == 0:
        picture = _noisy(picture)
    if (sharpness := controls.get("Sharpness", 1.0)) != 1.0:
        kind = ImageFilter.UnsharpMask(2, round(sharpness * 60), 0) if sharpness > 1 else ImageFilter.BoxBlur(1)
        picture = _filtered(picture, kind)
    picture = _toned(picture, controls, exposure(controls, light)[0])
    picture = _coloured(picture, controls)
    avoided = controls.get("AeFlickerMode") == 1 and controls.get("AeFlickerPeriod") == 500_000 // max(1, flicker_hz)
    if flicker_hz and not avoided:
        picture = _banded(picture)
    return picture


def _flipped(picture: Picture, left_right: bool, top_bottom: bool) -> Picture:
    turned = np.empty_like(picture)
    for target, source in zip(planes(turned), planes(picture), strict=True):
        target[:] = source[:: -1 if top_bottom else 1, :: -1 if left_right else 1]
    return turned


def _cropped(picture: Picture, crop: tuple[int, int, int, int], whole: tuple[int, int, int, int]) -> Picture:
    x, y, width, height = (
        (crop[0] - whole[0]) / whole[2],
        (crop[1] - whole[1]) / whole[3],
        crop[2] / whole[2],
        crop[3] / whole[3],
    )
    zoomed = np.empty_like(picture)
    for target, source in zip(planes(zoomed), planes(picture), strict=True):
        rows, columns = source.shape
        down = np.clip(((np.arange(rows) + 0.5) * height + y * rows).astype(int), 0, rows - 1)
        across = np.clip(((np.arange(columns) + 0.5) * width + x * columns).astype(int), 0, columns - 1)
        target[:] = source[np.ix_(down, across)]
    return zoomed


def _filtered(picture: Picture, kind: ImageFilter.Filter) -> Picture:
    result = picture.copy()
    luma = planes(result)[0]
    luma[:] = np.asarray(Image.fromarray(luma).filter(kind))
    return result


def _noisy(picture: Picture) -> Picture:
    result = picture.copy()
    luma = planes(result)[0]
    noise = np.random.default_rng(1).integers(-8, 9, luma.shape)
    luma[:] = np.clip(luma + noise, _BLACK, _WHITE)
    return result


def _toned(picture: Picture, controls: Mapping[str, Any], exposed: float) -> Picture:
    brightness, contrast = controls.get("Brightness", 0.0), controls.get("Contrast", 1.0)
    hdr = controls.get("HdrMode", 0)
    if abs(exposed - 1) < 0.01 and not hdr and (brightness, contrast) == (0.0, 1.0):
        return picture
    level = np.clip((np.arange(256) - _BLACK) / (_WHITE - _BLACK), 0, 1) * exposed
    if hdr:
        level = np.sqrt(np.clip(level, 0, 1))  # the shadows are lifted
    level = (np.clip(level, 0, 1) - 0.5) * contrast + 0.5 + brightness
    return _mapped(picture, (np.clip(level, 0, 1) * (_WHITE - _BLACK) + _BLACK).astype(np.uint8), 0)


def _coloured(picture: Picture, controls: Mapping[str, Any]) -> Picture:
    saturation = controls.get("Saturation", 1.0)
    blue, red = _white(controls)
    if saturation == 1.0 and not (blue or red):
        return picture
    for plane, shift in ((1, blue), (2, red)):
        level = (np.arange(256) - _GREY) * saturation + _GREY + shift
        picture = _mapped(picture, np.clip(level, _BLACK, 240).astype(np.uint8), plane)
    return picture


def _white(controls: Mapping[str, Any]) -> tuple[float, float]:
    """How far blue and red are shifted by a white balance that is not the scene's, which is daylight."""
    if controls.get("AwbEnable", True):
        kelvin = _AWB_KELVIN.get(controls.get("AwbMode", 0), _NEUTRAL_KELVIN)
    elif "ColourGains" in controls:
        red, blue = controls["ColourGains"]
        return (blue - 2) * 20, (red - 2) * 20
    else:
        kelvin = controls.get("ColourTemperature", _NEUTRAL_KELVIN)
    warm = 30 * (1 - _NEUTRAL_KELVIN / kelvin)
    return -warm, warm


def _mapped(picture: Picture, table: npt.NDArray[np.uint8], plane: int) -> Picture:
    result = picture.copy()
    target = planes(result)[plane]
    target[:] = table[target]
    return result


def _banded(picture: Picture) -> Picture:
    result = picture.copy()
    luma = planes(result)[0]
    dark = np.arange(luma.shape[0]) % (2 * _BAND_ROWS) < _BAND_ROWS
    luma[dark] = _BLACK + (luma[dark] - _BLACK) // 2
    return result
