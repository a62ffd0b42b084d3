"""Loudspeaker volume: by the volume control of the sound card in ALSA's mixer, else by scaling samples.

The mixer is reached by the program amixer. It is on every Raspberry Pi OS, and ``-M`` gives it the scale of alsamixer,
on which half is about half as loud; the Python package for the mixer would have to be compiled on the robot, and its
percentages are raw ones. A process for each change costs milliseconds, and changes are rare.
"""

from __future__ import annotations

import array
import logging
import re
from collections.abc import Sequence
from typing import Any

from robot_node.devices.platform import Platform
from robot_node.devices.worker import DeviceWorker
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)

AUTO = "auto"
NO_CONTROL = "none"

_USUAL_CONTROLS = ("Master", "PCM", "Speaker", "Headphone", "Digital", "Playback")
"""Names of volume controls, the most usual first. Others may set something else, such as a microphone's echo."""

_CONTROL = re.compile(
    r"^Simple mixer control '(?P<name>.+)',(?P<index>\d+)\n +Capabilities: (?P<can>.*)$", re.MULTILINE
)


class Volume:
    """Volume and mute of one loudspeaker. Used from the event loop, but for :meth:`adjusted`.

    Args:
        platform: Provides amixer, and the names of sound devices.
        device: The loudspeaker's name in the sound library; None for the system's.
        volume: Initial volume, 0 to 100.
        control: Name of the card's control; ``"auto"`` finds a usual one, ``"none"`` uses none.
    """

    def __init__(self, platform: Platform, device: str | None, *, volume: int, control: str = AUTO) -> None:
        self._platform = platform
        self._device = device
        self._control = control
        self._worker = DeviceWorker("volume control")
        self._found: tuple[str, str] | None = None
        self._by_card = self._closed = False
        self._logged = ""
        self.volume = volume
        self.muted = False

    async def apply(self) -> None:
        """Set the card's control. Where that is not possible, samples are scaled instead."""
        if self._control != NO_CONTROL and not self._closed:
            await self._worker.run(self._apply, self.volume, self.muted)

    def close(self) -> None:
        """Change nothing more; the card keeps its volume."""
        self._closed = True
        self._worker.close()

    def adjusted(self, samples: bytes) -> bytes:
        """Return 16 bit samples at the volume, as far as the card does not set it itself."""
        # Also where the card does it: a control without a mute switch, or whose lowest is not silent.
        if self.muted or self.volume == 0:
            return bytes(len(samples))
        if self._by_card or self.volume == 100:
            return samples
        # Integers, and no NumPy: a robot has no other need of it.
        gain = round((self.volume / 100) ** 2 * 65536)
        return array.array("h", [sample * gain >> 16 for sample in array.array("h", samples)]).tobytes()

    def _apply(self, volume: int, muted: bool) -> None:
        try:
            card, control = self._found = self._found or self._find()
            # A control without a switch ignores the second.
            self._amixer(card, "sset", control, f"{volume}%", "mute" if muted else "unmute")
        except DeviceError as error:
            self._found, self._by_card = None, False
            self._log(f"Samples are scaled, because the card's volume cannot be set: {error}")
        else:
            self._by_card = True
            self._log(f"The volume is set by the control {control!r} of {card!r}.")

    def _find(self) -> tuple[str, str]:
        card = mixer_of(str(self._library_device()["name"]))
        available = controls(self._amixer(card, "scontents"))
        names = _USUAL_CONTROLS if self._control == AUTO else (self._control,)
        control = next((name for name in names if name in available), None)
        if control is None:
            raise DeviceError(
                f"{card!r} has no volume control of the name {' or '.join(names)}.",
                remedy=f"Name one in audio.volume_control; there are: {', '.join(available) or 'none'}.",
            )
        return card, control

    def _library_device(self) -> Any:
        library = self._platform.sound_library()
        try:
            return library.query_devices(self._device, "output")
        except (library.PortAudioError, ValueError) as error:  # ValueError: no device of that name, or several
            raise DeviceError(f"The loudspeaker cannot be found: {str(error).partition(chr(10))[0]}.") from error

    def _amixer(self, card: str, *arguments: str) -> str:
        return self._platform.amixer(("-M", "-D", card, *arguments))

    def _log(self, text: str) -> None:
        if text != self._logged:
            self._logged = text
            logger.info("%s", text)


def mixer_of(device: str) -> str:
    """Return the name of a sound device's mixer in ALSA.

    Args:
        device: Its name in PortAudio: that of an ALSA device, or such as ``"USB Audio: - (hw:1,0)"``.
    """
    card = re.search(r"\((hw:\d+),\d+\)$", device)
    return card[1] if card else device


def controls(listing: str) -> Sequence[str]:
    """Return the names of the controls with a playback volume, in the output of ``amixer scontents``."""
    return [
        found["name"] if found["index"] == "0" else f"{found['name']},{found['index']}"
        for found in _CONTROL.finditer(listing)
        if {"pvolume", "volume"} & set(found["can"].split())
    ]
