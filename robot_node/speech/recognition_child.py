"""The process in which an engine runs: ``python -m robot_node.speech.recognition_child ENGINE OPTIONS``.

A process, because PocketSphinx holds Python's global lock while it works, up to a second: video and speech would stop.
It reads pieces of sound from stdin, each behind a header (:data:`HEADER`), and writes JSON lines to stdout.
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
from robot_node.speech.recognition_engine import RecognitionOptions, Recognizer, make_recognizer

HEADER = struct.Struct("<IH")
"""Before each piece: the length of the sound, 0 to forget; and that of its speaker's name, which precedes the sound."""

_NICENESS = 5


def main(engine: str, options: str) -> int:
    """Recognise until stdin ends.

    Args:
        engine: Name of the engine.
        options: The fields of :class:`RecognitionOptions` as JSON.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the robot, which then closes stdin
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)
    # Whatever a library prints goes to stderr, not between our lines.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(**message: object) -> None:
        output.write(json.dumps(message) + "\n")
        output.flush()

    try:
        fields: dict[str, Any] = json.loads(options)
        recognizer = make_recognizer(engine, RecognitionOptions(**{**fields, "phrases": tuple(fields["phrases"])}))
        send(ready=True)
        for message in _recognise(recognizer, sys.stdin.buffer):
            send(**message)
    except BrokenPipeError:  # the robot has exited
        pass
    except RobotNodeError as error:
        send(error=error.message, remedy=error.remedy)
        return 1
    return 0


def _recognise(recognizer: Recognizer, sound: BinaryIO) -> Iterator[dict[str, object]]:
    listening, speaker = False, ""
    while len(header := sound.read(HEADER.size)) == HEADER.size:
        text, (length, name_length) = "", HEADER.unpack(header)
        name = sound.read(name_length).decode()
        if not listening:
            speaker = name  # of the utterance that begins now; its end may be noticed in the sound of another
        if length:
            text = recognizer.hear(sound.read(length))
        else:
            recognizer.forget()
        if text:
            yield {"text": text, "by": speaker}
        if recognizer.listening != listening:
            listening = recognizer.listening
            yield {"listening": listening}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
