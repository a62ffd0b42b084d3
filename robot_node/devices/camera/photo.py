"""Photos that fit into a message: lower quality first, then smaller; and contact sheets of several. Pure, but slow.

Brokers and agents' programs limit messages, and a JPEG's size depends on what is seen.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from PIL import Image, ImageDraw, ImageFont

from robot_node.devices.camera.capture import Photo

MAX_BYTES = 750_000
"""Default limit of a photo: one megabyte in base64, as agents' programs take it."""

_LOWER_QUALITIES = (0.75, 0.6, 0.45, 0.3)
_SMALLEST_SIDE = 16
_CLOCKWISE = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
_SHEET_SIDE = 1536
"""Longest side of a contact sheet, in pixels: vision models scale down what is larger."""
_MAX_LABEL = 24


@dataclass(frozen=True, slots=True)
class PhotoLimits:
    """What a photo may have.

    Attributes:
        max_bytes: Largest JPEG file; at least 10 000, which a small picture always fits.
        max_side: Longest side in pixels, at least 16; None: as the camera delivers it.
    """

    max_bytes: int = MAX_BYTES
    max_side: int | None = None


@dataclass(frozen=True, slots=True)
class FittedPhoto:
    """A photo within limits.

    Attributes:
        photo: The photo.
        quality: Its JPEG quality, 0 to 1.
        lowered: What was lowered for the sake of ``max_bytes``, e.g. ``"quality from 0.9"``; empty: nothing.
    """

    photo: Photo
    quality: float
    lowered: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Describe it, e.g. ``1280x720 pixels, 93214 bytes, quality 0.9.``."""
        photo = self.photo
        text = f"{photo.width}x{photo.height} pixels, {len(photo.jpeg)} bytes, quality {self.quality:g}."
        return f"{text} Lowered to fit max_bytes: {', '.join(self.lowered)}." if self.lowered else text


def rotated(photo: Photo, degrees: int, quality: float) -> Photo:
    """Return a photo turned clockwise by 0, 90, 180 or 270 degrees. Takes up to a second: not for the event loop.

    Args:
        photo: As the camera delivers it.
        degrees: How far.
        quality: JPEG quality of the result, 0 to 1.
    """
    if not degrees:
        return photo
    with Image.open(io.BytesIO(photo.jpeg)) as opened:
        turned = opened.transpose(_CLOCKWISE[degrees])
    return Photo(_encode(turned, quality), *turned.size, photo.captured_us)


def time_of(photo: Photo, now: datetime) -> datetime:
    """Return the time of day when a photo was taken; that of now when its camera does not say.

    Args:
        photo: The photo.
        now: The time of day now.
    """
    if photo.captured_us is None:
        return now
    return now - timedelta(microseconds=time.monotonic_ns() // 1000 - photo.captured_us)


def fit(photo: Photo, quality: float, limits: PhotoLimits = PhotoLimits()) -> FittedPhoto:
    """Return a photo within limits, unchanged if it fits. Takes up to a second: not for the event loop.

    Args:
        photo: As the camera delivers it.
        quality: Its JPEG quality, 0 to 1.
        limits: What it may have.
    """
    if len(photo.jpeg) <= limits.max_bytes and max(photo.width, photo.height) <= (limits.max_side or math.inf):
        return FittedPhoto(photo, quality)
    with Image.open(io.BytesIO(photo.jpeg)) as opened:
        return fit_picture(opened.convert("RGB"), quality, limits)


def fit_picture(picture: Image.Image, quality: float, limits: PhotoLimits) -> FittedPhoto:
    """Encode a picture within limits."""
    longest = max(picture.size)
    wanted = _scaled(picture, (limits.max_side or longest) / longest)
    smaller, lower = wanted, quality
    jpeg = _encode(smaller, lower)
    for each in (step for step in _LOWER_QUALITIES if step < quality):
        if len(jpeg) <= limits.max_bytes:
            break
        lower = each
        jpeg = _encode(smaller, lower)
    while len(jpeg) > limits.max_bytes and max(smaller.size) > _SMALLEST_SIDE:
        smaller = _scaled(smaller, 0.95 * math.sqrt(limits.max_bytes / len(jpeg)))
        jpeg = _encode(smaller, lower)
    lowered = []
    if lower != quality:
        lowered.append(f"quality from {quality:g}")
    if smaller.size != wanted.size:
        lowered.append(f"size from {wanted.width}x{wanted.height}")
    return FittedPhoto(Photo(jpeg, *smaller.size), lower, tuple(lowered))


def contact_sheet(photos: Sequence[tuple[float, Photo]], quality: float, limits: PhotoLimits) -> FittedPhoto:
    """Return photos in rows as one picture within limits, each with its time; at most 1536 pixels wide and high.

    Args:
        photos: Seconds from the first one and photo, in order; all of one size.
        quality: JPEG quality of the sheet, 0 to 1.
        limits: What the sheet may have.
    """
    columns = math.ceil(math.sqrt(len(photos)))
    rows = math.ceil(len(photos) / columns)
    _, first = photos[0]
    side = min(_SHEET_SIDE, limits.max_side or _SHEET_SIDE)
    scale = min(1.0, side / (columns * first.width), side / (rows * first.height))
    width, height = max(1, int(first.width * scale)), max(1, int(first.height * scale))
    sheet = Image.new("RGB", (columns * width, rows * height))
    for number, (after_s, photo) in enumerate(photos):
        with Image.open(io.BytesIO(photo.jpeg)) as opened:
            cell = opened.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
        _label(cell, f"{number + 1}: {after_s:.1f} s")
        sheet.paste(cell, (number % columns * width, number // columns * height))
    return fit_picture(sheet, quality, limits)


def _label(cell: Image.Image, text: str) -> None:
    font = ImageFont.load_default(min(_MAX_LABEL, max(8, cell.height // 12)))
    draw = ImageDraw.Draw(cell)
    left, top, right, bottom = draw.textbbox((4, 4), text, font=font)
    draw.rectangle((left - 4, top - 4, right + 4, bottom + 4), fill="black")
    draw.text((4, 4), text, fill="white", font=font)


def _scaled(picture: Image.Image, scale: float) -> Image.Image:
    if scale >= 1:
        return picture
    width, height = (max(1, int(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _encode(picture: Image.Image, quality: float) -> bytes:
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=max(1, round(quality * 100)))
    return jpeg.getvalue()
