"""The camera as a source of video and pictures: what viewers and detection need of it."""

from __future__ import annotations

import abc

from robot_node.core.media import FrameSink, RawFrameSink
from robot_node.devices.camera.stream import CameraStream, StreamDemand

_LOWEST_BITRATE = 100_000


class StreamSource(abc.ABC):
    """Takes note of what is needed, whether the camera is on or off. Base class of the camera.

    Args:
        demand: Where it is noted.
    """

    def __init__(self, demand: StreamDemand) -> None:
        self._demand = demand

    @property
    @abc.abstractmethod
    def _stream(self) -> CameraStream | None:
        """The streams of the camera while it is open."""

    @abc.abstractmethod
    def _demand_changed(self, *, retry: bool = False) -> None:
        """Start and stop streams; ``retry`` those too that failed."""

    def set_sink(self, sink: FrameSink | None) -> None:
        """Set the receiver of the encoded frames."""
        self._demand.sink = sink

    def set_watched(self, watched: bool, *, in_use: bool = True) -> None:
        """Set whether there are viewers: the encoder runs only while the camera is on and watched.

        Args:
            watched: There are viewers.
            in_use: They keep the camera from being switched off as idle.
        """
        retry = watched and in_use and not self._demand.in_use
        self._demand.watched, self._demand.in_use = watched, watched and in_use
        self._demand_changed(retry=retry)

    def request_keyframe(self) -> None:
        """Make one of the next frames a keyframe; each call may cost one."""
        if self._stream is not None:
            self._stream.request_keyframe()

    def set_bitrate(self, bits_per_second: int) -> None:
        """Change the target bitrate while running, in bit/s; at least 100 000. How: see :class:`H264Stream`."""
        self._demand.bitrate = max(_LOWEST_BITRATE, bits_per_second)
        self._demand_changed()

    def set_raw_sink(self, sink: RawFrameSink | None) -> None:
        """Set the receiver of the unencoded frames, called in a thread of the camera library."""
        self._demand.raw_sink = sink

    def set_raw_watched(self, watched: bool) -> None:
        """Set whether unencoded frames are needed; they are delivered while the camera is on."""
        retry = watched and not self._demand.raw_watched
        self._demand.raw_watched = watched
        self._demand_changed(retry=retry)

    def set_small_sink(self, sink: RawFrameSink | None) -> None:
        """Set the receiver of the small unencoded frames, called in a thread of the camera library."""
        self._demand.small_sink = sink

    def set_small_watched(self, rate: float | None, *, keeps_on: bool = False) -> None:
        """Set how many small unencoded frames a second are needed while the camera is on; None: none.

        Their size: :func:`robot_node.devices.camera.capture.small_size`; only these frames are copied. With
        ``keeps_on`` they keep the camera on like a viewer. The camera must have been made with ``small_stream``.
        """
        assert rate is None or rate > 0
        retry = rate is not None and self._demand.small_rate is None
        self._demand.small_rate, self._demand.small_keeps_on = rate, keeps_on
        self._demand_changed(retry=retry)
