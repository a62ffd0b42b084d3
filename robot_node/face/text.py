"""Text below the face: fonts, line breaks, and the time of each line."""

from __future__ import annotations

import logging
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from robot_node.errors import SettingsError

logger = logging.getLogger(__name__)

MAX_CHARACTERS = 500
"""Maximum length of a text; the rest is not shown."""

_FONT_SIZE = 12
_PACKAGED = (
    # WenQuanYi Bitmap Song (apt: xfonts-wqy): a bitmap font of this height.
    Path("/usr/share/fonts/X11/misc/wenquanyi_9pt.pcf"),
    Path("/usr/share/fonts/X11/misc/wenquanyi_9pt.pcf.gz"),
    # WenQuanYi Zen Hei (apt: fonts-wqy-zenhei) contains bitmaps of this height.
    Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"),
)
_NOTICE_LINE_S = 3.0
"""Duration of each line of a notice, in seconds."""

_NOTICE_EVERY_S = 60.0
"""Period of showing a notice again, in seconds."""

_NOT_AT_START = frozenset({"Pe", "Pf", "Po"})
_WIDE = frozenset("WF")
_UNDRAWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "So", "Sk", "Mn", "Me"})


@dataclass(frozen=True, slots=True, eq=False)
class Font:
    """A font for lines of text.

    Attributes:
        face: Pillow's font.
        chinese: Whether it has Chinese characters.
    """

    face: ImageFont.FreeTypeFont | ImageFont.ImageFont
    chinese: bool

    def width(self, text: str) -> float:
        """Return the width of a text in pixels."""
        return self.face.getlength(text)


def load_font(path: Path | None = None) -> Font:
    """Return a font of twelve pixels.

    Args:
        path: A font file; by default an installed font with Chinese characters, else Pillow's Latin font.

    Raises:
        SettingsError: The file is not a font.
    """
    if path is not None:
        try:
            return Font(ImageFont.truetype(path, _FONT_SIZE), chinese=True)
        except OSError as error:
            raise SettingsError(f"The font {path} cannot be loaded: {error}.", remedy="Use a font file.") from error
    return _packaged_font()


@cache
def _packaged_font() -> Font:
    for path in _PACKAGED:
        try:
            return Font(ImageFont.truetype(path, _FONT_SIZE), chinese=True)
        except OSError:
            continue
    logger.info("Subtitles show Latin characters only. For Chinese, install a font: sudo apt install xfonts-wqy")
    return Font(ImageFont.load_default(size=_FONT_SIZE), chinese=False)


def wrap(text: str, font: Font, width: int) -> tuple[str, ...]:
    """Break a text into lines of at most ``width`` pixels, at blanks and between Chinese characters."""
    lines: list[str] = []
    line = ""
    for word in _words(_drawable(text, font)):
        if line and font.width((line + word).rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line = (line + word) if line else word.lstrip()
        while font.width(line.rstrip()) > width:
            fitting = next(cut for cut in range(1, len(line)) if font.width(line[: cut + 1]) > width)
            lines.append(line[:fitting])
            line = line[fitting:]
    if line.strip():
        lines.append(line.rstrip())
    return tuple(lines)


@lru_cache(maxsize=64)
def draw_line(text: str, font: Font, size: tuple[int, int]) -> Image.Image:
    """Return a picture of mode ``"1"`` with a centred line of text."""
    picture = Image.new("1", size)
    draw = ImageDraw.Draw(picture)
    draw.fontmode = "1"
    draw.text(((size[0] - round(font.width(text))) // 2, size[1]), text, fill=1, font=font.face, anchor="ld")
    return picture


@dataclass(frozen=True, slots=True)
class Caption:
    """Lines that are shown in order.

    Attributes:
        lines: The text.
        begins: Start time of each line, in seconds.
        until: End time of the last one.
    """

    lines: tuple[str, ...]
    begins: tuple[float, ...]
    until: float

    @classmethod
    def paced(cls, lines: Sequence[str], at: float, duration: float | None = None) -> Caption:
        """Schedule lines for their reading time, or scaled to ``duration`` seconds in total."""
        times = [_reading_time(line) for line in lines]
        whole = sum(times)
        factor = 1.0 if duration is None or not whole else duration / whole
        begins = [at]
        for time in times:
            begins.append(begins[-1] + time * factor)
        return cls(tuple(lines), tuple(begins[:-1]), begins[-1])

    def line(self, time: float) -> str:
        """Return the line shown at a time; empty for none."""
        if not self.lines or not self.begins[0] <= time < self.until:
            return ""
        return [line for line, begin in zip(self.lines, self.begins, strict=True) if begin <= time][-1]

    def next_change(self, time: float) -> float:
        """Return when the shown line changes; infinity after the end."""
        return next((change for change in (*self.begins, self.until) if change > time), float("inf"))


@dataclass(frozen=True, slots=True)
class Notice:
    """Lines that are shown at once and then periodically.

    Attributes:
        lines: The text.
        since: Start time in seconds.
    """

    lines: tuple[str, ...] = ()
    since: float = 0.0

    @property
    def duration(self) -> float:
        """Duration of showing it once, in seconds."""
        return _NOTICE_LINE_S * len(self.lines)

    @property
    def period(self) -> float:
        """Period in seconds."""
        return max(_NOTICE_EVERY_S, 2 * self.duration)

    def within(self, time: float) -> float:
        """Return the seconds since the start of the current period; infinity before the first one."""
        return (time - self.since) % self.period if self.lines and time >= self.since else math.inf

    def line(self, time: float) -> str:
        """Return the line shown at a time; empty for none."""
        within = self.within(time)
        return self.lines[math.floor(within / _NOTICE_LINE_S)] if within < self.duration else ""

    def until(self, time: float) -> float:
        """Return the end of showing it once; the time itself when it is not shown."""
        return time + max(0.0, self.duration - self.within(time))

    def next_change(self, time: float) -> float:
        """Return when the shown line changes; infinity without lines."""
        if not self.lines or time < self.since:
            return self.since if self.lines else math.inf
        begins = time - self.within(time)
        lines = (begins + number * _NOTICE_LINE_S for number in range(1, len(self.lines) + 1))
        return next(change for change in (*lines, begins + self.period, begins + 2 * self.period) if change > time)


def _reading_time(line: str) -> float:
    wide = sum(unicodedata.east_asian_width(character) in _WIDE for character in line)
    return max(1.2, wide * 0.2 + (len(line) - wide) * 0.075)


def _drawable(text: str, font: Font) -> str:
    """Remove control characters and emoji, and replace characters that the font does not have."""
    drawable = []
    for character in unicodedata.normalize("NFC", text[:MAX_CHARACTERS]):
        if character.isspace():
            drawable.append(" ")
        elif unicodedata.category(character) not in _UNDRAWN and ord(character) < 0x10000:
            known = font.chinese or ord(character) < 0x250 or 0x2010 <= ord(character) < 0x2040
            drawable.append(character if known else "?")
    return " ".join("".join(drawable).split())


def _words(text: str) -> list[str]:
    """Split a text at all possible line breaks."""
    words: list[str] = []
    for character in text:
        before = words[-1][-1] if words else " "
        wide = unicodedata.east_asian_width(character) in _WIDE
        after_wide = unicodedata.east_asian_width(before) in _WIDE
        starts = before == " " or ((wide or after_wide) and character != " ")
        if words and (not starts or unicodedata.category(character) in _NOT_AT_START or character == " "):
            words[-1] += character
        else:
            words.append(character)
    return words
