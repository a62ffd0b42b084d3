"""What it costs to wait for a wake word, how soon words are events, and how often the wake word is missed or imagined.

``python -m benchmarks.conversation`` prints one JSON line. The microphone is simulated and runs in real time; drivers,
mixer, process and engines are the robot's own.

* ``idle_core_percent``: CPU of the process that waits for the wake word, in percent of a core, in quiet. Target: 10 or
  less. ``idle_robot_core_percent``: of the robot's own process, with the simulated microphone.
* ``event_p50_ms``, ``event_p95_ms``: from the end of what a person says (the recordings of alsa-utils) to the event
  ``heard``, the silence that ends a turn included, up to 20 ms too long: 400 ms of it after a whole phrase, else
  ``end_of_speech_s``. ``understood``: how many of how many were; ``not_understood``: which were not, and how often.
* ``say_p50_ms``, ``say_p95_ms``: from ``say`` to the first audible sample that the loudspeaker is given, by espeak-ng,
  which is loaded by then. Target: 300 (p50).
* ``interruption_p50_ms``, ``interruption_p95_ms``: from the first sound of a person (a recording) to the silence of a
  robot that has spoken for 10 s, and whose microphone hears its loudspeaker. Target: 250 (p50). ``interrupted``: how
  many of how many did; ``interrupted_by_itself``: how many of how many answers its own voice interrupted. With
  ``--busy`` other processes keep the machine busy meanwhile, as a slower one would be.
* ``word_errors``: for each package with recordings whose words are known: words that ``--engine`` got wrong, of each
  that was said; with free text, and with the texts as phrases (of 40 utterances). ``exact``: how many utterances had
  none; ``cpu_s_per_s``: seconds of processor time for each second of sound. ``free_at_20_db``: the same with pink noise
  20 dB below the speech, for each ``--noise``. Of Debian's packages alsa-utils, pocketsphinx-testdata, and
  asterisk-core-sounds-en with asterisk-core-sounds-en-g722; ``--unpacked`` names a folder in which they are unpacked.
* ``wake_missed``: wake words of how many that were not noticed; said by espeak-ng in seven voices and at three speeds,
  because no package that could be found carries recordings of people who say them. ``wake_missed_in_noise``: with white
  noise of a third of their loudness.
* ``false_accepts``: wake words that were noticed in ``other_sound_s`` seconds of speech and music without one: those of
  Debian's packages asterisk-core-sounds-{en,es,fr,it,ru}-wav and asterisk-moh-opsound-wav, or of ``--sounds``.
* ``in_noise``: what works in pink noise, near a fan, and among voices (of ``--sounds``, if there are eight), by how
  many decibels below the speech they are (``--noise``, else 20 to 5): wake words said by espeak-ng, phrases of the
  recordings of alsa-utils, turns that end, turns that the noise alone begins, persons who interrupt the robot, and
  answers that were interrupted by themselves. In the time of the sound: a busy machine changes no figure.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks._busy import busy_machine
from benchmarks._conversing_robot import ConversingRobot, conversing_robot
from benchmarks._noise import in_noise, noises
from benchmarks._processes import processor_s
from benchmarks._recorded_speech import (
    OTHERS,
    Spoken,
    other_sounds,
    recorded_commands,
    silence,
    synthesised,
    with_noise,
)
from benchmarks._report import BenchmarkError, command_line, percentile, positive, print_result, progress
from benchmarks._spoken_answers import SENTENCES, SPEAKS_S, Answers, spoken_answers
from benchmarks._words import word_error_rates
from robot_node.core.media import SAMPLE_RATE
from robot_node.speech.decimation import Decimator
from robot_node.speech.recognition import TURN
from robot_node.speech.turn_claims import HEARD
from robot_node.speech.turn_options import TurnOptions
from robot_node.speech.wake_words import MICRO, OPEN, WakeWordDetector, WakeWordOptions, make_wake_words

_WORDS = ("okay_nabu", "alexa", "hey_jarvis", "hey_mycroft")
_NOISE_DB = (20.0, 15.0, 10.0, 5.0)
_MURMUR = 40
"""So many files of other sound are enough for a murmur of voices."""

_PIECE_BYTES = 1920
_BYTES_PER_S = 2 * SAMPLE_RATE
_EVENT_LIMIT_S = 6.0
_PAUSE_S = 1.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured.

    Attributes:
        wake_word: Name of the wake word detector.
        engine: Name of the engine of recognition.
        model: Folder of its model; empty for the one that it brings.
        noise_db: So many decibels below the words is noise.
        sounds: Folders with sound in which no wake word is.
        unpacked: Folder in which packages with recordings are unpacked.
        parts: Names of :data:`PARTS`.
        answers: How many answers a person interrupts.
        busy: So many processes keep the machine busy meanwhile.
        quick: Only show that it works.
    """

    wake_word: str
    engine: str
    model: str
    noise_db: tuple[float, ...]
    sounds: tuple[Path, ...]
    unpacked: Path
    parts: tuple[str, ...]
    answers: int
    busy: int
    quick: bool


