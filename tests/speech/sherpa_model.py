"""Models for sherpa-onnx: a small one, and the real one of "make moonshine".

The small one is written byte by byte: to it a low tone is "yes", a high one "no", and quiet nothing. It shows that
models are checked, loaded and asked; it says nothing of how well speech is recognised.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from tests.vision.onnx_models import attribute, field, floats, node

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


def _energies_to_tokens(energies: str) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Nodes and constants that make ``log_probs`` of the tensor of energies with that name."""
    low, high = range(5, 25), range(50, 75)
    weights = [0.0] * (_BANDS * 3)
    for token, bands in ((1, low), (2, high)):
        for band in bands:
            weights[band * 3 + token] = 1 / len(bands)
    constants = (floats("weights", (_BANDS, 3), weights), floats("bias", (3,), (_QUIET, 0.0, 0.0)))
    return (node("MatMul", [energies, "weights"], "means"), node("Add", ["means", "bias"], "log_probs")), constants


def _model(
    nodes: Iterable[bytes], constants: Iterable[bytes], inputs: Iterable[bytes], outputs: Iterable[bytes]
) -> bytes:
    graph = b"".join(field(1, each) for each in nodes) + field(2, "test")
    graph += b"".join(field(5, constant) for constant in constants)
    graph += b"".join(field(11, each) for each in inputs) + b"".join(field(12, each) for each in outputs)
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))


def zipformer_ctc() -> bytes:
    """N x T x 80 energies in, N x T x 3 probabilities out; as many as came in."""
    nodes, constants = _energies_to_tokens("x")
    return _model(
        (*nodes, node("Identity", ["x_lens"], "log_probs_len")),
        constants,
        (_tensor("x", _FLOAT, "N", "T", _BANDS), _tensor("x_lens", _INT64, "N")),
        (_tensor("log_probs", _FLOAT, "N", "T", 3), _tensor("log_probs_len", _INT64, "N")),
    )


def streaming_nemo_ctc() -> bytes:
    """The same for 0.16 s at a time, 1 x 80 x 16 energies, with three states that it does not need."""
    nodes, constants = _energies_to_tokens("frames")
    states = {"channel": (_FLOAT, (1, 1, 1, 1)), "time": (_FLOAT, (1, 1, 1, 1)), "channel_len": (_INT64, (1,))}
    passed = (node("Identity", [name], f"{name}_next") for name in ("length", *states))
    kept = {
        suffix: [_tensor(name + suffix, kind, *shape) for name, (kind, shape) in states.items()]
        for suffix in ("", "_next")
    }
    model = _model(
        (node("Transpose", ["signal"], "frames", attribute("perm", (0, 2, 1))), *nodes, *passed),
        constants,
        (_tensor("signal", _FLOAT, "N", _BANDS, "T"), _tensor("length", _INT64, "N"), *kept[""]),
        (_tensor("log_probs", _FLOAT, "N", "T", 3), _tensor("length_next", _INT64, "N"), *kept["_next"]),
    )
    facts = {"window_size": 16, "chunk_shift": 16, "subsampling_factor": 1, "vocab_size": 2}
    facts |= {f"cache_last_{state}_dim{n}": 1 for state in ("channel", "time") for n in (1, 2, 3)}
    return model + b"".join(field(14, field(1, name) + field(2, str(value))) for name, value in facts.items())


def model_folder(folder: Path, *, kind: str = "zipformer-ctc", tokens: str = _TOKENS) -> Path:
    """A folder with the model and its manifest: of the kind ``"streaming-nemo-ctc"`` one that streams."""
    folder.mkdir(exist_ok=True)
    parts = {
        "model": ("model.onnx", streaming_nemo_ctc() if kind == "streaming-nemo-ctc" else zipformer_ctc()),
        "tokens": ("tokens.txt", tokens.encode()),
    }
    manifest = f'name = "Tones"\nkind = "{kind}"\nlanguage = "en-x-tones"\n'
    for part, (name, content) in parts.items():
        (folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        manifest += f'[files.{part}]\nfile = "{name}"\nsize = {len(content)}\nsha256 = "{digest}"\n'
    (folder / "model.toml").write_text(manifest)
    return folder
