"""The voices that are loaded: a few, of which the least recently used one makes room for another."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from robot_node.speech.voice_process import VoiceProcess

_MOST = 2
"""Of 200 to 500 MB each: a robot that speaks two languages in turn loads neither again."""


class LoadedVoices:
    """Keeps voices loaded, by name.

    Args:
        most: How many are kept.
    """

    def __init__(self, *, most: int = _MOST) -> None:
        self._most = most
        self._processes: OrderedDict[str, VoiceProcess] = OrderedDict()

    async def get(self, name: str, make: Callable[[], VoiceProcess]) -> VoiceProcess:
        """Return the process of a voice; one too many is ended.

        Args:
            name: Name of the voice.
            make: Makes its process, and starts nothing.
        """
        if name not in self._processes:
            self._processes[name] = make()
        self._processes.move_to_end(name)
        while len(self._processes) > self._most:
            _, oldest = self._processes.popitem(last=False)
            await oldest.close()
        return self._processes[name]

    async def close(self) -> None:
        """End all."""
        while self._processes:
            _, process = self._processes.popitem()
            await process.close()
