"""Loads the media stack (aiortc, PyAV) in a thread, which takes seconds on a Pi, and opens sessions with it."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from robot_node.core.imports import without_collector
from robot_node.core.pip_hint import run_pip
from robot_node.core.state import RobotState
from robot_node.errors import NotReadyError
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.signaling import Message, Offer
from robot_node.webrtc.streams import Streams

if TYPE_CHECKING:  # aiortc takes seconds to load
    from robot_node.webrtc.session import Session


class SessionOpener(Protocol):
    """Opens a session for an offer."""

    def __call__(
        self, offer: Offer, *, client_id: str, send: Callable[[Message], None], on_connected: Callable[[], None]
    ) -> Session:
        """Return a session that has not started; the arguments are those of :class:`Session`."""


async def load_module(name: str) -> ModuleType:
    """Load a module that needs the media stack, in a thread.

    Args:
        name: Name of the module in this package.

    Raises:
        NotReadyError: aiortc, or a library that it stands on, cannot be loaded.
    """
    try:
        return await asyncio.to_thread(_import, f"robot_node.webrtc.{name}")
    except (ImportError, OSError) as error:  # OSError: a shared library
        raise NotReadyError(
            f"The media stack cannot be loaded: {error}.",
            remedy=f"Reinstall it: {run_pip('install --force-reinstall av aiortc')}",
        ) from error


def _import(name: str) -> ModuleType:
    with without_collector():  # a full collection that looked through the media stack would stop the loop for 70 ms
        return importlib.import_module(name)


async def load_media_stack(streams: Streams, settings: WebRtcSettings, state: RobotState) -> SessionOpener:
    """Load the media stack in a thread; return when sessions can be opened.

    Args:
        streams: Video and sound for viewers.
        settings: ICE servers, addresses and time limits of each session.
        state: Sent to viewers on their data channel.

    Raises:
        NotReadyError: it cannot be loaded.
    """
    await load_module("session")
    from robot_node.webrtc.sent_video import CameraVideo  # noqa: PLC0415  # likewise
    from robot_node.webrtc.session import Session  # noqa: PLC0415  # loaded by now, in a thread

    cameras = [
        CameraVideo(name, await each.video(), await each.vp8(), await each.small())
        for name, each in streams.cameras.items()
    ]
    sound = await streams.sound()

    def open_session(
        offer: Offer, *, client_id: str, send: Callable[[Message], None], on_connected: Callable[[], None]
    ) -> Session:
        return Session(
            offer,
            cameras,
            client_id=client_id,
            send=send,
            on_connected=on_connected,
            sound=sound,
            state=state,
            settings=settings,
        )

    return open_session
