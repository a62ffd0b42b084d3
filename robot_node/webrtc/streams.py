"""The media that all peers of a robot share, viewers and backend: each encoded once."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from robot_node.core.media import RawVideoSource, VideoMode, VideoSource
from robot_node.core.mixer import Mixer
from robot_node.settings.devices import CameraSettings

if TYPE_CHECKING:  # PyAV takes seconds to load on a Pi: not before somebody needs it
    from robot_node.webrtc.audio import Sound
    from robot_node.webrtc.bitrate import BitrateLimits
    from robot_node.webrtc.broadcast import Broadcast
    from robot_node.webrtc.vp8 import Vp8Source


SMALL_VIDEO_RATE = 10
"""Pictures a second of the small video: enough to see what happens, for a tenth of the whole video's bytes."""
_SMALL_BITRATE = 150_000


class VideoStreams:
    """The one broadcast of a camera for each codec. Used from the event loop only.

    Args:
        camera: Encodes once, and only while somebody watches.
        bitrate: Limits within which the video's bitrate follows the receivers; None leaves it as it is.
        pictures: The camera's raw pictures, for peers without H.264; None when such peers are refused.
        camera_settings: Bitrate, frame rate and keyframe interval, for peers without H.264 too.
        small_pictures: The same pictures in small, for the small video; None: there is none.
    """

    def __init__(
        self,
        camera: VideoSource,
        *,
        bitrate: BitrateLimits | None = None,
        pictures: RawVideoSource | None = None,
        camera_settings: CameraSettings | None = None,
        small_pictures: RawVideoSource | None = None,
    ) -> None:
        self._bitrate = bitrate
        self._camera = camera
        self._pictures = pictures
        self._small_pictures = small_pictures
        self._camera_settings = camera_settings or CameraSettings()
        self._video: Broadcast | None = None
        self._vp8: Broadcast | None = None
        self._small: Broadcast | None = None
        self._vp8_source: Vp8Source | None = None

    async def video(self) -> Broadcast:
        """Return the camera's broadcast; made, and what it needs loaded in a thread, when first asked for."""
        module = await asyncio.to_thread(importlib.import_module, "robot_node.webrtc.broadcast")
        if self._video is None:
            self._video = module.Broadcast(self._camera, asyncio.get_running_loop(), bitrate=self._bitrate)
        return self._video

    async def vp8(self) -> Broadcast | None:
        """Return the broadcast for peers without H.264, made when first asked for; None when there can be none.

        The encoder itself runs only while it has viewers.
        """
        video = await asyncio.to_thread(importlib.import_module, "robot_node.webrtc.broadcast")
        vp8 = await asyncio.to_thread(importlib.import_module, "robot_node.webrtc.vp8")
        if self._vp8 is None and self._pictures is not None and vp8.can_encode_vp8():
            self._vp8_source = vp8.Vp8Source(self._pictures, self._camera_settings)
            self._vp8 = video.Broadcast(self._vp8_source, asyncio.get_running_loop(), bitrate=self._bitrate)
        return self._vp8

    async def small(self) -> Broadcast | None:
        """Return the small video's broadcast, VP8, made when first asked for; None when there can be none.

        Its encoder runs only while it has viewers, and its bitrate is fixed: there is little to save.
        """
        video = await asyncio.to_thread(importlib.import_module, "robot_node.webrtc.broadcast")
        vp8 = await asyncio.to_thread(importlib.import_module, "robot_node.webrtc.vp8")
        if self._small is None and self._small_pictures is not None and vp8.can_encode_vp8():
            small = {"frame_rate": SMALL_VIDEO_RATE, "bitrate": _SMALL_BITRATE}
            settings = self._camera_settings.model_copy(update=small)
            source = vp8.Vp8Source(self._small_pictures, settings)
            self._small = video.Broadcast(source, asyncio.get_running_loop())
        return self._small

    @property
    def has_small_video(self) -> bool:
        """:meth:`small` has returned a broadcast."""
        return self._small is not None

    def set_mode(self, mode: VideoMode) -> None:
        """Follow the camera's video: bitrate and frame rate of the encoders; viewers stay."""
        self._camera_settings = self._camera_settings.model_copy(update=dataclasses.asdict(mode))
        if self._vp8_source is not None:
            self._vp8_source.set_settings(self._camera_settings)
        if self._bitrate is None:
            return
        self._bitrate = dataclasses.replace(
            self._bitrate, floor=min(self._bitrate.floor, mode.bitrate), ceiling=mode.bitrate
        )
        for broadcast in (self._video, self._vp8):
            if broadcast is not None and broadcast.bitrate is not None:
                broadcast.bitrate.set_limits(self._bitrate)

    def keyframes_forced(self) -> int:
        """Return the number of keyframes requested of the encoders."""
        return sum(broadcast.keyframes.forwarded for broadcast in self._broadcasts())

    def close(self) -> None:
        """Release the camera; remaining peers get nothing more."""
        for broadcast in self._broadcasts():
            broadcast.close()
        self._video = self._vp8 = self._small = None

    def _broadcasts(self) -> list[Broadcast]:
        return [each for each in (self._video, self._vp8, self._small) if each is not None]


