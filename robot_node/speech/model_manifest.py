"""A model of speech recognition or synthesis in a folder of the user's: its manifest, and whether its files are those.

The folder has a ``model.toml``: ``name``, ``kind``, ``language``, and for each file a table ``[files.PART]`` with its
name (``file``), its ``size`` in bytes and its ``sha256``. Nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from robot_node.errors import SettingsError

MANIFEST = "model.toml"

HEARING = ("hearing.model", "docs/hearing.md")
VOICE = ("voice.voices", "docs/voice.md")
"""The setting that names the folder, and the page that explains it, for messages."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[str, Field(pattern=r"^[\w.+-]+$", max_length=200)]
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Annotated[str, Field(min_length=1, max_length=64)]
    language: Annotated[str, Field(min_length=1, max_length=64)]
    files: Annotated[dict[str, _File], Field(min_length=1, max_length=20)]


@dataclass(frozen=True, slots=True)
class SpeechModel:
    """A model whose files have been checked.

    Attributes:
        name: For people.
        kind: What kind of network it is.
        language: A language tag.
        files: The path of each part, by the part's name.
    """

    name: str
    kind: str
    language: str
    files: Mapping[str, Path]


def read_model(folder: Path, about: tuple[str, str] = HEARING) -> SpeechModel:
    """Read the manifest in a folder, and check that its files are there, with their size and SHA-256.

    Args:
        folder: The folder.
        about: :data:`HEARING` or :data:`VOICE`.

    Raises:
        SettingsError: the manifest is missing or wrong, or a file is another one; says which.
    """
    manifest = _read(folder, about)
    files = {part: _checked(folder / each.file, each, about) for part, each in manifest.files.items()}
    return SpeechModel(manifest.name, manifest.kind, manifest.language, files)


def read_names(folder: Path, about: tuple[str, str] = HEARING) -> SpeechModel:
    """Read the manifest in a folder, without a look at the files.

    Raises:
        SettingsError: the manifest is missing or wrong.
    """
    manifest = _read(folder, about)
    files = {part: folder / each.file for part, each in manifest.files.items()}
    return SpeechModel(manifest.name, manifest.kind, manifest.language, files)


def _read(folder: Path, about: tuple[str, str]) -> _Manifest:
    path, (setting, page) = folder / MANIFEST, about
    remedy = f"{page} says what is in it."
    try:
        fields: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return _Manifest.model_validate(fields)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror} ({setting}).", remedy=remedy) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SettingsError(f"{path}: {where}: {first['msg']} ({setting}).", remedy=remedy) from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise SettingsError(f"{path} is no TOML file: {error} ({setting}).", remedy=remedy) from error


def _checked(path: Path, expected: _File, about: tuple[str, str]) -> Path:
    setting, page = about
    try:
        size = path.stat().st_size
        if size != expected.size:
            raise SettingsError(
                f"{path} has {size} bytes, not {expected.size} as its manifest says ({setting}).",
                remedy="Fetch it again; a download may have been cut off.",
            )
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        remedy = f"{page} says what is in it."
        raise SettingsError(f"{path} cannot be read: {error.strerror} ({setting}).", remedy=remedy) from error
    if found != expected.sha256.lower():
        raise SettingsError(
            f"The SHA-256 of {path} is {found}, not that in its manifest ({setting}).",
            remedy="Use the file that was checked, or check the new one and write its SHA-256 into the manifest.",
        )
    return path
