"""A small voice for sherpa-onnx, written byte by byte, and the real one of "make piper" as sherpa-onnx takes it.

Each sign that the small one knows is a tone of 50 ms; its speakers have tones of their own, and pads are silence.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from math import pi
from pathlib import Path

from tests.vision.onnx_models import attribute, field, floats, integers, node

RATE = 16_000
SIGN_S = 0.05
HERTZ = (400.0, 800.0)
"""The tone of each speaker."""

_FLOAT, _INT64 = 1, 7
_CAST_TO_FLOAT = attribute("to", _FLOAT)


def _tensor(name: str, kind: int, *shape: int | str) -> bytes:
    sides = (field(1, each) if isinstance(each, int) else field(2, each) for each in shape)
    dimensions = b"".join(field(1, side) for side in sides)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dimensions)))


def _metadata(values: Mapping[str, object]) -> bytes:
    """What sherpa-onnx reads from a model; added to the end of a model, it belongs to it."""
    return b"".join(field(14, field(1, name) + field(2, str(value))) for name, value in values.items())


def tone_voice() -> bytes:
    """As piper's models: signs, their number, scales and speaker in; samples out."""
    constants = (
        floats("samples", (), (SIGN_S * RATE,)),
        floats("turns", (2,), [2 * pi * hertz / RATE for hertz in HERTZ]),
        floats("loudness", (), (0.5,)),
        floats("zero", (), (0.0,)),
        floats("one", (), (1.0,)),
        integers("second", (1,)),
        integers("column", (1, -1, 1)),
        integers("flat", (1, 1, -1)),
        integers("pads", (3,)),
    )
    nodes = (
        node("Gather", ["scales", "second"], "slowness"),
        node("Squeeze", ["slowness"], "slow"),
        node("Mul", ["samples", "slow"], "count"),
        node("Range", ["zero", "count", "one"], "time"),
        node("Gather", ["turns", "sid"], "turn"),
        node("Mul", ["time", "turn"], "angle"),
        node("Sin", ["angle"], "wave"),
        node("Mul", ["wave", "loudness"], "tone"),
        node("Greater", ["input", "pads"], "is_sign"),
        node("Cast", ["is_sign"], "signs", _CAST_TO_FLOAT),
        node("Reshape", ["signs", "column"], "signs_down"),
        node("Mul", ["signs_down", "tone"], "tones"),
        node("Reshape", ["tones", "flat"], "output"),
    )
    graph = b"".join(field(1, each) for each in nodes) + field(2, "test")
    graph += b"".join(field(5, constant) for constant in constants)
    graph += field(11, _tensor("input", _INT64, "N", "T")) + field(11, _tensor("input_lengths", _INT64, "N"))
    graph += field(11, _tensor("scales", _FLOAT, 3)) + field(11, _tensor("sid", _INT64, 1))
    graph += field(12, _tensor("output", _FLOAT, 1, 1, "S"))
    model = field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))
    values = {"language": "English", "voice": "en-us", "has_espeak": 1, "n_speakers": 2, "sample_rate": RATE}
    return model + _metadata({"model_type": "vits", "comment": "piper"} | values)


_TOKENS = (
    "_",
    "^",
    "$",
    " ",
    *"abdefhijklmnoprstuvwz\u00f0\u014b\u0251\u0259\u025b\u0254\u025a\u026a\u0279\u028a\u02c8\u02d0\u0261",
)


def add_tone_voice(folder: Path, name: str = "tones", language: str = "en-US", *, lexicon: str = "") -> Path:
    """Add the small voice to a folder of voices; with a lexicon it needs no phonemes."""
    tokens = "".join(f"{token} {number}\n" for number, token in enumerate(_TOKENS))
    files = {"model": ("model.onnx", tone_voice()), "tokens": ("tokens.txt", tokens.encode())}
    if lexicon:
        files["lexicon"] = ("lexicon.txt", lexicon.encode())
    return write_model(folder / name, files, kind="vits", language=language)


def add_real_voice(folder: Path, piper_voice: Path) -> Path:
    """Add a voice of piper to a folder of voices."""
    description = json.loads(piper_voice.with_name(f"{piper_voice.name}.json").read_text())
    values = {
        "model_type": "vits",
        "comment": "piper",
        "language": description["language"]["name_english"],
        "voice": description["espeak"]["voice"],
        "has_espeak": 1,
        "n_speakers": description["num_speakers"],
        "sample_rate": description["audio"]["sample_rate"],
    }
    tokens = "".join(f"{sign} {ids[0]}\n" for sign, ids in description["phoneme_id_map"].items())
    model = piper_voice.read_bytes() + _metadata(values)
    files = {"model": ("model.onnx", model), "tokens": ("tokens.txt", tokens.encode())}
    return write_model(folder / "joe", files, kind="vits", language="en-US")


def write_model(folder: Path, files: Mapping[str, tuple[str, bytes]], *, kind: str, language: str) -> Path:
    """Write files and their manifest."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    manifest = f'name = "Tones"\nkind = "{kind}"\nlanguage = "{language}"\n'
    for part, (name, content) in files.items():
        (folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        manifest += f'[files.{part}]\nfile = "{name}"\nsize = {len(content)}\nsha256 = "{digest}"\n'
    (folder / "model.toml").write_text(manifest)
    return folder