class Streams:
    """The broadcasts of a robot's cameras, and its one sound, shared by the answerer and the dialer.

    Used from the event loop only.

    Args:
        camera: The camera, or the first one.
        mixer: What peers hear, and what plays them; None for a robot without sound.
        bitrate: As of :class:`VideoStreams`.
        pictures: As of :class:`VideoStreams`.
        camera_settings: As of :class:`VideoStreams`.
        small_pictures: As of :class:`VideoStreams`.
        name: Name of the camera.
        others: The streams of the other cameras, by name.

    Attributes:
        cameras: The streams of each camera, by name; the first is the default.
    """

    def __init__(
        self,
        camera: VideoSource,
        mixer: Mixer | None = None,
        *,
        bitrate: BitrateLimits | None = None,
        pictures: RawVideoSource | None = None,
        camera_settings: CameraSettings | None = None,
        small_pictures: RawVideoSource | None = None,
        name: str = "",
        others: Mapping[str, VideoStreams] = MappingProxyType({}),
    ) -> None:
        self._first = VideoStreams(
            camera,
            bitrate=bitrate,
            pictures=pictures,
            camera_settings=camera_settings,
            small_pictures=small_pictures,
        )
        self._mixer = mixer or Mixer()
        self._sound: Sound | None = None
        self.cameras: Mapping[str, VideoStreams] = {name: self._first, **others}

    async def video(self) -> Broadcast:
        """Return the first camera's broadcast: see :meth:`VideoStreams.video`."""
        return await self._first.video()

    async def vp8(self) -> Broadcast | None:
        """Return the first camera's broadcast for peers without H.264: see :meth:`VideoStreams.vp8`."""
        return await self._first.vp8()

    @property
    def has_small_video(self) -> bool:
        """The media stack is loaded, and the first camera has a small video."""
        return self._first.has_small_video

    async def sound(self) -> Sound:
        """Return the sound for peers; made, and what it needs loaded in a thread, when first asked for."""
        module = await asyncio.to_thread(importlib.import_module, "robot_node.webrtc.audio")
        if self._sound is None:
            broadcast = module.AudioBroadcast(self._mixer) if self._mixer.has_sound_for_peers else None
            self._sound = module.Sound(self._mixer, broadcast)
        return self._sound

    def keyframes_forced(self) -> int:
        """Return the number of keyframes requested of the encoders."""
        return sum(each.keyframes_forced() for each in self.cameras.values())

    def close(self) -> None:
        """Release cameras and microphone; remaining peers get nothing more."""
        if self._sound is not None and self._sound.broadcast is not None:
            self._sound.broadcast.close()
        self._sound = None
        for each in self.cameras.values():
            each.close()
