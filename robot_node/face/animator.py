"""Animates the face: draws the picture for any time from expressions, speech, captions and signs."""

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
    """An animated face.

    All times are seconds of one clock of the caller's choice, such as ``time.monotonic``. :meth:`picture` depends only
    on the time and on the earlier calls of the other methods, not on which pictures were drawn before.

    Args:
        size: Width and height of the display in pixels.
        seed: Seed of the random blinks and glances.
        expression: Initial expression.
        font: Font for text; by default that of :func:`~robot_node.face.text.load_font`, loaded when it is needed.
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
        """Start the transition to an expression, from the face at that time."""
        self.scene = self.scene.showing(expression, at)

    def speak(self, levels: Iterable[tuple[float, float]]) -> None:
        """Animate the mouth with the loudness of the speech being played.

        Args:
            levels: Pairs of time and loudness, 0 to 1, in order of time; about 20 to 50 per second. After the last one
                the mouth returns to its expression.
        """
        self.scene = self.scene.speaking(levels)

    def stop_speaking(self, at: float) -> None:
        """Discard the levels after a time, since playback was stopped."""
        self.scene = self.scene.silent(at)

    def caption(self, text: str, at: float, duration: float | None = None, *, last_line: bool = False) -> float:
        """Show a text below the face, line by line.

        Args:
            text: Latin and, with a suitable font, Chinese characters. An empty text removes the current one.
            at: Start time.
            duration: Total duration in seconds; by default the time it takes to read.
            last_line: Show the last line only.

        Returns:
            End time.
        """
        lines = self._lines(text)[-1:] if last_line else self._lines(text)
        caption = Caption.paced(lines, at, duration) if text.strip() else NO_CAPTION
        self.scene = self.scene.captioned(caption, at)
        return caption.until if caption.lines else at

    def sign(self, signs: Signs, at: float) -> None:
        """Show status signs at the edge, and an error as text."""
        self.scene = self.scene.signed(signs, self._lines(signs.error) if signs.error.strip() else (), at)

    def picture(self, time: float) -> Image.Image:
        """Return the picture at a time, of mode ``"1"``; it is shared and must not be modified."""
        moment = self.scene.moment(time)
        if self._drawn is None or self._drawn[0] != moment:
            self._drawn = moment, self._draw(moment, time)
        return self._drawn[1]

    def next_change(self, time: float) -> float:
        """Return when the picture changes after a time; infinity if it does not.

        During a movement that is the next frame, 0.02 s later.
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
        return wrap(text, self._any_font(), self.size[0] - 1)  # one less, for the pixel shift of display_policy.py

    def _any_font(self) -> Font:
        if self._font is None:
            self._font = load_font()
        return self._font
