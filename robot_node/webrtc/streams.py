"""What a robot sends to its peers, encoded once for all of them, whoever called whom."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from robot_node.core.media import AudioSink, AudioSource, RawVideoSource, VideoSource
from robot_node.settings.devices import CameraSettings

if TYPE_CHECKING:  # PyAV takes seconds to load on a Pi: not before somebody needs it
    from robot_node.webrtc.audio import Sound
    from robot_node.webrtc.bitrate import BitrateLimits
    from robot_node.webrtc.broadcast import Broadcast


class Streams:
    """The one broadcast of a robot's camera for each codec, and its one sound, shared by the answerer and the dialer.

    Used from the event loop only.

    Args:
        camera: Encodes once, and only while somebody watches.
        microphone: Encodes once, and is open only while somebody listens; None without one.
        loudspeaker: Where peers are heard; None without one.
        viewer_may_speak: A viewer is heard too, not only a backend that the robot called.
        ears: Where the viewer of a client id is heard besides: what it says is recognised; None when it is not.
        bitrate: Between what the bitrate of the video follows the receivers; None leaves it as it is.
        pictures: The camera's pictures as they are, for peers without H.264; None when such peers are refused.
        camera_settings: The bitrate, frame rate and keyframe interval that peers without H.264 get as well.
    """

    def __init__(
        self,
        camera: VideoSource,
        microphone: AudioSource | None = None,
        loudspeaker: AudioSink | None = None,
        *,
        viewer_may_speak: bool = False,
        ears: Callable[[str], AudioSink] | None = None,
        bitrate: BitrateLimits | None = None,
        pictures: RawVideoSource | None = None,
        camera_settings: CameraSettings | None = None,
    ) -> None:
        self._bitrate = bitrate
        self._camera = camera
        self._microphone = microphone
        self._loudspeaker = loudspeaker
        self._viewer_may_speak = viewer_may_speak
        self._ears = ears
        self._pictures = pictures
        self._camera_settings = camera_settings or CameraSettings()
        self._video: Broadcast | None = None
        self._vp8: Broadcast | None = None
        self._sound: Sound | None = None

    async def video(self) -> Broadcast:
        """The broadcast of the camera; made, and what it needs loaded in a thread, when first asked for."""
        module = await asyncio.to_thread(importlib.import_module, "robot_node.webrtc.broadcast")
        if self._video is None:
            self._video = module.Broadcast(self._camera, asyncio.get_running_loop(), bitrate=self._bitrate)
        return self._video

    async def vp8(self) -> Broadcast | None:
        """The broadcast for peers without H.264, made when first asked for; None when there can be none.

        The encoder itself runs only while it has viewers.
        """
        video = await asyncio.to_thread(importlib.import_module, "robot_node.webrtc.broadcast")
        vp8 = await asyncio.to_thread(importlib.import_module, "robot_node.webrtc.vp8")
        if self._vp8 is None and self._pictures is not None and vp8.can_encode_vp8():
            camera = self._camera_settings
            source = vp8.Vp8Source(
                self._pictures,
                bitrate=camera.bitrate,
                frame_rate=camera.frame_rate,
                keyframe_interval_s=camera.keyframe_interval_s,
            )
            self._vp8 = video.Broadcast(source, asyncio.get_running_loop(), bitrate=self._bitrate)
        return self._vp8

    async def sound(self) -> Sound:
        """Microphone and loudspeaker for peers; made, and what they need loaded in a thread, when first asked for."""
        module = await asyncio.to_thread(importlib.import_module, "robot_node.webrtc.audio")
        if self._sound is None:
            microphone = module.AudioBroadcast(self._microphone) if self._microphone is not None else None
            self._sound = module.Sound(
                microphone, self._loudspeaker, viewer_may_speak=self._viewer_may_speak, ears=self._ears
            )
        return self._sound

    def keyframes_forced(self) -> int:
        """How many keyframes the encoders were asked for."""
        return sum(broadcast.keyframes.forwarded for broadcast in (self._video, self._vp8) if broadcast is not None)

    def close(self) -> None:
        """Let camera and microphone go; peers that are left get nothing more."""
        if self._sound is not None and self._sound.microphone is not None:
            self._sound.microphone.close()
        self._sound = None
        for broadcast in (self._video, self._vp8):
            if broadcast is not None:
                broadcast.close()
        self._video = self._vp8 = None
