"""How many words an engine of recognition gets wrong, on recordings of people whose words are known."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pocketsphinx

from benchmarks._recorded_speech import Spoken, recorded_commands, silence
from hw_mocks.audio import SAMPLE_RATE, sound_of
from robot_node.speech.recognition_engine import RecognitionOptions, UtteranceRecognizer, make_recognizer
from tests.speech.sounds import in_noise

_NOT_SPOKEN = re.compile(r"\[.*?\]|\(.*?\)|<.*?>|\.\.\.|\d")
_LONGEST_S = 12.0
_PHRASES = 40
"""As many phrases as a robot may have: of each package the first ones that the engine has words for."""

_PIECE_BYTES = 1920
_SPHINX = Path("usr/share/pocketsphinx/test/data/librivox")
_PROMPTS = Path("usr/share/asterisk/sounds/en_US_f_Allison")
_PROMPT_TEXTS = Path("usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")


@dataclass
class WordErrors:
    """Errors in what was recognised.

    Attributes:
        words: How many were said.
        errors: How many were left out, added or taken for others.
        utterances: How many were said.
        exact: How many of them were understood as they were said.
    """

    words: int = 0
    errors: int = 0
    utterances: int = 0
    exact: int = 0

    def add(self, said: str, understood: str) -> None:
        """Take one utterance."""
        said_words, understood_words = words_of(said), words_of(understood)
        self.words += len(said_words)
        self.errors += word_errors(said_words, understood_words)
        self.utterances += 1
        self.exact += said_words == understood_words

    @property
    def rate(self) -> float:
        """Word error rate: errors for each word that was said."""
        return self.errors / self.words


def words_of(text: str) -> list[str]:
    """The words of a text, without case and punctuation."""
    return re.findall(r"[a-z']+", text.lower().replace("-", " "))


def word_errors(said: Sequence[str], understood: Sequence[str]) -> int:
    """The least number of words that must be inserted, deleted or replaced to get from one to the other."""
    before = list(range(len(understood) + 1))
    for row, word in enumerate(said, start=1):
        now = [row]
        for column, other in enumerate(understood, start=1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (word != other)))
        before = now
    return before[-1]


def transcribed(folder: Path) -> dict[str, tuple[Spoken, ...]]:
    """Recordings of people with their words, by the package that carries them.

    Args:
        folder: Where the packages are unpacked; ``/`` where they are installed. Those that are missing are left out.
    """
    found = {
        "alsa-utils": recorded_commands(),
        "pocketsphinx-testdata": tuple(_librivox(folder / _SPHINX)),
        "asterisk-core-sounds-en-g722": tuple(_prompts(folder / _PROMPTS, folder / _PROMPT_TEXTS)),
    }
    return {name: spoken for name, spoken in found.items() if spoken}


def word_error_rates(
    folder: Path, *, engine: str, model: str, noise_db: Sequence[float], most: int | None = None
) -> Mapping[str, Mapping[str, object]]:
    """How an engine does, by package: with free text, in quiet and in noise, and with the texts as phrases.

    Args:
        folder: As for :func:`transcribed`.
        engine: Name of the engine.
        model: Folder of its model; empty for the one that it brings.
        noise_db: So many decibels below the speech is pink noise; each is measured.
        most: So many recordings of each package; None for all.
    """
    free, known = _recognizer(engine, RecognitionOptions(model=model)), _known_words()
    figures: dict[str, Mapping[str, object]] = {}
    for package, all_spoken in transcribed(folder).items():
        spoken = all_spoken[:most]
        few = [each for each in spoken if known.issuperset(words_of(each.text))][:_PHRASES]
        texts = tuple(" ".join(words_of(each.text)) for each in few)
        phrases = _recognizer(engine, RecognitionOptions(phrases=texts, model=model))
        figures[package] = {
            "free": _errors(free, spoken),
            "phrases": _errors(phrases, few),
            **{f"free_at_{db:g}_db": _errors(free, spoken, db) for db in noise_db},
        }
    return figures


def _recognizer(engine: str, options: RecognitionOptions) -> UtteranceRecognizer:
    recognizer = make_recognizer(engine, options)
    assert isinstance(recognizer, UtteranceRecognizer)
    return recognizer


def _known_words() -> frozenset[str]:
    """The words that PocketSphinx knows: phrases are made of no others, for all engines."""
    dictionary = Path(pocketsphinx.get_model_path()) / "en-us/cmudict-en-us.dict"
    return frozenset(line.split(" ", 1)[0] for line in dictionary.read_text().splitlines())


def _errors(
    recognizer: UtteranceRecognizer, spoken: Sequence[Spoken], noise_db: float | None = None
) -> Mapping[str, object]:
    errors, seconds, cpu_s = WordErrors(), 0.0, 0.0
    for each in spoken:
        sound = silence(0.3) + each.samples + silence(0.3)
        if noise_db is not None:
            sound = in_noise(sound, noise_db)
        before = time.process_time()
        errors.add(each.text, understood(recognizer, sound))
        cpu_s += time.process_time() - before
        seconds += len(sound) / (2 * SAMPLE_RATE)
    return {
        "rate": round(errors.rate, 3),
        "words": errors.words,
        "exact": f"{errors.exact} of {errors.utterances}",
        "cpu_s_per_s": round(cpu_s / seconds, 3),
    }


def understood(recognizer: UtteranceRecognizer, sound: bytes) -> str:
    """What an engine makes of one utterance: 16 bit, mono, 48 kHz."""
    recognizer.begin_utterance()
    for start in range(0, len(sound), _PIECE_BYTES):
        recognizer.add(sound[start : start + _PIECE_BYTES])
    found = recognizer.end_utterance()
    return found.text if found else ""


def _librivox(folder: Path) -> Iterator[Spoken]:
    transcription = folder / "transcription"
    for line in transcription.read_text().splitlines() if transcription.exists() else ():
        match = re.fullmatch(r"<s> (.*) </s> \((.*)\)", line.strip())
        if match:
            yield Spoken(match[1], sound_of(folder / f"{match[2]}.wav"))


def _prompts(folder: Path, texts: Path) -> Iterator[Spoken]:
    """Prompts of two words or more; those with digits or tones in them can be spelt in several ways."""
    for line in gzip.decompress(texts.read_bytes()).decode().splitlines() if texts.exists() else ():
        name, _, text = line.partition(": ")
        file = folder / f"{name}.g722"
        if _NOT_SPOKEN.search(text) or len(words_of(text)) < 2 or not file.exists():
            continue
        samples = _g722(file)
        if len(samples) <= 2 * SAMPLE_RATE * _LONGEST_S:
            yield Spoken(text, samples)


def _g722(file: Path) -> bytes:
    """Decode G.722 without a header: 16 bit, mono, 48 kHz."""
    decoder = av.CodecContext.create("g722", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = 16_000, "mono"
    to_48_khz = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    frames = [sound for frame in decoder.decode(av.Packet(file.read_bytes())) for sound in to_48_khz.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames + to_48_khz.resample(None)]).tobytes()
