"""Writes the manifest of a folder with a model for recognition by sherpa-onnx: its kind, and which files it has."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from robot_node.errors import SettingsError
from robot_node.speech.model_manifest import MANIFEST
from robot_node.speech.sherpa_kinds import KINDS

_MOST_FILES = 1000
_TOKENS = "tokens.txt"
_TOKENIZER = "tokenizer.bin"
_MOST_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class NewModel:
    """What a person says of a model.

    Attributes:
        language: A language tag.
        name: Its name for people; None: that of the folder.
        kind: One of :data:`robot_node.speech.sherpa_kinds.KINDS`; None: the one that has such files.
        files: Names of files by part, where they cannot be seen by their names.
    """

    language: str
    name: str | None
    kind: str | None
    files: Mapping[str, str]


def write_manifest(folder: Path, model: NewModel) -> Path:
    """Write the manifest of the model in a folder, with the size and SHA-256 that its files have now.

    The ``tokens.txt`` of a Moonshine model is made of its ``tokenizer.bin`` if it is missing.

    Raises:
        SettingsError: the folder has a manifest, no model, or files of several; or it cannot be written.
    """
    path = folder / MANIFEST
    try:
        names = [each.name for each in islice(folder.iterdir(), _MOST_FILES) if each.is_file()]
        if MANIFEST in names:
            raise SettingsError(f"{path} is there already.", remedy="Remove it to have it written again.")
        makes_tokens = _TOKENS not in names and _TOKENIZER in names
        kind, parts = _recognise(folder, sorted([*names, _TOKENS] if makes_tokens else names), model)
        if makes_tokens:
            (folder / _TOKENS).write_text(_tokens((folder / _TOKENIZER).read_bytes()))
        lines = [
            f"name = {_quoted(model.name or folder.resolve().name)}",
            f"kind = {_quoted(kind)}",
            f"language = {_quoted(model.language)}",
        ]
        for part, name in parts.items():
            with (folder / name).open("rb") as file:
                digest, size = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
            lines += ["", f"[files.{part}]", f"file = {_quoted(name)}", f"size = {size}", f'sha256 = "{digest}"']
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{error.filename or folder}: {error.strerror}.") from error
    return path


def _recognise(folder: Path, names: Sequence[str], model: NewModel) -> tuple[str, Mapping[str, str]]:
    if model.kind is not None and model.kind not in KINDS:
        raise SettingsError(f"There is no kind {model.kind!r} of models.", remedy=f"There are: {', '.join(KINDS)}.")
    kinds = list(KINDS) if model.kind is None else [model.kind]
    found = {kind: {part: _candidates(kind, part, names, model.files) for part in KINDS[kind].files} for kind in kinds}
    possible = {kind: parts for kind, parts in found.items() if all(parts.values())}
    if not possible:
        wants = f" A {model.kind} model has: {', '.join(sorted(KINDS[model.kind].parts))}." if model.kind else ""
        raise SettingsError(
            f"The files of a model are not seen in {folder}.{wants}",
            remedy="Name its kind, and each file that has another name than usual: --kind KIND --file PART=FILE.",
        )
    # A transducer has the files of other kinds, and one more.
    most = max(map(len, possible.values()))
    possible = {kind: parts for kind, parts in possible.items() if len(parts) == most}
    if len(possible) > 1:
        raise SettingsError(
            f"The model in {folder} may be of several kinds.", remedy=f"Name one: --kind {' or '.join(possible)}."
        )
    ((kind, parts),) = possible.items()
    for part, candidates in parts.items():
        if len(candidates) > 1:
            raise SettingsError(
                f"{folder} has several files that may be the {part}: {', '.join(candidates[:10])}.",
                remedy=f"Name one: --file {part}={candidates[0]}.",
            )
    return kind, {part: candidates[0] for part, candidates in parts.items()}


def _candidates(kind: str, part: str, names: Sequence[str], chosen: Mapping[str, str]) -> list[str]:
    """Files that may be a part; of a model in two precisions, the smaller one."""
    if part in chosen:
        return [chosen[part]] if chosen[part] in names else []
    usual = [name for name in names if re.fullmatch(KINDS[kind].files[part], name, re.IGNORECASE)]
    return [name for name in usual if "int8" in name] or usual


def _tokens(tokenizer: bytes) -> str:
    """What sherpa-onnx reads of the tokenizer of a Moonshine model: each token in base64, and its number."""
    return "".join(f"{base64.b64encode(token).decode()} {n}\n" for n, token in enumerate(_read_tokens(tokenizer)))


def _read_tokens(tokenizer: bytes) -> Iterator[bytes]:
    """Each token follows its length: one byte below 128, else 7 bits, and another byte with the bits above them."""
    at = 0
    for _ in range(_MOST_TOKENS):
        if at == len(tokenizer):
            return
        length, start = tokenizer[at], at + 1
        if length >= 128 and start < len(tokenizer):
            length, start = length - 128 + 128 * tokenizer[start], start + 1
        at = start + length
        if at > len(tokenizer):
            break
        yield tokenizer[start:at]
    raise SettingsError(f"{_TOKENIZER} is not the tokenizer of a Moonshine model.", remedy="Fetch it again.")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is one of TOML
