"""The newest of the camera's small pictures, from its thread to the event loop; and a picture as JPEG."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from PIL import Image

from robot_node.core.media import RawFrame, RawFrameSink

_QUALITY = 80
_EARLY = 0.8
"""Share of the time between two pictures after which the next one is due: cameras are not exact."""
_BLACK, _RANGE = 16, 219
"""Brightness of the camera's black, and from there to white (ITU-R BT.601, limited range); JPEG has 0 and 255."""


class SmallPictures(Protocol):
    """A camera that delivers small unencoded pictures."""

    def set_small_sink(self, sink: RawFrameSink | None) -> None:
        """Set the receiver of the pictures, called in a thread of the camera."""

    def set_small_watched(self, rate: float | None, *, keeps_on: bool = False) -> None:
        """Set how many pictures a second are needed; None: none."""


class _Pace:
    """Leaves out pictures that come too soon. Used from one thread.

    Args:
        rate: At most about so many pictures a second are due.
    """

    def __init__(self, rate: float) -> None:
        self._interval_us = round(_EARLY * 1e6 / rate)
        self._due_us = 0

    def is_due(self, picture: RawFrame) -> bool:
        """Whether it is time for a picture."""
        if picture.timestamp_us < self._due_us:
            return False
        self._due_us = picture.timestamp_us + self._interval_us
        return True


class NewestPicture:
    """A queue of one: a picture that was not taken is replaced by the next one.

    Made on the event loop; :meth:`put` is called in any thread, all else on the loop.

    Args:
        rate: At most about so many pictures a second are put in; others are left out.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._picture: RawFrame | None = None
        self._pace = _Pace(rate)
        self._listeners: list[Callable[[object], None]] = []

    def put(self, picture: RawFrame) -> None:
        """Put in a picture, if it is time for one, and wake the loop unless it is awake already."""
        if not self._pace.is_due(picture):
            return
        with self._lock:
            before, self._picture = self._picture, picture
        if before is None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._notify)

    def take(self) -> RawFrame | None:
        """Take the picture out; None when there is none."""
        with self._lock:
            picture, self._picture = self._picture, None
        return picture

    def listen(self, listener: Callable[[object], None]) -> Callable[[], None]:
        """Call ``listener`` when a picture has come, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _notify(self) -> None:
        for listener in tuple(self._listeners):
            listener(None)


class Watcher(Protocol):
    """Receives small pictures.

    Attributes:
        rate: So many a second.
    """

    @property
    def rate(self) -> float: ...  # noqa: D102  # see Attributes

    def put(self, picture: RawFrame) -> None:
        """Take a picture, in a thread of the camera, and return at once."""


class PictureFeed:
    """Gives a camera's small pictures to several watchers, each at its own rate. Used from the event loop only.

    Args:
        camera: Gives the pictures.
    """

    def __init__(self, camera: SmallPictures) -> None:
        self._camera = camera
        self._watchers: tuple[tuple[Watcher, bool], ...] = ()

    @contextlib.contextmanager
    def watch(self, rate: float, *, keeps_on: bool = False) -> Iterator[NewestPicture]:
        """Ask the camera for pictures in this block, whether it is on or off.

        Args:
            rate: So many pictures a second.
            keeps_on: The camera is not switched off for lack of viewers meanwhile.
        """
        pictures = NewestPicture(rate)
        self.add(pictures, keeps_on=keeps_on)
        try:
            yield pictures
        finally:
            self.remove(pictures)

    def add(self, watcher: Watcher, *, keeps_on: bool = False) -> None:
        """Give pictures to a watcher until :meth:`remove`; ``keeps_on`` as of :meth:`watch`."""
        self._watchers = (*self._watchers, (watcher, keeps_on))
        self._adjust()

    def remove(self, watcher: Watcher) -> None:
        """Give a watcher no more pictures. Does nothing when it gets none."""
        self._watchers = tuple(each for each in self._watchers if each[0] is not watcher)
        self._adjust()

    def _adjust(self) -> None:
        self._camera.set_small_sink(self._put if self._watchers else None)
        rate = max((pictures.rate for pictures, _ in self._watchers), default=None)
        self._camera.set_small_watched(rate, keeps_on=any(keeps_on for _, keeps_on in self._watchers))

    def _put(self, picture: RawFrame) -> None:
        """Hand a picture on, in a thread of the camera."""
        for pictures, _ in self._watchers:
            pictures.put(picture)


class SmallVideo:
    """The small pictures as source of a video: a :class:`robot_node.core.media.RawVideoSource`.

    Who watches it does not keep the camera on.

    Args:
        feed: Gives the pictures.
        rate: So many a second.
    """

    def __init__(self, feed: PictureFeed, rate: float) -> None:
        self.rate = rate
        self._feed = feed
        self._pace = _Pace(rate)
        self._sink: RawFrameSink | None = None

    def set_raw_sink(self, sink: RawFrameSink | None) -> None:
        """Set the receiver of the pictures, called in a thread of the camera."""
        self._sink = sink

    def set_raw_watched(self, watched: bool) -> None:  # the protocol's signature
        """Set whether pictures are needed."""
        self._feed.remove(self)
        if watched:
            self._feed.add(self)

    def put(self, picture: RawFrame) -> None:
        """Hand a picture on, if it is time for one."""
        if (sink := self._sink) is not None and self._pace.is_due(picture):
            sink(picture)


def jpeg_of(picture: RawFrame) -> bytes:
    """Return a picture as a JPEG file, upright."""
    file = io.BytesIO()
    _upright(picture).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def image_of(picture: RawFrame) -> Image.Image:
    """Return a picture in red, green and blue, upright."""
    return _upright(picture).convert("RGB")


_ROTATIONS = {
    90: Image.Transpose.ROTATE_270,  # Pillow's are anticlockwise
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


def _upright(picture: RawFrame) -> Image.Image:
    image = Image.merge("YCbCr", [_plane(picture, number) for number in range(3)])
    return image.transpose(_ROTATIONS[picture.rotation]) if picture.rotation else image


def _plane(picture: RawFrame, number: int) -> Image.Image:
    """Return a plane in full size and full range: 0 is the brightness, 1 and 2 are the colours."""
    width, height, stride = picture.width, picture.height, picture.stride
    if number == 0:
        start = 0
    else:
        start = stride * height + (number - 1) * (stride // 2) * (height // 2)
        width, height, stride = width // 2, height // 2, stride // 2
    data = picture.planes[start : start + stride * height]
    plane = Image.frombuffer("L", (width, height), data, "raw", "L", stride, 1)
    if number == 0:
        return plane.point([min(max(round((value - _BLACK) * 255 / _RANGE), 0), 255) for value in range(256)])
    full = plane.point([min(max(round((value - 128) * 255 / 224 + 128), 0), 255) for value in range(256)])
    return full.resize((picture.width, picture.height), Image.Resampling.BILINEAR)
