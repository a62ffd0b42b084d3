"""PocketSphinx: speech recognition without a network; its package brings a model of American English."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path
from typing import Any

from robot_node.core.pip_hint import run_pip
from robot_node.errors import DeviceError, SettingsError
from robot_node.speech.recognition_engine import Wanted

_RATE = 48_000
_SEARCH = "phrases"
_BEFORE_S = 0.6
"""What is kept of the sound before somebody is noticed to speak: a beginning such as "st" is not noticed itself."""

_FITS = 0.6
"""Score of a phrase, 0 to 1: in our measurements, those that were said had 0.62 or more, nearly all others less."""

_LONGEST_S = 12.0
"""Of what is said at a stretch. What goes on for longer is no speech to the robot, and is not listened to until it
ends: a vacuum cleaner must not keep a processor busy."""


class SphinxRecognizer:
    """A :class:`robot_node.speech.recognition_engine.Recognizer`. Silence costs next to nothing: it is not decoded.

    Args:
        wanted: With phrases, only those are recognised, which is much more certain and much cheaper.

    Raises:
        DeviceError: the package is missing, or the model cannot be loaded.
        SettingsError: there is no model of the language, or it does not know a word of the phrases.
    """

    def __init__(self, wanted: Wanted) -> None:
        try:
            import pocketsphinx  # the extra "hearing" brings it
        except ImportError as error:
            raise DeviceError(
                f"The speech recognition cannot be loaded: {error}.",
                remedy=f"Install it: {run_pip('install pocketsphinx')}",
            ) from error
        self._rest = b""  # of what was heard: less than a frame
        self._used_to = ""
        self._decoding = self._too_long = False
        self._phrases = tuple(" ".join(_words(phrase)) for phrase in wanted.phrases)
        self._decoder = self._loaded(pocketsphinx, wanted)
        self._endpointer_class: Any = pocketsphinx.Endpointer
        self._strictest = pocketsphinx.Vad.STRICT
        self.forget()

    @property
    def listening(self) -> bool:
        """Somebody is speaking now."""
        return self._decoding

    def hear(self, samples: bytes) -> str:
        """Listen to what comes next, and return what was said once its end has been heard."""
        self._rest += samples
        size = self._endpointer.frame_bytes
        said = []
        while len(self._rest) >= size:
            frame, self._rest = self._rest[:size], self._rest[size:]
            if text := self._hear_frame(frame):
                said.append(text)
        return " ".join(said)

    def forget(self) -> None:
        """Forget what was heard so far."""
        if self._decoding:
            self._decoder.end_utt()
        self._endpointer = self._endpointer_class(sample_rate=_RATE, vad_mode=self._strictest)
        self._before: deque[bytes] = deque(maxlen=round(_BEFORE_S / self._endpointer.frame_length))
        self._rest = b""
        self._decoding = False
        self._too_long = False
        self._frames = 0

    def _hear_frame(self, frame: bytes) -> str:
        self._endpointer.process(frame)
        speech = bool(self._endpointer.in_speech)
        if self._decoding:
            self._decoder.process_raw(frame)
            self._frames += 1
            self._too_long = self._frames * self._endpointer.frame_length > _LONGEST_S
            if not speech or self._too_long:
                return self._end()
        elif speech and not self._too_long:
            self._begin(frame)
        else:
            self._too_long = self._too_long and speech
            self._before.append(frame)
        return ""

    def _begin(self, frame: bytes) -> None:
        self._decoding, self._frames = True, 0
        self._used_to = self._decoder.get_cmn()
        self._decoder.start_utt()
        self._decoder.process_raw(b"".join(self._before) + frame)
        self._before.clear()

    def _end(self) -> str:
        self._decoding = False
        self._decoder.end_utt()
        found = self._decoder.hyp()
        text = " ".join(found.hypstr.split()) if found is not None else ""
        # A beginning of a phrase is what remains of something else that was said, and so is a phrase that fits badly.
        if self._too_long or (self._phrases and (text not in self._phrases or found.score < _FITS)):
            text = ""
        if not text:  # the decoder adapts itself to voice and room, but must not do so to noise
            self._decoder.set_cmn(self._used_to)
        return text

    def _loaded(self, library: Any, wanted: Wanted) -> Any:
        model = _model(Path(wanted.model)) if wanted.model else {}
        if not model and wanted.language.lower().partition("-")[0] != "en":
            raise SettingsError(
                f"PocketSphinx brings no model of the language {wanted.language!r} (hearing.language).",
                remedy="Name the folder of one: hearing.model.",
            )
        if self._phrases:
            model["lm"] = None
        try:
            decoder = library.Decoder(samprate=_RATE, loglevel="FATAL", **model)
        except RuntimeError as error:
            raise DeviceError(
                f"The model of the speech recognition cannot be loaded: {error}.",
                remedy="Install pocketsphinx again, or check the folder hearing.model.",
            ) from error
        if self._phrases:
            self._restrict(decoder)
        return decoder

    def _restrict(self, decoder: Any) -> None:
        words = {word for phrase in self._phrases for word in phrase.split()}
        if unknown := sorted(word for word in words if decoder.lookup_word(word) is None):
            raise SettingsError(
                f"The speech recognition does not know: {', '.join(unknown)} (hearing.phrases).",
                remedy="Write numbers as words, and use words of the language.",
            )
        choices = " | ".join(self._phrases)
        decoder.add_jsgf_string(_SEARCH, f"#JSGF V1.0; grammar {_SEARCH}; public <{_SEARCH}> = {choices};")
        decoder.activate_search(_SEARCH)


def _words(phrase: str) -> list[str]:
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)*", phrase.lower())
    if not words:
        raise SettingsError(f"There is no word in the phrase {phrase!r} (hearing.phrases).")
    return words


def _model(folder: Path) -> dict[str, str | None]:
    """The parts of a model in its folder, as CMU publishes them: acoustic model, dictionary, language model."""

    def first(*patterns: str) -> Path:
        for pattern in patterns:
            if found := sorted(folder.glob(pattern)):
                return found[0]
        raise SettingsError(
            f"The folder {folder} holds no {' or '.join(patterns)} (hearing.model).",
            remedy="It must hold an acoustic model in a folder of its own, a dictionary and a language model.",
        )

    return {
        "hmm": str(first("*/mdef").parent),
        "dict": str(first("*.dict", "*.dic")),
        "lm": str(first("*.lm.bin", "*.lm", "*.lm.dmp")),
    }
