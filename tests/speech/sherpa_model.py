"""Models for sherpa-onnx: a small one, and the real one of "make moonshine".

The small one is written byte by byte: to it a low tone is "yes", a high one "no", and quiet nothing. It shows that
models are checked, loaded and asked; it says nothing of how well speech is recognised.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.vision.onnx_models import field, floats, node

_BANDS = 80
_FLOAT, _INT64 = 1, 7
_TOKENS = "<blk> 0\n\u2581yes 1\n\u2581no 2\n"
MOONSHINE = Path(__file__).parents[2] / "build/moonshine"
"""Where "make moonshine" installs the package that carries the real one."""

_QUIET = -10.0
"""Logarithm of the energy of a band between quiet and a tone."""


def _tensor(name: str, kind: int, *shape: int | str) -> bytes:
    sides = (field(1, each) if isinstance(each, int) else field(2, each) for each in shape)
    dimensions = b"".join(field(1, side) for side in sides)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dimensions)))


def zipformer_ctc() -> bytes:
    """N x T x 80 energies in, N x T x 3 probabilities out; as many as came in."""
    low, high = range(5, 25), range(50, 75)
    weights = [0.0] * (_BANDS * 3)
    for token, bands in ((1, low), (2, high)):
        for band in bands:
            weights[band * 3 + token] = 1 / len(bands)
    constants = (floats("weights", (_BANDS, 3), weights), floats("bias", (3,), (_QUIET, 0.0, 0.0)))
    nodes = (
        node("MatMul", ["x", "weights"], "means"),
        node("Add", ["means", "bias"], "log_probs"),
        node("Identity", ["x_lens"], "log_probs_len"),
    )
    graph = b"".join(field(1, each) for each in nodes) + field(2, "test")
    graph += b"".join(field(5, constant) for constant in constants)
    graph += field(11, _tensor("x", _FLOAT, "N", "T", _BANDS)) + field(11, _tensor("x_lens", _INT64, "N"))
    graph += field(12, _tensor("log_probs", _FLOAT, "N", "T", 3)) + field(12, _tensor("log_probs_len", _INT64, "N"))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))


def model_folder(folder: Path, *, kind: str = "zipformer-ctc", tokens: str = _TOKENS) -> Path:
    """A folder with the model and its manifest."""
    folder.mkdir(exist_ok=True)
    parts = {"model": ("model.onnx", zipformer_ctc()), "tokens": ("tokens.txt", tokens.encode())}
    manifest = f'name = "Tones"\nkind = "{kind}"\nlanguage = "en-x-tones"\n'
    for part, (name, content) in parts.items():
        (folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        manifest += f'[files.{part}]\nfile = "{name}"\nsize = {len(content)}\nsha256 = "{digest}"\n'
    (folder / "model.toml").write_text(manifest)
    return folder
