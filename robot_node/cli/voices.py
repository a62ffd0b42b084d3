"""``robot-node voices``: list the voices of this machine, try one, choose one."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from robot_node.cli.options import JsonOption
from robot_node.cli.output import print_json, print_line
from robot_node.core.asyncio_tools import run_until_signal
from robot_node.errors import SettingsError
from robot_node.logs.setup import configure_logging
from robot_node.settings.devices import VoiceSettings
from robot_node.settings.loading import load_settings
from robot_node.settings.logs import LogSettings


def voices(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Print the lines of the settings file for this voice.")
    ] = None,
    say: Annotated[str | None, typer.Option(metavar="TEXT", help="Try the voice: say a text into --wav.")] = None,
    wav: Annotated[Path | None, typer.Option(metavar="FILE.wav", help="File for the text of --say.")] = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of voices, instead of voice.voices.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings file (TOML).")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the voices of this machine, try one, or print the settings that choose it."""
    if (say is None) != (wav is None) or (say is not None and name is None):
        raise SettingsError("A voice is tried with NAME, --say and --wav.")
    configure_logging(LogSettings(level="warning"))
    settings = load_settings(config).voice
    if folder is not None:
        settings = settings.model_copy(update={"voices": folder.absolute()})
    asyncio.run(run_until_signal(_voices(settings, name, say, wav, as_json=as_json)))


async def _voices(
    settings: VoiceSettings, name: str | None, say: str | None, wav: Path | None, *, as_json: bool
) -> None:
    from robot_node.apps import voices as voices_app  # the engines take their time to load

    if name is None:
        found = await voices_app.list_voices(settings)
        if as_json:
            print_json([asdict(voice) for voice in found])
        else:
            if not found:
                print_line("There is no espeak-ng here, and no voice in a folder that is named.", err=True)
            for voice in found:
                print_line(f"{voice.engine:10} {voice.language:12} {voice.name:30} {voice.title}")
    elif say is not None and wav is not None:
        await voices_app.try_voice(settings, name, say, wav)
    else:
        for line in await voices_app.settings_lines(settings, name):
            print_line(line)
