"""Streams of the sound library: how one is opened, and how a device's worker ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from robot_node.core.media import FRAME_SAMPLES, SAMPLE_RATE
from robot_node.core.pip_hint import run_module
from robot_node.devices.platform import SoundLibrary
from robot_node.devices.worker import DeviceWorker
from robot_node.errors import DeviceError

DEFAULT_DEVICE = "default"
"""Name of the system's default microphone or loudspeaker."""

CLOSE_LIMIT_S = 3.0
"""How long a stream may take to close, in seconds."""


def named(device: str) -> str | None:
    """The device as the sound library wants it."""
    return None if device == DEFAULT_DEVICE else device


@contextlib.contextmanager
def opened(library: SoundLibrary, stream_class: Any, what: str, device: str) -> Iterator[Any]:
    """A running stream of the device, closed at the end; its errors name the device and say what to do."""

    def explained(error: Exception) -> DeviceError:
        reason = str(error).partition("\n")[0].rstrip(".")
        return DeviceError(
            f"The {what} {device!r} cannot be used: {reason}.",
            remedy=f"Plug it in, and restart robot-node. The names for [audio]: {run_module('sounddevice')}",
        )

    try:
        stream = stream_class(
            samplerate=SAMPLE_RATE,
            blocksize=FRAME_SAMPLES,
            device=named(device),
            channels=1,
            dtype="int16",
            latency="low",
        )
    except (library.PortAudioError, ValueError) as error:  # ValueError: no device of that name, or several
        raise explained(error) from error
    try:
        stream.start()
        yield stream
    except library.PortAudioError as error:  # also one that was unplugged
        raise explained(error) from error
    finally:
        stream.close()


async def finish(worker: DeviceWorker) -> None:
    """Wait until what runs in the worker has ended, unless the library hangs."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_LIMIT_S):
            await worker.run(lambda: None)
    worker.close()
