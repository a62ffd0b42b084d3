"""The mixer of a simulated sound card, behind the program amixer: it understands and prints what that does."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from robot_node.errors import DeviceError


@dataclass
class SimulatedControl:
    """One simple control of a mixer.

    Attributes:
        volume: In percent.
        muted: Its switch is off.
        has_volume: It has a playback volume.
        has_switch: It has a switch to mute it with.
    """

    volume: int = 50
    muted: bool = False
    has_volume: bool = True
    has_switch: bool = True

    def show(self, name: str) -> str:
        """What amixer prints of it."""
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
    """A sound card's mixer. Without controls, as the amplifier boards for a Pi mostly are.

    Attributes:
        card: What ALSA calls it.
        controls: By name.
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
            DeviceError: It is not installed, or fails.
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
