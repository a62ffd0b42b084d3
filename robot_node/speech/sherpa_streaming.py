"""sherpa-onnx with a model that recognises while somebody speaks: what was understood so far is known at any time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from robot_node.speech.decimation import RATE, Decimator
from robot_node.speech.recognition_engine import Recognised

_TAIL_S = 0.66
"""Silence after an utterance: a network says a word when it has heard so much of what follows."""


class StreamedUtterances:
    """Decodes utterances while they come; others find their beginning and end.

    Args:
        network: An ``OnlineRecognizer``.
        np: The module numpy.
        finish: Makes of a text and its seconds what was understood.
    """

    listening = False

    def __init__(self, network: Any, np: Any, finish: Callable[[str, float], Recognised | None]) -> None:
        self._network, self._np, self._finish = network, np, finish
        self.forget()

    def begin_utterance(self) -> None:
        """Begin an utterance."""
        self.forget()

    def add(self, samples: bytes) -> None:
        """Take the sound that comes next."""
        self._feed(self._np.frombuffer(self._decimator.decimate(samples), self._np.int16) / 32_768)

    def so_far(self) -> str:
        """What was understood of the utterance that goes on."""
        return " ".join(self._network.get_result(self._stream).split())

    def end_utterance(self) -> Recognised | None:
        """End the utterance, and return what was understood."""
        seconds = self._samples / RATE
        if not seconds:
            return None
        self._feed(self._np.zeros(round(_TAIL_S * RATE)))
        text = self.so_far()
        self.forget()
        return self._finish(text, seconds)

    def hear(self, samples: bytes) -> str:
        """Take the sound that comes next."""
        self.add(samples)
        return ""

    def forget(self) -> None:
        """Drop an unfinished utterance."""
        self._stream = self._network.create_stream()
        self._decimator = Decimator()
        self._samples = 0

    def _feed(self, sound: Any) -> None:
        self._samples += len(sound)
        self._stream.accept_waveform(RATE, sound.astype(self._np.float32))
        while self._network.is_ready(self._stream):
            self._network.decode_stream(self._stream)
