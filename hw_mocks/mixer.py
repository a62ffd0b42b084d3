"""The mixer of a simulated sound card, with the interface of the program amixer."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from robot_node.errors import DeviceError


@dataclass
class SimulatedControl:
    """A simple control of a mixer.

    Attributes:
        volume: Volume in percent.
        muted: Whether it is muted.
        has_volume: Whether it has a playback volume.
        has_switch: Whether it has a mute switch.
    """

    volume: int = 50
    muted: bool = False
    has_volume: bool = True
    has_switch: bool = True

    def show(self, name: str) -> str:
        """Return the output of amixer for it."""
        can = [word for word, has in (("pvolume", self.has_volume), ("pswitch", self.has_switch)) if has]
        switch = f" [{'off' if self.muted else 'on'}]" if self.has_switch else ""
        return (
            f"Simple mixer control '{name}',0\n"
            f"  Capabilities: {' '.join(can)}\n"
            "  Playback channels: Mono\n"
            "  Limits: Playback 0 - 100\n"
            f"  Mono: Playback {self.volume} [{self.volume}%]{switch}\n"
        )


@dataclass
class SimulatedMixer:
    """A sound card's mixer. Without controls by default, like most amplifier boards for a Pi.

    Attributes:
        card: ALSA name of the card.
        controls: Controls by name.
        absent: The card is not plugged in.
        missing: The program amixer is not installed.
    """

    card: str = "hw:0"
    controls: dict[str, SimulatedControl] = field(default_factory=dict)
    absent: bool = False
    missing: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def amixer(self, arguments: Sequence[str]) -> str:
        """Run ``amixer -M -D CARD scontents`` or ``amixer -M -D CARD sset CONTROL VOLUME% mute|unmute``.

        Raises:
            DeviceError: It is not installed, or failed.
        """
        if self.missing:
            raise DeviceError("The program amixer is missing.")
        with self._lock:
            match arguments:
                case ("-M", "-D", card, *_) if card != self.card or self.absent:
                    raise DeviceError(f"amixer failed: Mixer attach {card} error: No such file or directory.")
                case ("-M", "-D", _, "scontents"):
                    return "".join(control.show(name) for name, control in self.controls.items())
                case ("-M", "-D", _, "sset", name, volume, "mute" | "unmute" as switch) if name in self.controls:
                    control = self.controls[name]
                    control.volume = int(volume.removesuffix("%"))
                    control.muted = control.has_switch and switch == "mute"
                    return control.show(name)
        raise DeviceError("amixer failed: Unable to find simple control.")
