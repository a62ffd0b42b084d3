"""A folder of piper's voices, and a program in the place of piper that takes the same options and plays a tone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

RATE = 22_050


def add_voice(folder: Path, name: str, language: str, *, length_scale: float = 1.0, rate: int = RATE) -> None:
    """Add a voice whose model is empty."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.onnx").touch()
    description = {
        "audio": {"sample_rate": rate, "quality": "medium"},
        "inference": {"length_scale": length_scale},
        "language": {"code": language},
    }
    (folder / f"{name}.onnx.json").write_text(json.dumps(description))


_PROGRAM = """#!{python}
import argparse, array, math, os, pathlib, sys, time, wave

parser = argparse.ArgumentParser()
parser.add_argument("-m", "--model", required=True)
parser.add_argument("-d", "--output-dir", "--output_dir")
parser.add_argument("--length-scale", "--length_scale", type=float)
options = parser.parse_args()
if not options.output_dir:
    sys.exit("It would play the sound")
if not pathlib.Path(options.model).exists():
    raise ValueError("Unable to find voice: " + options.model)
with open({log!r} + "-loaded", "a") as log:
    log.write(str(os.getpid()) + " " + pathlib.Path(options.model).stem + "\\n")
for line in sys.stdin:
    if "crash" in line:
        raise RuntimeError("It has crashed")
    with open({log!r}, "a") as log:
        log.write(pathlib.Path(options.model).stem + " " + line)
    while "wait" in line and not os.path.exists({log!r} + "-go"):
        time.sleep(0.01)
    count = round(len(line.strip()) * 0.05 * options.length_scale * {rate})
    path = options.output_dir + "/" + str(time.monotonic_ns()) + ".wav"
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate({rate})
        tone = (8000 * math.sin(2 * math.pi * 440 * n / {rate}) for n in range(count))
        file.writeframes(array.array("h", map(round, tone)).tobytes())
    print("INFO:__main__:Wrote " + path, file=sys.stderr, flush=True)
"""


def stand_in(folder: Path) -> str:
    """Write the program: a tone of 0.05 s for each character. It logs voice and text to ``said`` in the folder.

    It ends with an error at a text that has the word "crash", and waits for :func:`go_on` at one with the word "wait".
    """
    file = folder / "piper"
    file.write_text(_PROGRAM.format(python=sys.executable, log=str(folder / "said"), rate=RATE))
    file.chmod(0o755)
    return str(file)


def go_on(folder: Path) -> None:
    """Let it say texts that have the word "wait"."""
    (folder / "said-go").touch()


def loaded(folder: Path) -> list[str]:
    """The voice of each start of the program."""
    return [line.split()[1] for line in _starts(folder)]


def pids(folder: Path) -> list[int]:
    """The process of each start of the program."""
    return [int(line.split()[0]) for line in _starts(folder)]


def _starts(folder: Path) -> list[str]:
    file = folder / "said-loaded"
    return file.read_text().splitlines() if file.exists() else []


def said(folder: Path) -> list[str]:
    """Voice and text of what the program has said."""
    file = folder / "said"
    return file.read_text().splitlines() if file.exists() else []