@dataclass
class _Heard:
    """How recorded speech became events.

    Attributes:
        after_s: Seconds from the end of each that was understood to its event.
        wrong: What was not understood, or taken for something else.
    """

    after_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


async def _idle(robot: ConversingRobot, seconds: float) -> Mapping[str, float]:
    await asyncio.sleep(1.0)  # what is loaded late
    before = {pid: processor_s(pid) for pid in (robot.child, os.getpid())}
    await asyncio.sleep(seconds)
    child, own = (100 * (processor_s(pid) - used) / seconds for pid, used in before.items())
    return {"idle_core_percent": round(child, 2), "idle_robot_core_percent": round(own, 2)}


async def _events(robot: ConversingRobot, commands: Sequence[Spoken], rounds: int) -> _Heard:
    heard = _Heard()
    robot.recognition.push_to_talk(60.0)
    for spoken in [*commands] * rounds:
        after = robot.events.last
        ends = asyncio.get_running_loop().time() + len(spoken.samples) / _BYTES_PER_S
        robot.pi.microphone.hear(spoken.samples)
        came = await robot.next_event(
            lambda event: event.kind == HEARD, after=after, limit_s=len(spoken.samples) / _BYTES_PER_S + _EVENT_LIMIT_S
        )
        text = next((event.text for event in reversed(robot.events.after(after)) if event.kind == HEARD), "")
        if came is None or text != spoken.text:
            heard.wrong.append(spoken.text)
        else:
            heard.after_s.append(came - ends)
        await asyncio.sleep(_PAUSE_S)
    return heard


def _noticed(detector: WakeWordDetector, sound: bytes) -> list[str]:
    decimator = Decimator()
    pieces = (sound[start : start + _PIECE_BYTES] for start in range(0, len(sound), _PIECE_BYTES))
    return [word for piece in pieces if (word := detector.hear(decimator.decimate(piece)))]


def _misses(engine: str, word: str, *, quick: bool) -> Mapping[str, int]:
    detector = make_wake_words(engine, WakeWordOptions((word,)))
    counts = {"said": 0, "missed": 0, "missed_in_noise": 0}
    voices = {"voices": 2, "rates": 1} if quick else {}
    for spoken in synthesised(word.replace("_", " "), **voices):
        counts["said"] += 1
        sound = silence(1.0) + spoken.samples + silence(1.0)
        counts["missed"] += not _noticed(detector, sound)
        counts["missed_in_noise"] += not _noticed(detector, with_noise(sound, 0.33))
    return counts


def _false_accepts(engine: str, folders: Sequence[Path], most: int | None) -> Mapping[str, Any]:
    detector = make_wake_words(engine, WakeWordOptions(_WORDS))
    seconds, found = 0.0, dict.fromkeys(_WORDS, 0)
    for sound in other_sounds(folders, most):
        seconds += len(sound) / _BYTES_PER_S
        for word in _noticed(detector, sound + silence(0.5)):
            found[word] += 1
    return {"other_sound_s": round(seconds), "false_accepts": found}


def _answered(answers: Answers) -> Mapping[str, Any]:
    figures: dict[str, Any] = {}
    for name, seconds in (("say", answers.first_sound_s), ("interruption", answers.interrupted_s)):
        for percent in (50, 95):
            figures[f"{name}_p{percent}_ms"] = round(1000 * percentile(seconds, percent)) if seconds else None
    noticed = len(answers.interrupted_s)
    figures["interrupted"] = f"{noticed} of {noticed + answers.spoken_on}"
    figures["interrupted_by_itself"] = f"{answers.by_itself} of {noticed + answers.spoken_on + answers.by_itself}"
    return figures


async def _hearing(plan: Plan) -> Mapping[str, Any]:
    """What it costs to wait, and how recorded speech becomes events."""
    commands = recorded_commands()
    turns = TurnOptions(
        voice_activity="silero", wake_word=plan.wake_word, wake_words=_WORDS[:1], follow_up_s=60.0, stop_phrases=()
    )
    phrases = tuple(command.text for command in commands)
    async with conversing_robot(phrases, turns, engine=plan.engine, model=plan.model) as robot:
        progress("Waiting for a wake word")
        idle = await _idle(robot, 2.0 if plan.quick else 30.0)
        progress("Recorded speech becomes events")
        heard = await _events(robot, commands[:2] if plan.quick else commands, 1 if plan.quick else 5)
        if not any(event.kind == TURN for event in robot.events.after()):
            raise BenchmarkError("No turn began.")
    p50_ms, p95_ms = (1000 * percentile(heard.after_s, percent) for percent in (50, 95))
    return {
        **idle,
        "event_p50_ms": round(p50_ms),
        "event_p95_ms": round(p95_ms),
        "understood": f"{len(heard.after_s)} of {len(heard.after_s) + len(heard.wrong)}",
        "not_understood": {text: heard.wrong.count(text) for text in sorted(set(heard.wrong))},
    }


