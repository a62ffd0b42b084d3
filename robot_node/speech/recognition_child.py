"""The process in which an engine runs: ``python -m robot_node.speech.recognition_child ENGINE WANTED``.

A process, because PocketSphinx holds Python's global lock while it works, up to a second: video and speech would stop.
It reads pieces of sound from stdin, each behind its length and who makes it, and writes JSON lines to stdout.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from robot_node.errors import RobotNodeError
from robot_node.speech.recognition_engine import Recognizer, Wanted, make_recognizer

HEAD = struct.Struct("<IH")
"""In front of each piece: the length of the sound, where 0 means to forget; and that of the name before the sound."""

_LESS_URGENT = 5


def main(engine: str, wanted: str) -> int:
    """Recognise until stdin ends.

    Args:
        engine: Name of the engine.
        wanted: The fields of :class:`Wanted` as JSON.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the robot, which then closes stdin
        signal.signal(number, signal.SIG_IGN)
    os.nice(_LESS_URGENT)
    # Whatever a library prints goes to stderr, not between our lines.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(**message: object) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    try:
        fields: dict[str, Any] = json.loads(wanted)
        recognizer = make_recognizer(engine, Wanted(**{**fields, "phrases": tuple(fields["phrases"])}))
        tell(ready=True)
        for message in _recognized(recognizer, sys.stdin.buffer):
            tell(**message)
    except BrokenPipeError:  # the robot is gone
        pass
    except RobotNodeError as error:
        tell(error=error.message, remedy=error.remedy)
        return 1
    return 0


def _recognized(recognizer: Recognizer, sound: BinaryIO) -> Iterator[dict[str, object]]:
    listening, speaker = False, ""
    while len(head := sound.read(HEAD.size)) == HEAD.size:
        text, (length, name_length) = "", HEAD.unpack(head)
        name = sound.read(name_length).decode()
        if not listening:
            speaker = name  # of what begins now; its end may be heard when another makes sound already
        if length:
            text = recognizer.hear(sound.read(length))
        else:
            recognizer.forget()
        if recognizer.listening != listening:
            listening = recognizer.listening
            yield {"listening": listening}
        if text:
            yield {"heard": text, "by": speaker}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
