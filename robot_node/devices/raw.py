"""The camera's pictures as they are, for those who encode them in another way than H.264."""

from __future__ import annotations

import logging
import math
from typing import Any

from robot_node.core.media import RawFrame, RawFrameSink
from robot_node.devices.h264 import capture_time_us, throw_away
from robot_node.devices.platform import CameraLibrary
from robot_node.errors import DeviceError
from robot_node.settings.devices import CameraSettings

logger = logging.getLogger(__name__)

MOST_FRAMES_PER_S = 30


class RawStream:
    """Copies of one camera's pictures. Its methods block: call them in the camera's worker.

    Beside the H.264 encoder it costs the camera's event thread one copy of a picture, and nothing else.

    Args:
        library: The camera library.
        picam2: The camera, configured for YUV420.
        settings: The camera's frame rate; above 30 frames/s pictures are left out evenly.
        receive: Called with each picture, in a thread of the library.
    """

    def __init__(self, library: CameraLibrary, picam2: Any, settings: CameraSettings, receive: RawFrameSink) -> None:
        self._library = library
        self._picam2 = picam2
        self._settings = settings
        self._receive = receive
        self._encoder: Any = None

    def start(self) -> None:
        """Start to hand out pictures.

        Raises:
            DeviceError: The camera library refuses.
        """
        encoder = None
        try:
            encoder = self._library.Encoder()
            encoder.frame_skip_count = math.ceil(self._settings.frame_rate / MOST_FRAMES_PER_S)
            self._picam2.start_encoder(encoder, _make_output(self._library, encoder, self._receive), name="main")
        except Exception as error:
            if encoder is not None:
                throw_away(encoder)
            raise DeviceError(f"The camera gives out no pictures for VP8: {error}.") from error
        self._encoder = encoder

    def stop(self) -> None:
        """Hand out no more. Does nothing when stopped."""
        encoder, self._encoder = self._encoder, None
        if encoder is None:
            return
        try:
            self._picam2.stop_encoder(encoder)
        except Exception as error:
            throw_away(encoder)
            raise DeviceError(f"The camera's pictures for VP8 could not be stopped: {error}.") from error


def _make_output(library: CameraLibrary, encoder: Any, receive: RawFrameSink) -> Any:
    base: Any = library.Output

    class RawOutput(base):  # type: ignore[misc]  # the base comes with the library, untyped
        """Copies each picture and hands it on; never raises: that would end the camera's event thread."""

        failed = False

        def outputframe(
            self,
            frame: Any,
            keyframe: bool = True,  # noqa: ARG002, FBT002  # picamera2's signature
            timestamp: int | None = None,
            packet: Any = None,  # noqa: ARG002  # picamera2's signature
            audio: bool = False,  # noqa: ARG002, FBT002  # picamera2's signature
        ) -> None:
            try:
                width, height, stride = encoder.width, encoder.height, encoder.stride
                planes = bytes(memoryview(frame)[: stride * height * 3 // 2])  # a buffer may be longer than its picture
                receive(RawFrame(planes, width, height, stride, capture_time_us(encoder, timestamp)))
            except Exception:
                if not self.failed:
                    logger.exception("Pictures for VP8 cannot be handed on")
                self.failed = True

    return RawOutput()
