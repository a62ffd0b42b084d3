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
import argparse, math, pathlib, struct, sys

parser = argparse.ArgumentParser()
parser.add_argument("-m", "--model", required=True)
parser.add_argument("--output-raw", "--output_raw", action="store_true")
parser.add_argument("--length-scale", "--length_scale", type=float)
options = parser.parse_args()
if not options.output_raw:
    sys.exit("It would write a file")
if not pathlib.Path(options.model).exists():
    raise ValueError("Unable to find voice: " + options.model)
for line in sys.stdin:
    with open({log!r}, "a") as log:
        log.write(pathlib.Path(options.model).stem + " " + line)
    count = round(len(line.strip()) * 0.05 * options.length_scale * {rate})
    wave = (8000 * math.sin(2 * math.pi * 440 * n / {rate}) for n in range(count))
    sys.stdout.buffer.write(b"".join(struct.pack("<h", round(value)) for value in wave))
"""


def stand_in(folder: Path) -> str:
    """Write the program: a tone of 0.05 s for each character. It logs voice and text to ``said`` in the folder."""
    file = folder / "piper"
    file.write_text(_PROGRAM.format(python=sys.executable, log=str(folder / "said"), rate=RATE))
    file.chmod(0o755)
    return str(file)


def said(folder: Path) -> list[str]:
    """Voice and text of what the program has said."""
    file = folder / "said"
    return file.read_text().splitlines() if file.exists() else []
