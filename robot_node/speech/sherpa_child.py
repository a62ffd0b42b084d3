"""The process of a voice of sherpa-onnx: ``python -m robot_node.speech.sherpa_child FOLDER``.

A process, because the library holds Python's global lock while it works, ends the process when a model is not to its
liking, and gives back the memory of a voice only at the process's end. For each JSON line of stdin it writes one to
stdout, behind which the samples follow.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from robot_node.errors import RobotNodeError, SettingsError
from robot_node.speech.sherpa_voice import SherpaVoice


def main(folder: str) -> int:
    """Speak until stdin ends.

    Args:
        folder: Folder of the model.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the robot, which then ends this process
        signal.signal(number, signal.SIG_IGN)
    # Whatever a library prints goes to stderr, not between our lines.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        _serve(folder, output)
    except BrokenPipeError:  # the robot has exited
        return 0
    except RobotNodeError as error:
        _send(output, _failure(error))
        return 1
    return 0


def _serve(folder: str, output: BinaryIO) -> None:
    voice = SherpaVoice(Path(folder))
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            speech = voice.speak(request["text"], speaker=request["speaker"], speed=request["speed"])
        except RobotNodeError as error:
            _send(output, _failure(error))
        else:
            _send(output, {"rate": speech.rate, "bytes": len(speech.samples)}, speech.samples)


def _failure(error: RobotNodeError) -> dict[str, object]:
    return {"error": error.message, "remedy": error.remedy, "settings": isinstance(error, SettingsError)}


def _send(output: BinaryIO, header: dict[str, object], content: bytes = b"") -> None:
    output.write(json.dumps(header).encode() + b"\n" + content)
    output.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