async def _answers(plan: Plan) -> Mapping[str, Any]:
    """How soon the robot answers, and whether a person, and nobody else, interrupts it."""
    progress("The robot answers, and is interrupted")
    person, quick = recorded_commands()[0], plan.quick
    async with busy_machine(plan.busy):
        answers = await spoken_answers(
            person, SENTENCES[: 1 if quick else None], 1 if quick else plan.answers, speaks_s=4.0 if quick else SPEAKS_S
        )
    return {"busy": plan.busy, **_answered(answers)}


async def _wake_words(plan: Plan) -> Mapping[str, Any]:
    """How often a wake word is missed."""
    progress("Wake words are said")
    words = _WORDS[: 1 if plan.quick else None]
    misses = {word: await asyncio.to_thread(_misses, plan.wake_word, word, quick=plan.quick) for word in words}
    return {
        "wake_words": misses,
        "wake_missed": sum(each["missed"] for each in misses.values()),
        "wake_missed_in_noise": sum(each["missed_in_noise"] for each in misses.values()),
    }


async def _other_sounds(plan: Plan) -> Mapping[str, Any]:
    """How often a wake word is imagined."""
    progress("Other sounds are heard")
    return await asyncio.to_thread(_false_accepts, plan.wake_word, plan.sounds, 3 if plan.quick else None)


async def _words(plan: Plan) -> Mapping[str, Any]:
    """How many words are wrong."""
    progress("Recorded sentences are recognised")
    errors = await asyncio.to_thread(
        word_error_rates,
        plan.unpacked,
        engine=plan.engine,
        model=plan.model,
        noise_db=plan.noise_db,
        most=2 if plan.quick else None,
    )
    return {"engine": plan.engine, "word_errors": errors}


async def _noise(plan: Plan) -> Mapping[str, Any]:
    """What works in noise."""
    progress("Everything is said in noise")
    found = await asyncio.to_thread(lambda: noises(other_sounds(plan.sounds, _MURMUR)))
    levels = plan.noise_db or _NOISE_DB
    return {
        "in_noise": {
            name: {
                f"{db:g}_db": asdict(
                    await asyncio.to_thread(
                        in_noise, noise, db, wake_word=plan.wake_word, most=2 if plan.quick else None
                    )
                )
                for db in levels[: 1 if plan.quick else None]
            }
            for name, noise in found.items()
        }
    }


PARTS: Mapping[str, Callable[[Plan], Awaitable[Mapping[str, Any]]]] = MappingProxyType(
    {
        "hearing": _hearing,
        "answers": _answers,
        "words": _words,
        "wake-words": _wake_words,
        "other-sounds": _other_sounds,
        "noise": _noise,
    }
)
"""What is measured, by the names of ``--part``."""


async def measure(plan: Plan) -> Mapping[str, Any]:
    """Return the figures."""
    figures: dict[str, Any] = {"benchmark": "conversation", "wake_word": plan.wake_word}
    for part in plan.parts:
        figures |= await PARTS[part](plan)
    return {**figures, "load": round(os.getloadavg()[0], 1)}


def main() -> None:
    """Measure and print the result."""
    parser = command_line("benchmarks.conversation", __doc__)
    parser.add_argument("--wake-word", choices=(MICRO, OPEN), default=MICRO, help="which detector")
    parser.add_argument("--engine", default="pocketsphinx", help="which engine of recognition")
    parser.add_argument("--model", default="", help="folder of its model")
    parser.add_argument("--noise", type=float, action="append", default=[], help="dB of speech above noise; repeatable")
    parser.add_argument("--sounds", type=Path, action="append", help="folder of WAV files without a wake word")
    parser.add_argument("--unpacked", type=Path, default=Path("/"), help="folder with packages that carry recordings")
    parser.add_argument("--part", choices=tuple(PARTS), action="append", help="measure this alone; may be repeated")
    parser.add_argument("--answers", type=positive, default=10, help="how many answers a person interrupts")
    parser.add_argument("--busy", type=int, default=0, help="so many processes keep the machine busy while it answers")
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    given = parser.parse_args()
    print_result(
        measure(
            Plan(
                wake_word=given.wake_word,
                engine=given.engine,
                model=given.model,
                noise_db=tuple(given.noise),
                sounds=tuple(given.sounds or [OTHERS]),
                unpacked=given.unpacked,
                parts=tuple(given.part or PARTS),
                answers=given.answers,
                busy=given.busy,
                quick=given.quick,
            )
        )
    )


if __name__ == "__main__":
    main()
