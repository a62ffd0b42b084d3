"""A line of text below the face: fonts, lines, and when each of them shows."""

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

LONGEST = 500
"""Characters of a text that are shown; the rest is left out."""

_FONT_SIZE = 12
_PACKAGED = (
    # WenQuanYi Bitmap Song (apt: xfonts-wqy): drawn dot by dot for exactly this height.
    Path("/usr/share/fonts/X11/misc/wenquanyi_9pt.pcf"),
    Path("/usr/share/fonts/X11/misc/wenquanyi_9pt.pcf.gz"),
    # WenQuanYi Zen Hei (apt: fonts-wqy-zenhei) carries bitmaps of this height.
    Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"),
)
_NOTICE_LINE_S = 3.0
"""For how long each line of a notice shows."""

_NOTICE_EVERY_S = 60.0
"""After which a notice shows again: in between, the face has the display to itself."""

_NOT_AT_START = frozenset({"Pe", "Pf", "Po"})
_WIDE = frozenset("WF")
_UNDRAWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "So", "Sk", "Mn", "Me"})


@dataclass(frozen=True, slots=True, eq=False)
class Font:
    """A font for lines of text.

    Attributes:
        face: Pillow's font.
        chinese: It has Chinese characters.
    """

    face: ImageFont.FreeTypeFont | ImageFont.ImageFont
    chinese: bool

    def width(self, text: str) -> float:
        """Return how many pixels a text is wide."""
        return self.face.getlength(text)


def load_font(path: Path | None = None) -> Font:
    """Return a font of twelve pixels.

    Args:
        path: A font file; without it the first of the known packages' fonts, or else Pillow's own for Latin.

    Raises:
        SettingsError: The file that was named is no font.
    """
    if path is not None:
        try:
            return Font(ImageFont.truetype(path, _FONT_SIZE), chinese=True)
        except OSError as error:
            raise SettingsError(f"The font {path} cannot be used: {error}.", remedy="Name a font file.") from error
    return _packaged_font()


@cache
def _packaged_font() -> Font:
    for path in _PACKAGED:
        try:
            return Font(ImageFont.truetype(path, _FONT_SIZE), chinese=True)
        except OSError:
            continue
    logger.info(
        "Subtitles show Latin letters only: for Chinese ones, install a font with 'sudo apt install xfonts-wqy'"
    )
    return Font(ImageFont.load_default(size=_FONT_SIZE), chinese=False)


def wrap(text: str, font: Font, width: int) -> tuple[str, ...]:
    """Return a text's lines, none wider than ``width`` pixels: broken at blanks, and between Chinese characters."""
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
    """Return a picture of mode ``"1"`` with one line of text in its middle."""
    picture = Image.new("1", size)
    draw = ImageDraw.Draw(picture)
    draw.fontmode = "1"
    draw.text(((size[0] - round(font.width(text))) // 2, size[1]), text, fill=1, font=font.face, anchor="ld")
    return picture


@dataclass(frozen=True, slots=True)
class Caption:
    """Lines that show one after the other.

    Attributes:
        lines: The text.
        begins: When each line begins to show, in seconds.
        until: When the last one goes.
    """

    lines: tuple[str, ...]
    begins: tuple[float, ...]
    until: float

    @classmethod
    def paced(cls, lines: Sequence[str], at: float, duration: float | None = None) -> Caption:
        """Give each line its time: as long as one reads, or its share of ``duration`` seconds."""
        times = [_reading_time(line) for line in lines]
        whole = sum(times)
        factor = 1.0 if duration is None or not whole else duration / whole
        begins = [at]
        for time in times:
            begins.append(begins[-1] + time * factor)
        return cls(tuple(lines), tuple(begins[:-1]), begins[-1])

    def line(self, time: float) -> str:
        """Return what shows at a time, if anything."""
        if not self.lines or not self.begins[0] <= time < self.until:
            return ""
        return [line for line, begin in zip(self.lines, self.begins, strict=True) if begin <= time][-1]

    def next_change(self, time: float) -> float:
        """Return when another line shows, or none; infinity when nothing is left."""
        return next((change for change in (*self.begins, self.until) if change > time), float("inf"))


@dataclass(frozen=True, slots=True)
class Notice:
    """Lines that show once when they are news, and from time to time as long as they are true.

    Attributes:
        lines: The text.
        since: When it became true, in seconds.
    """

    lines: tuple[str, ...] = ()
    since: float = 0.0

    @property
    def duration(self) -> float:
        """Seconds for which it shows each time."""
        return _NOTICE_LINE_S * len(self.lines)

    @property
    def period(self) -> float:
        """Seconds from one time to the next."""
        return max(_NOTICE_EVERY_S, 2 * self.duration)

    def within(self, time: float) -> float:
        """Return for how many seconds it has been shown, or was, when last it was; infinity when it never was."""
        return (time - self.since) % self.period if self.lines and time >= self.since else math.inf

    def line(self, time: float) -> str:
        """Return what shows at a time, if anything."""
        within = self.within(time)
        return self.lines[math.floor(within / _NOTICE_LINE_S)] if within < self.duration else ""

    def until(self, time: float) -> float:
        """Return when what shows at a time goes; the time itself when nothing does."""
        return time + max(0.0, self.duration - self.within(time))

    def next_change(self, time: float) -> float:
        """Return when another line shows, or none; infinity when there is none."""
        if not self.lines or time < self.since:
            return self.since if self.lines else math.inf
        begins = time - self.within(time)
        lines = (begins + number * _NOTICE_LINE_S for number in range(1, len(self.lines) + 1))
        return next(change for change in (*lines, begins + self.period, begins + 2 * self.period) if change > time)


def _reading_time(line: str) -> float:
    wide = sum(unicodedata.east_asian_width(character) in _WIDE for character in line)
    return max(1.2, wide * 0.2 + (len(line) - wide) * 0.075)


def _drawable(text: str, font: Font) -> str:
    """Leave out what the font has no picture for: control characters, emoji, and letters of other scripts."""
    kept = []
    for character in unicodedata.normalize("NFC", text[:LONGEST]):
        if character.isspace():
            kept.append(" ")
        elif unicodedata.category(character) not in _UNDRAWN and ord(character) < 0x10000:
            known = font.chinese or ord(character) < 0x250 or 0x2010 <= ord(character) < 0x2040
            kept.append(character if known else "?")
    return " ".join("".join(kept).split())


def _words(text: str) -> list[str]:
    """Cut a text where a line may end."""
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
