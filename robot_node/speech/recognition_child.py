"""The process in which an engine runs: ``python -m robot_node.speech.recognition_child ENGINE OPTIONS TURNS``.

A process, because PocketSphinx holds Python's global lock while it works, up to a second: video and speech would stop.
It reads commands from stdin, each behind a header (:data:`HEADER`), and writes JSON lines to stdout.
"""

from __future__ import annotations

import enum
import json
import os
import signal
import struct
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from robot_node.core.media import Played
from robot_node.errors import RobotNodeError
from robot_node.speech.recognition_engine import RecognitionOptions, Recognizer, make_recognizer
from robot_node.speech.recognition_messages import EngineMessage, Failed, Listening, Ready, Utterance, to_line
from robot_node.speech.turn_options import NONE, TurnOptions
from robot_node.speech.turn_pipeline import TurnPipeline


class Command(enum.IntEnum):
    """What is in stdin."""

    HEAR = 0  # sound, of the speaker who is named
    OVERHEAR = 1  # the microphone's sound while the robot speaks, behind the time when it was heard
    FORGET = 2  # drop an unfinished utterance
    TALK = 3  # begin a turn, and wait for speech: so many milliseconds, as a number in the place of the sound
    SWITCH_OFF = 4  # end the turn
    PLAYED = 5  # the loudspeaker's sound, behind the time when it was handed to it, and whether it had run out


HEADER = struct.Struct("<BIH")
"""Before each command: which; the length of the sound; and that of its speaker's name, which precedes the sound."""

MILLISECONDS = struct.Struct("<I")
OVERHEARD, PLAYED = struct.Struct("<d"), struct.Struct("<d?")
"""Times are seconds of the monotonic clock, which all processes share."""

_NICENESS = 5
"""Of an engine that recognises all it hears. One that hears turns has little to do, and must notice the wake word, and
a person who interrupts the robot, also while other programs keep the machine busy."""


def main(engine: str, options: str, turns: str) -> int:
    """Recognise until stdin ends.

    Args:
        engine: Name of the engine.
        options: The fields of :class:`RecognitionOptions` as JSON.
        turns: The fields of :class:`TurnOptions` as JSON.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the robot, which then closes stdin
        signal.signal(number, signal.SIG_IGN)
    # Whatever a library prints goes to stderr, not between our lines.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(message: EngineMessage) -> None:
        output.write(to_line(message) + "\n")
        output.flush()

    try:
        fields: dict[str, Any] = json.loads(options)
        recognizer = make_recognizer(engine, RecognitionOptions(**{**fields, "phrases": tuple(fields["phrases"])}))
        wanted = TurnOptions.from_json(json.loads(turns))
        pipeline = None if wanted.voice_activity == NONE else TurnPipeline(recognizer, wanted)
        if pipeline is None:
            os.nice(_NICENESS)
        send(Ready())
        for message in _recognise(_Ear(recognizer), pipeline, sys.stdin.buffer):
            send(message)
    except BrokenPipeError:  # the robot has exited
        pass
    except RobotNodeError as error:
        send(Failed(error.message, error.remedy))
        return 1
    return 0


class _Ear:
    """Has an engine recognise whatever it hears."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._listening, self._speaker = False, ""

    def hear(self, samples: bytes, name: str) -> Iterator[EngineMessage]:
        if not self._listening:
            self._speaker = name  # of the utterance that begins now; its end may be noticed in the sound of another
        if text := self._recognizer.hear(samples):
            yield Utterance(text, self._speaker)
        yield from self._changed()

    def forget(self) -> Iterator[EngineMessage]:
        self._recognizer.forget()
        yield from self._changed()

    def _changed(self) -> Iterator[EngineMessage]:
        if self._recognizer.listening != self._listening:
            self._listening = self._recognizer.listening
            yield Listening(self._listening)


def _recognise(ear: _Ear, pipeline: TurnPipeline | None, commands: BinaryIO) -> Iterator[EngineMessage]:
    while len(header := commands.read(HEADER.size)) == HEADER.size:
        command, length, name_length = HEADER.unpack(header)
        name = commands.read(name_length).decode()
        content = commands.read(length)
        match command:
            case Command.HEAR if pipeline is None or name:  # viewers hold a button to speak, or are in a call
                yield from ear.hear(content, name)
            case Command.FORGET:
                yield from ear.forget() if pipeline is None else pipeline.forget()
            case _ if pipeline is not None:
                yield from _command(pipeline, Command(command), content)


def _command(pipeline: TurnPipeline, command: Command, content: bytes) -> Iterator[EngineMessage]:
    match command:
        case Command.HEAR:
            return pipeline.hear(content)
        case Command.OVERHEAR:
            return pipeline.overhear(content[OVERHEARD.size :], *OVERHEARD.unpack_from(content))
        case Command.PLAYED:
            pipeline.played(Played(content[PLAYED.size :], *PLAYED.unpack_from(content)))
            return iter(())
        case Command.TALK:
            return pipeline.push_to_talk(MILLISECONDS.unpack(content)[0] / 1000)
        case _:
            return pipeline.switch_off()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
