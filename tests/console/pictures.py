"""Pictures of the page in the documentation: made, and compared so coarsely that fonts make no difference.

A picture is divided into cells. Two cells are alike when brightness and contrast of both are about the same; each is
compared with its neighbours in the other picture, too. What changes by itself, such as the video, is covered in
both; its place is stored in the file, and compared.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, PngImagePlugin
from playwright.async_api import Page

_CELL = 20
_ALIKE = 24
"""By so many of 255 the brightness of cells, or its standard deviation, may differ."""
_COLOURS = 256
_COVERED = "covered"
_CHANGING = ".screen video, .oled, .activity ol, .photos li img, .log"
_BOXES = """(selector) => [...document.querySelectorAll(selector)]
  .map((element) => element.getBoundingClientRect())
  .map(({ left, top, right, bottom }) => [left, top, right, bottom].map(Math.round))
  .filter(([left, top, right, bottom]) => left < right && top < bottom)"""


@dataclass(frozen=True)
class Picture:
    """A picture of the page.

    Attributes:
        image: It.
        covered: Boxes of what changes by itself: left, top, right, bottom in pixels.
    """

    image: Image.Image
    covered: tuple[tuple[int, int, int, int], ...]

    @classmethod
    async def of(cls, page: Page) -> Picture:
        """Take it."""
        boxes = await page.evaluate(_BOXES, _CHANGING)
        image = Image.open(io.BytesIO(await page.screenshot())).convert("RGB")
        return cls(image, tuple((left, top, right, bottom) for left, top, right, bottom in boxes))

    @classmethod
    def stored(cls, path: Path) -> Picture:
        """Read a stored one."""
        with Image.open(path) as image:
            image.load()
            return cls(image.convert("RGB"), tuple(map(tuple, json.loads(image.info[_COVERED]))))

    def store(self, path: Path) -> None:
        """Store it, small."""
        about = PngImagePlugin.PngInfo()
        about.add_text(_COVERED, json.dumps(self.covered))
        image = self.image.quantize(_COLOURS, kmeans=3, dither=Image.Dither.NONE)
        image.save(path, optimize=True, pnginfo=about)

    def difference(self, other: Picture) -> float:
        """Which share of the picture is not in the other one, from 0 to 1."""
        if self.image.size != other.image.size:
            return 1.0
        mine, others = self._cells(), other._cells()
        rows, columns = mine.shape[:2]
        alike = np.zeros((rows, columns), bool)
        padded = np.pad(others, ((1, 1), (1, 1), (0, 0)), mode="edge")
        for down in range(3):
            for right in range(3):
                neighbours = padded[down : down + rows, right : right + columns]
                alike |= (np.abs(neighbours - mine) < _ALIKE).all(axis=2)
        return float(1 - alike.mean())

    def _cells(self) -> np.ndarray:
        """Mean and standard deviation of the brightness of each cell: rows, columns, 2."""
        grey = self.image.convert("L")
        draw = ImageDraw.Draw(grey)
        for left, top, right, bottom in self.covered:
            draw.rectangle((left, top, right - 1, bottom - 1), fill=128)
        width, height = (side // _CELL * _CELL for side in grey.size)
        pixels = np.asarray(grey, np.float32)[:height, :width]
        cells = pixels.reshape(height // _CELL, _CELL, width // _CELL, _CELL)
        return np.stack([cells.mean(axis=(1, 3)), cells.std(axis=(1, 3))], axis=2)
