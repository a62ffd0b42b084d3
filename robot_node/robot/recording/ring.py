"""A ring buffer of the last seconds of encoded video and sound, in memory. Pure."""

from __future__ import annotations

import itertools
import re
from collections import deque
from dataclasses import dataclass, field

_START_CODE = re.compile(b"\0\0\1")
_SPS, _PPS = 7, 8
_SLICES = frozenset({1, 5})
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One encoded picture, or one packet of sound.

    Attributes:
        data: H.264: an access unit as Annex B byte stream. Sound: an Opus packet.
        time_us: When it was captured, in microseconds of the monotonic clock.
        video: It is a picture.
        keyframe: It is a picture that a decoder can start with.
        rotation: Degrees clockwise by which a picture has to be rotated to be shown.
    """

    data: bytes = field(repr=False)
    time_us: int
    video: bool = True
    keyframe: bool = False
    rotation: int = 0


def parameter_sets(access_unit: bytes) -> bytes:
    """Return SPS and PPS of an access unit, which say how the video is coded; empty without them.

    ITU-T H.264, table 7-1 and annex B. Two streams with the same ones can be in one track of a file.
    """
    units = []
    for found in _START_CODE.finditer(access_unit):
        kind = access_unit[found.end()] & 0x1F if found.end() < len(access_unit) else 0
        units.append((kind, found))
        if kind in _SLICES:  # the picture's data follows: long, and without parameters
            break
    ends = [after.start() for _, after in units[1:]]
    sets = (
        access_unit[unit.end() : end].rstrip(b"\0")
        for (kind, unit), end in itertools.zip_longest(units, ends)
        if kind in {_SPS, _PPS}
    )
    return b"".join(sets)


def track_format(keyframe: Sample) -> tuple[bytes, int]:
    """Return what all pictures of a file have in common: their parameter sets, and how they are rotated."""
    return parameter_sets(keyframe.data), keyframe.rotation


@dataclass(slots=True)
class _Group:
    """A keyframe and what follows until the next one."""

    samples: list[Sample]
    size: int = 0


class Ring:
    """Keeps the last seconds of a stream, from a keyframe on.

    Nothing is asked of the encoder for it as a rule: it keeps whole groups of pictures, and so up to one interval of
    keyframes more than it is to keep. Only a group that is as long as the ring itself, or half as large as it may be,
    makes it ask for a keyframe (:attr:`wants_keyframe`).

    Args:
        seconds: How much to keep.
        max_bytes: The most that it may hold; the oldest groups are dropped first.
    """

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self._length_us = int(seconds * _MICROSECONDS)
        self._max_bytes = max_bytes
        self._groups: deque[_Group] = deque()
        self._format: tuple[bytes, int] | None = None
        self._size = 0
        self._newest_us = 0

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return self._size

    @property
    def seconds(self) -> float:
        """Time from the first to the newest picture, in seconds."""
        if not self._groups:
            return 0.0
        return (self._newest_us - self._groups[0].samples[0].time_us) / _MICROSECONDS

    @property
    def wants_keyframe(self) -> bool:
        """The newest group grows too long to be dropped as a whole later."""
        if not self._groups:
            return False
        newest = self._groups[-1]
        too_long = self._newest_us - newest.samples[0].time_us >= self._length_us
        return too_long or 2 * newest.size >= self._max_bytes

    def add(self, sample: Sample) -> None:
        """Add the next sample; what comes before the first keyframe is dropped."""
        if sample.keyframe:
            its_format = track_format(sample)
            if its_format != self._format:  # another size or rotation: no file can hold both
                self.clear()
                self._format = its_format
            self._groups.append(_Group([]))
        elif not self._groups:
            return
        if sample.video:
            self._newest_us = sample.time_us
        newest = self._groups[-1]
        newest.samples.append(sample)
        newest.size += len(sample.data)
        self._size += len(sample.data)
        while len(self._groups) > 1 and (self._size > self._max_bytes or self._second_suffices()):
            self._size -= self._groups.popleft().size
        if self._size > self._max_bytes:
            self.clear()

    def since(self, seconds: float) -> tuple[Sample, ...]:
        """Return the samples from the last keyframe on that is so many seconds old or older; from the first, at most.

        Args:
            seconds: Before the newest picture.
        """
        if not self._groups:
            return ()
        wanted_us = self._newest_us - int(seconds * _MICROSECONDS)
        first = 0
        for number, group in enumerate(self._groups):
            if group.samples[0].time_us <= wanted_us:
                first = number
        return tuple(sample for group in list(self._groups)[first:] for sample in group.samples)

    def clear(self) -> None:
        """Drop everything."""
        self._groups.clear()
        self._size = 0
        self._format = None

    def _second_suffices(self) -> bool:
        return self._groups[1].samples[0].time_us <= self._newest_us - self._length_us
