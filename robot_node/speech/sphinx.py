"""PocketSphinx: offline speech recognition; its package brings a model of American English."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

from robot_node.core.pip_hint import run_pip
from robot_node.errors import DeviceError, SettingsError
from robot_node.speech.recognition_engine import Recognised, RecognitionOptions
from robot_node.speech.words import words_of

_RATE = 48_000
_SEARCH = "phrases"
_PRE_ROLL_S = 0.6
"""Sound kept from before speech is detected: a beginning such as "st" is not detected itself."""

_MIN_SCORE = 0.6
"""Of a phrase, 0 to 1: in our measurements, phrases that were said had 0.62 or more, nearly all other sounds less."""

_LONGEST_S = 12.0
"""Of one utterance. Longer sound is not taken for speech and is ignored until it ends: a vacuum cleaner must not keep
a processor busy."""

_LONGEST_WHOLE_S = 5.0
"""Of an utterance that may be a whole phrase: all of it is decoded to see that, at each pause."""


class SphinxRecognizer:
    """A :class:`robot_node.speech.recognition_engine.UtteranceRecognizer`. Silence costs little: it is not decoded.

    Args:
        options: With phrases, only those are recognised, which is much more reliable and much cheaper.

    Raises:
        DeviceError: the package is missing, or the model cannot be loaded.
        SettingsError: there is no model of the language, or it does not know a word of the phrases.
    """

    def __init__(self, options: RecognitionOptions) -> None:
        try:
            import pocketsphinx  # the extra "hearing" brings it
        except ImportError as error:
            raise DeviceError(
                f"The speech recognition cannot be loaded: {error}.",
                remedy=f"Install it: {run_pip('install pocketsphinx')}",
            ) from error
        self._rest = b""  # sound that does not fill a frame yet
        self._utterance = bytearray()  # its sound, with phrases
        self._whole: Any = None  # what was found in it, if it is a phrase so far
        self._mean_before = ""  # the decoder's cepstral mean before the utterance, without phrases
        self._decoding = self._too_long = False
        self._phrases = tuple(" ".join(_words(phrase)) for phrase in options.phrases)
        self._decoder = self._load_decoder(pocketsphinx, options)
        self._endpointer_class: Any = pocketsphinx.Endpointer
        self._strictest = pocketsphinx.Vad.STRICT
        self.forget()

    @property
    def listening(self) -> bool:
        """Somebody is speaking now."""
        return self._decoding

    def hear(self, samples: bytes) -> str:
        """Take the sound that comes next; return the text of an utterance once its end has been heard."""
        self._rest += samples
        size = self._endpointer.frame_bytes
        texts = []
        while len(self._rest) >= size:
            frame, self._rest = self._rest[:size], self._rest[size:]
            if text := self._hear_frame(frame):
                texts.append(text)
        return " ".join(texts)

    def forget(self) -> None:
        """Drop an unfinished utterance."""
        if self._decoding:
            self._decoder.end_utt()
        self._endpointer = self._endpointer_class(sample_rate=_RATE, vad_mode=self._strictest)
        self._pre_roll: deque[bytes] = deque(maxlen=round(_PRE_ROLL_S / self._endpointer.frame_length))
        self._rest = b""
        self._utterance.clear()
        self._whole = None
        self._decoding = False
        self._too_long = False
        self._seconds = 0.0

    def begin_utterance(self) -> None:
        """Begin an utterance, whatever the sound."""
        self.forget()
        self._start()

    def add(self, samples: bytes) -> None:
        """Take the sound of the utterance that comes next."""
        self._decode(samples)

    def end_utterance(self) -> Recognised | None:
        """End the utterance, and return what was understood."""
        return self._end()

    def whole_phrase(self) -> str:
        """The phrase that the utterance is so far; empty unless it is whole, certain, and the beginning of no other."""
        if not self._utterance or self._seconds > _LONGEST_WHOLE_S:
            return ""
        found = self._decode_to_the_end()
        self._decoder.start_utt()  # more may follow
        text = self._accepted(found)
        self._whole = found if text else None
        return "" if any(phrase.startswith(f"{text} ") for phrase in self._phrases) else text

    def _hear_frame(self, frame: bytes) -> str:
        self._endpointer.process(frame)
        speech = bool(self._endpointer.in_speech)
        if self._decoding:
            self._decode(frame)
            self._too_long = self._seconds > _LONGEST_S
            if not speech or self._too_long:
                found = self._end()
                return found.text if found else ""
        elif speech and not self._too_long:
            self._start()
            self._decode(b"".join(self._pre_roll) + frame)
            self._pre_roll.clear()
        else:
            self._too_long = self._too_long and speech
            self._pre_roll.append(frame)
        return ""

    def _start(self) -> None:
        self._decoding, self._seconds = True, 0.0
        self._utterance.clear()
        self._mean_before = self._decoder.get_cmn()
        self._decoder.start_utt()

    def _decode(self, samples: bytes) -> None:
        if self._phrases:
            # Decoded at its end, which takes a fiftieth of its length: then its own cepstral mean is known. That of
            # what was understood before is the wrong one in noise, in which nothing is understood that could adapt it.
            self._utterance += samples
            self._whole = None
        else:
            self._decoder.process_raw(samples)
        self._seconds += len(samples) / 2 / _RATE

    def _end(self) -> Recognised | None:
        self._decoding = False
        found, self._whole = self._whole, None
        if found is None:
            found = self._decode_to_the_end()
        else:
            self._decoder.end_utt()
        self._utterance.clear()
        text = "" if self._too_long else self._accepted(found)
        if not text:  # the decoder adapts itself to voice and room, but must not do so to noise
            self._decoder.set_cmn(self._mean_before)
            return None
        # Without phrases the score says nothing, and the posterior probability is 1 for whatever is recognised.
        confidence = min(1.0, float(found.score)) if self._phrases else None
        return Recognised(text, confidence, seconds=self._seconds)

    def _decode_to_the_end(self) -> Any:
        if self._utterance and not self._too_long:
            self._decoder.process_raw(bytes(self._utterance), full_utt=True)
        self._decoder.end_utt()
        return self._decoder.hyp()

    def _accepted(self, found: Any) -> str:
        text = " ".join(found.hypstr.split()) if found is not None else ""
        # Other speech gives the beginning of a phrase, or a phrase with a low score.
        return text if not self._phrases or (text in self._phrases and found.score >= _MIN_SCORE) else ""

    def _load_decoder(self, library: Any, options: RecognitionOptions) -> Any:
        model = _model(Path(options.model)) if options.model else {}
        if not model and options.language.lower().partition("-")[0] != "en":
            raise SettingsError(
                f"PocketSphinx brings no model of the language {options.language!r} (hearing.language).",
                remedy="Name the folder of one: hearing.model.",
            )
        if self._phrases:
            model["lm"] = None
        mean = "batch" if self._phrases else "live"
        try:
            decoder = library.Decoder(samprate=_RATE, loglevel="FATAL", cmn=mean, **model)
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


def _words(phrase: str) -> tuple[str, ...]:
    words = words_of(phrase)
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
