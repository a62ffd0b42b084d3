"""The kinds of models by which sherpa-onnx recognises speech: how each is loaded, and the files that it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_TOKENS = r".*tokens\.txt"
_MODEL = {"model": r".*model.*\.onnx", "tokens": _TOKENS}
_TRANSDUCER = {
    "encoder": r".*encoder.*\.onnx",
    "decoder": r".*decoder.*\.onnx",
    "joiner": r".*joiner.*\.onnx",
    "tokens": _TOKENS,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of model.

    Attributes:
        method: The method of ``OfflineRecognizer`` that loads it; if it streams, of ``OnlineRecognizer``.
        files: A regular expression for the usual name of each file that it has, by the file's part.
        arguments: What the method is given besides.
        languages: It has several, and is given one.
        may_loop: It writes word after word by what it wrote before, and then may not find an end.
        streams: It recognises while somebody speaks.
    """

    method: str
    files: Mapping[str, str]
    arguments: Mapping[str, str] = field(default_factory=dict)
    languages: bool = False
    may_loop: bool = False
    streams: bool = False

    @property
    def parts(self) -> frozenset[str]:
        """The names of its files' parts."""
        return frozenset(self.files)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "moonshine": Kind(
            "from_moonshine_v2",
            {
                "encoder": r".*encoder.*\.(onnx|ort)",
                "decoder": r".*decoder.*merged.*\.(onnx|ort)",
                "tokens": _TOKENS,
            },
            may_loop=True,
        ),
        "moonshine-v1": Kind(
            "from_moonshine",
            {
                "preprocessor": r".*preprocess.*\.onnx",
                "encoder": r".*encode\b.*\.onnx",
                "uncached_decoder": r".*uncached_decode.*\.onnx",
                "cached_decoder": r"(?!.*uncached).*cached_decode.*\.onnx",
                "tokens": _TOKENS,
            },
            may_loop=True,
        ),
        "whisper": Kind(
            "from_whisper",
            {"encoder": r".+-encoder.*\.onnx", "decoder": r".+-decoder.*\.onnx", "tokens": _TOKENS},
            languages=True,
            may_loop=True,
        ),
        "transducer": Kind("from_transducer", _TRANSDUCER),
        "nemo-transducer": Kind("from_transducer", _TRANSDUCER, {"model_type": "nemo_transducer"}),
        "zipformer-ctc": Kind("from_zipformer_ctc", _MODEL),
        "nemo-ctc": Kind("from_nemo_ctc", _MODEL),
        "sense-voice": Kind("from_sense_voice", _MODEL, languages=True),
        "paraformer": Kind("from_paraformer", {"paraformer": r".*model.*\.onnx", "tokens": _TOKENS}),
        "streaming-transducer": Kind("from_transducer", _TRANSDUCER, streams=True),
        "streaming-zipformer-ctc": Kind(
            "from_zipformer2_ctc", {"model": r".*(model|ctc).*\.onnx", "tokens": _TOKENS}, streams=True
        ),
        "streaming-nemo-ctc": Kind("from_nemo_ctc", _MODEL, streams=True),
        "streaming-paraformer": Kind(
            "from_paraformer",
            {"encoder": r"encoder(\.int8)?\.onnx", "decoder": r"decoder(\.int8)?\.onnx", "tokens": _TOKENS},
            streams=True,
        ),
    }
)
"""All kinds, by the ``kind`` of a manifest."""
