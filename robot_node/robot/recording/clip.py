"""One recording in progress: which picture goes into which file, and when it ends."""

from __future__ import annotations

from collections.abc import Callable

from robot_node.robot.recording.ring import Sample, track_format
from robot_node.robot.recording.writer import ClipWriter

_MICROSECONDS = 1_000_000

OpenFile = Callable[[str, tuple[Sample, ...]], ClipWriter | None]
"""Opens a file of that name which begins with these samples; None when that failed, which it reports."""


class Clip:
    """A recording, in one file or several that follow one another without a gap.

    Times are those of the pictures: what they say counts, whatever the clock does.

    Args:
        new_name: Returns the name of the next file.
        open_file: Opens it.
        by: Client id of the agent that began it.
        cause: What caused it, as it is stored in the files.
        lasts_s: It ends so many seconds after it began.
        file_s: A file that is longer is followed by another.

    Attributes:
        name: Of the present file.
        by: Client id of the agent that began it.
        cause: What caused it.
    """

    def __init__(
        self, new_name: Callable[[], str], open_file: OpenFile, *, by: str, cause: str, lasts_s: float, file_s: float
    ) -> None:
        self._new_name = new_name
        self._open_file = open_file
        self._lasts_s = lasts_s
        self._file_s = file_s
        self._counted_from_us: int | None = None  # of a picture; None: from the next one
        self._file_began_us = 0
        self._format: tuple[bytes, int] | None = None
        self._writer: ClipWriter | None = None  # None before the first keyframe of a file
        self.name = new_name()
        self.by = by
        self.cause = cause

    @property
    def needs_keyframe(self) -> bool:
        """The file has lost pictures, and goes on with a keyframe."""
        return self._writer is not None and self._writer.needs_keyframe

    def begin(self, samples: tuple[Sample, ...]) -> None:
        """Begin with what has been captured already, a keyframe first; it counts from the last picture on."""
        self._counted_from_us = next(sample.time_us for sample in reversed(samples) if sample.video)
        self._open(samples)

    def extend(self, lasts_s: float, newest_us: int) -> None:
        """Let it last so many seconds from now on, unless it lasts longer anyway.

        Args:
            lasts_s: How many seconds.
            newest_us: Capture time of the newest picture.
        """
        if self._counted_from_us is None:
            self._lasts_s = max(self._lasts_s, lasts_s)
        elif self._lasts_s - (newest_us - self._counted_from_us) / _MICROSECONDS < lasts_s:
            self._counted_from_us, self._lasts_s = None, lasts_s

    def add_picture(self, sample: Sample) -> bool:
        """Add the next picture; returns whether it was the last one."""
        if sample.keyframe and self._writer is not None and self._begins_a_file(sample):
            self._writer.end()
            self._writer, self.name = None, self._new_name()
        if self._writer is not None:
            self._writer.add(sample)
        elif sample.keyframe:
            self._open((sample,))
        if self._counted_from_us is None:
            self._counted_from_us = sample.time_us
        return sample.time_us - self._counted_from_us >= self._lasts_s * _MICROSECONDS

    def add_sound(self, sample: Sample) -> None:
        """Add the next packet of sound; it is dropped before the first picture."""
        if self._writer is not None:
            self._writer.add(sample)

    def end(self) -> bool:
        """Complete the file; False when there is none."""
        if self._writer is None:
            return False
        self._writer.end()
        return True

    def _begins_a_file(self, keyframe: Sample) -> bool:
        too_long = keyframe.time_us - self._file_began_us >= self._file_s * _MICROSECONDS
        return too_long or track_format(keyframe) != self._format  # another size: no file can hold both

    def _open(self, samples: tuple[Sample, ...]) -> None:
        self._file_began_us, self._format = samples[0].time_us, track_format(samples[0])
        self._writer = self._open_file(self.name, samples)
