"""A face that lives: told what it shall show, it draws the picture for any time."""

from __future__ import annotations

from collections.abc import Iterable

from PIL import Image

from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.renderer import TEXT_ROWS, Size, render
from robot_node.face.scene import NO_CAPTION, Moment, Scene
from robot_node.face.shapes import Expression
from robot_node.face.signs import Signs, draw_signs
from robot_node.face.text import Caption, Font, draw_line, load_font, wrap


class Animator:
    """A face on a display.

    All times are seconds of one clock of the caller's choice, such as ``time.monotonic``. What is told counts from its
    own time on; :meth:`picture` depends on what was told and on the time alone, not on which pictures were asked for.

    Args:
        size: Width and height of the display in pixels.
        seed: Decides when the eyes blink and where they look.
        expression: What shows at first.
        font: For text; without it :func:`~robot_node.face.text.load_font` chooses one when text is first shown.
    """

    def __init__(
        self,
        size: Size = (128, 64),
        *,
        seed: int = 0,
        expression: Expression = EXPRESSIONS[Emotion.NEUTRAL],
        font: Font | None = None,
    ) -> None:
        self.size = size
        self.scene = Scene(expression, seed=seed)
        self._font = font
        self._drawn: tuple[Moment, Image.Image] | None = None

    def show(self, expression: Expression, at: float) -> None:
        """Turn to an expression, from whatever is seen at that time."""
        self.scene = self.scene.showing(expression, at)

    def speak(self, levels: Iterable[tuple[float, float]]) -> None:
        """Move the mouth to speech that is being played.

        Args:
            levels: Times, in order, each with the loudness then, 0 to 1; about 20 to 50 a second. The mouth returns
                to its expression when there are no more.
        """
        self.scene = self.scene.speaking(levels)

    def hush(self, at: float) -> None:
        """Forget the levels after a time: what was playing has been stopped."""
        self.scene = self.scene.silent(at)

    def caption(self, text: str, at: float, duration: float | None = None) -> float:
        """Write a text below the face, line after line.

        Args:
            text: Latin and, where a font with them is installed, Chinese letters. Empty removes what shows.
            at: When it begins.
            duration: Seconds that it shows in all; by default as long as it takes to read.

        Returns:
            When it goes.
        """
        caption = Caption.paced(self._lines(text), at, duration) if text.strip() else NO_CAPTION
        self.scene = self.scene.captioned(caption, at)
        return caption.until if caption.lines else at

    def sign(self, signs: Signs, at: float) -> None:
        """Show what the owner is to know at a glance."""
        self.scene = self.scene.signed(signs, self._lines(signs.error) if signs.error.strip() else (), at)

    def picture(self, time: float) -> Image.Image:
        """Return the picture at a time, of mode ``"1"``; it is shared, not to be drawn on."""
        moment = self.scene.moment(time)
        if self._drawn is None or self._drawn[0] != moment:
            self._drawn = moment, self._draw(moment, time)
        return self._drawn[1]

    def next_change(self, time: float) -> float:
        """Return until when the picture stays as it is at a time; infinity when it stays for good.

        While something moves, that is a frame of a fiftieth second.
        """
        return self.scene.next_change(time)

    def _draw(self, moment: Moment, time: float) -> Image.Image:
        picture = render(moment.face, self.size, raised=moment.raised)
        if moment.text:
            strip = draw_line(moment.text, self._any_font(), (self.size[0], TEXT_ROWS))
            picture.paste(strip, (0, self.size[1] - TEXT_ROWS))
        draw_signs(picture, moment.signs, time)
        return picture

    def _lines(self, text: str) -> tuple[str, ...]:
        return wrap(text, self._any_font(), self.size[0] - 1)  # a pixel less: the picture may be shifted (care.py)

    def _any_font(self) -> Font:
        if self._font is None:
            self._font = load_font()
        return self._font
