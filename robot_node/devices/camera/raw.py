"""The camera's pictures unencoded, in full and in small: for other encoders than H.264, and for detection."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from robot_node.core.media import RawFrame, RawFrameSink
from robot_node.devices.camera.h264 import capture_time_us, discard_encoder, stop_encoder
from robot_node.devices.platform import CameraLibrary
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)


class RawStream:
    """Copies of the pictures of one of a camera's streams. Its methods block: call them in the worker.

    It costs the camera's event thread one copy of each picture that it hands out, and nothing else.

    Args:
        library: The camera library.
        picam2: The camera, its stream configured for YUV420.
        receive: Called with each picture, in a thread of the library.
        every: Hand out each first, second, third picture and so on: the others are not copied.
        name: picamera2's name of the stream: "main", or "lores" for the small one.
    """

    def __init__(
        self, library: CameraLibrary, picam2: Any, receive: RawFrameSink, *, every: int, name: str = "main"
    ) -> None:
        self._library = library
        self._picam2 = picam2
        self._receive = receive
        self._every = every
        self._name = name
        self._encoder: Any = None

    def start(self) -> None:
        """Start handing out pictures.

        Raises:
            DeviceError: The camera library refuses.
        """
        encoder = None
        try:
            encoder = _with_metadata(self._library.Encoder)() if self._name == "lores" else self._library.Encoder()
            encoder.frame_skip_count = self._every
            output = _raw_output(self._library.Output)(encoder, self._receive)
            self._picam2.start_encoder(encoder, output, name=self._name)
        except Exception as error:
            if encoder is not None:
                discard_encoder(encoder)
            raise DeviceError(f"The camera delivers no unencoded pictures: {error}.") from error
        self._encoder = encoder

    def stop(self) -> None:
        """Stop handing out pictures. Does nothing when stopped.

        Raises:
            DeviceError: It could not be stopped.
        """
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            stop_encoder(self._picam2, encoder, "The stream of unencoded pictures")


@functools.cache
def _with_metadata(base: Any) -> Any:
    class EncoderWithMetadata(base):  # type: ignore[misc]  # the base comes with the library, untyped
        """Reads the metadata of each picture that it hands out: some cameras detect objects themselves."""

        metadata: Mapping[str, Any] = MappingProxyType({})

        def _encode(self, stream: Any, request: Any) -> None:  # picamera2's name
            with contextlib.suppress(Exception):  # that would end the camera's event thread
                self.metadata = request.get_metadata()
            super()._encode(stream, request)

    return EncoderWithMetadata


@functools.cache
def _raw_output(base: Any) -> Any:
    class RawOutput(base):  # type: ignore[misc]  # the base comes with the library, untyped
        """Copies each picture and hands it on; never raises: that would end the camera's event thread."""

        def __init__(self, encoder: Any, receive: RawFrameSink) -> None:
            super().__init__()
            self._encoder = encoder
            self._receive = receive
            self._failed = False

        def outputframe(
            self,
            frame: Any,  # the mapped buffer: gone when this returns
            keyframe: bool = True,  # noqa: ARG002, FBT002  # picamera2's signature
            timestamp: int | None = None,
            packet: Any = None,  # noqa: ARG002  # picamera2's signature
            audio: bool = False,  # noqa: ARG002, FBT002  # picamera2's signature
        ) -> None:
            encoder = self._encoder
            try:
                width, height, stride = encoder.width, encoder.height, encoder.stride
                planes = bytes(memoryview(frame)[: stride * height * 3 // 2])  # a buffer may be longer than its picture
                metadata = getattr(encoder, "metadata", {})
                self._receive(RawFrame(planes, width, height, stride, capture_time_us(encoder, timestamp), metadata))
            except Exception:
                if not self._failed:
                    logger.exception("Unencoded pictures cannot be handed on")
                self._failed = True

    return RawOutput
