"""What of a conversation works in noise: the robot's engines and turns in the time of their sound, without devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np

from benchmarks._recorded_speech import Spoken, recorded_commands, synthesised
from benchmarks._spoken_answers import LONG
from robot_node.core.media import SAMPLE_RATE, Played
from robot_node.speech.decimation import Decimator
from robot_node.speech.recognition_engine import RecognitionOptions
from robot_node.speech.recognition_messages import EngineMessage, Interruption, TurnBegan, TurnEnded, Utterance
from robot_node.speech.sphinx import SphinxRecognizer
from robot_node.speech.turn_options import TurnOptions
from robot_node.speech.turn_pipeline import TurnPipeline
from robot_node.speech.wake_words import WakeWordOptions, make_wake_words

_FRAME = 960
_NOISE_S = 30
_BEFORE_S, _AFTER_S = 2.0, 3.0
_TURN_S = 10.0
"""By then a turn has ended in which nothing was understood."""

_SPEAKS_S = 4.0
_ECHOES = ((0.08, 0.3), (0.093, 0.15), (0.111, -0.1))
_BLADES_HZ = 118.0
_VOICES = 8
_WAIT_S = 8.0


@dataclass(frozen=True, slots=True)
class InNoise:
    """What worked, of how many.

    Attributes:
        wake_words: Wake words that were noticed.
        phrases: Phrases that were understood; ``others``: taken for another one.
        turns: Turns that ended, though the noise went on.
        alone: Turns that half a minute of the noise alone began, where no wake word is needed.
        interruptions: Persons, as loud as the robot's own voice, who interrupted it.
        by_itself: Answers that noise and its own voice interrupted.
    """

    wake_words: str
    phrases: str
    others: int
    turns: str
    alone: int
    interruptions: str
    by_itself: int


def noises(voices: Iterable[bytes]) -> Mapping[str, np.ndarray]:
    """Half a minute of each noise, of the same loudness.

    Args:
        voices: Speech of which a murmur is made; without any there is none.
    """
    count = _NOISE_S * SAMPLE_RATE
    hertz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(1).normal(size=count))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(hertz, 20.0)), count)
    rush = np.fft.irfft(spectrum / np.sqrt(np.maximum(hertz, 40.0) * (1 + (hertz / 400) ** 2)), count)
    at = np.arange(count) / SAMPLE_RATE
    blades = sum(0.5 / n * np.sin(2 * np.pi * n * _BLADES_HZ * at + n) for n in (1, 2, 3, 5, 8))
    found = {"pink": pink, "fan": rush / _loudness(rush) + blades}
    sounds = [sound for voice in voices if (sound := np.frombuffer(voice, np.int16).astype(float)).any()]
    if len(sounds) >= _VOICES:
        at_once = (np.concatenate([sound / _loudness(sound) for sound in sounds[n::_VOICES]]) for n in range(_VOICES))
        found["voices"] = np.sum([np.resize(lane, count) for lane in at_once], axis=0)
    return {name: sound / np.sqrt(np.mean(np.square(sound))) for name, sound in found.items()}


def in_noise(noise: np.ndarray, below_db: float, *, wake_word: str, most: int | None = None) -> InNoise:
    """Say everything in a noise.

    Args:
        noise: One of :func:`noises`.
        below_db: So much less loud is it than what is said.
        wake_word: Name of the wake word detector.
        most: So many of everything that is said; None for all.
    """
    commands, wakes = recorded_commands()[:most], list(islice(synthesised("okay nabu"), most))
    share = 10 ** (-below_db / 20)
    heard = [_said_in_a_turn(noise * share, command, number) for number, command in enumerate(commands)]
    said = [[message.text for message in each if isinstance(message, Utterance)] for each in heard]
    right = sum(texts == [command.text] for texts, command in zip(said, commands, strict=True))
    ended = sum(any(isinstance(message, TurnEnded) for message in each) for each in heard)
    noticed = sum(_is_noticed(noise * share, wake, wake_word, number) for number, wake in enumerate(wakes))
    voice = _sound(next(iter(synthesised(LONG, voices=1, rates=1))))
    persons = [_interrupted_at(noise * share, voice, command, number) for number, command in enumerate(commands)]
    return InNoise(
        wake_words=f"{noticed} of {len(wakes)}",
        phrases=f"{right} of {len(commands)}",
        others=sum(bool(texts) for texts in said) - right,
        turns=f"{ended} of {len(commands)}",
        alone=_turns_of(noise * share * _loudness(_sound(commands[0]))),
        interruptions=f"{sum(at is not None and at >= _SPEAKS_S for at in persons)} of {len(commands)}",
        by_itself=sum(at is not None and at < _SPEAKS_S for at in persons),
    )


def _said_in_a_turn(noise: np.ndarray, said: Spoken, number: int) -> list[EngineMessage]:
    """The messages of a turn in which it is said; before it the noise is heard."""
    sound = _sound(said)
    padded = np.pad(sound, (round(_BEFORE_S * SAMPLE_RATE), round(_TURN_S * SAMPLE_RATE)))
    pipeline = _pipeline()
    messages = list(pipeline.push_to_talk(_WAIT_S))
    for frame in _frames(padded + _loudness(sound) * _piece(noise, number, len(padded))):
        messages += pipeline.hear(frame)
        if isinstance(messages[-1], TurnEnded):
            break
    return messages


def _turns_of(noise: np.ndarray) -> int:
    pipeline = _pipeline()
    return sum(isinstance(message, TurnBegan) for frame in _frames(noise) for message in pipeline.hear(frame))


def _is_noticed(noise: np.ndarray, said: Spoken, engine: str, number: int) -> bool:
    sound = _sound(said)
    padded = np.pad(sound, (round(_BEFORE_S * SAMPLE_RATE), SAMPLE_RATE))
    detector, decimator = make_wake_words(engine, WakeWordOptions(("okay_nabu",))), Decimator()
    mixed = padded + _loudness(sound) * _piece(noise, number, len(padded))
    return any(detector.hear(decimator.decimate(frame)) for frame in _frames(mixed))


def _interrupted_at(noise: np.ndarray, voice: np.ndarray, person: Spoken, number: int) -> float | None:
    """After how many seconds of its answer the robot is interrupted; the person speaks after :data:`_SPEAKS_S`."""
    count = min(len(voice), round((_SPEAKS_S + _AFTER_S) * SAMPLE_RATE))
    played, echo = voice[:count], np.zeros(count)
    for seconds, factor in _ECHOES:
        shift = round(seconds * SAMPLE_RATE)
        echo[shift:] += factor * played[: count - shift]
    sound, begin = _sound(person), round(_SPEAKS_S * SAMPLE_RATE)
    heard = echo + _loudness(echo) * _piece(noise, number, count)
    heard[begin : begin + len(sound)] += (sound * _loudness(echo) / _loudness(sound))[: count - begin]
    pipeline, now = _pipeline(), 0.0
    for given, frame in zip(_frames(played), _frames(heard), strict=True):
        pipeline.played(Played(given, now, ran_out=False))
        now += _FRAME / SAMPLE_RATE
        if any(isinstance(message, Interruption) for message in pipeline.overhear(frame, now)):
            return now
    return None


def _pipeline() -> TurnPipeline:
    phrases = tuple(command.text for command in recorded_commands())
    options = TurnOptions(voice_activity="silero", interruptible=True, follow_up_s=0.0)
    return TurnPipeline(SphinxRecognizer(RecognitionOptions(phrases=phrases)), options)


def _sound(spoken: Spoken) -> np.ndarray:
    return np.frombuffer(spoken.samples, np.int16).astype(float)


def _loudness(sound: np.ndarray) -> float:
    """Root mean square of what is not silence."""
    loud = sound[np.abs(sound) > 0.02 * np.abs(sound).max()]
    return float(np.sqrt(np.mean(np.square(loud))))


def _piece(noise: np.ndarray, number: int, count: int) -> np.ndarray:
    return np.resize(np.roll(noise, -number * SAMPLE_RATE), count)


def _frames(sound: np.ndarray) -> Iterator[bytes]:
    samples = np.rint(sound).clip(-32_768, 32_767).astype(np.int16)
    return (samples[start : start + _FRAME].tobytes() for start in range(0, len(samples), _FRAME))
