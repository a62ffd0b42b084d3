"""``robot-node speech-model``: write the manifest of a folder with a model of speech recognition."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from robot_node.cli.output import print_line
from robot_node.errors import SettingsError


def speech_model(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with the files of the model.")],
    language: Annotated[str, typer.Option(metavar="TAG", help="Language of the speech.")] = "en",
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the model.  [default: that of the folder]")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="Kind of the model.  [default: by the names of its files]")
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option(metavar="PART=FILE", help="File that has another name than usual; repeatable.")
    ] = None,
) -> None:
    """Write model.toml for a model of sherpa-onnx that recognises speech, and print the settings that choose it."""
    from robot_node.speech.model_folder import NewModel, write_manifest

    written = write_manifest(folder, NewModel(language, name, kind, _files(file or ())))
    print_line(f"{written} has the size and SHA-256 of each file. The lines of the settings file:", err=True)
    model = json.dumps(str(folder.absolute()), ensure_ascii=False)  # a JSON string is one of TOML
    for line in ("[hearing]", 'engine = "sherpa-onnx"', f"model = {model}", 'voice_activity = "silero"'):
        print_line(line)


def _files(named: Sequence[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in named]
    for each, (part, _, file) in zip(named, pairs, strict=True):
        if not part or not file:
            raise SettingsError(f"--file {each!r} is not of the form PART=FILE.")
    return {part: file for part, _, file in pairs}
