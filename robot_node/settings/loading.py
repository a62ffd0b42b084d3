"""Settings from a file, credentials, the environment and the command line; what is wrong is said with its place."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource
from pydantic_settings import SettingsError as PydanticSettingsError

from robot_node.errors import SettingsError
from robot_node.settings.credentials import credential_name, read_credentials
from robot_node.settings.root import ENV_PREFIX, Settings


def load_settings(file: Path | None = None, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """Read the settings.

    The command line wins over the environment, that over systemd's credentials, those over the file.

    Args:
        file: A TOML file; None for the defaults.
        overrides: What the command line says, by section and key.

    Raises:
        SettingsError: the file or a credential cannot be read; a key is unknown; a value is wrong. Names source, key
            and reason.
    """
    from_file = _read(file) if file else {}
    from_credentials = read_credentials()

    class _Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del dotenv_settings, file_secret_settings
            lower = (InitSettingsSource(settings_cls, dict(source)) for source in (from_credentials, from_file))
            return init_settings, env_settings, *lower

    _refuse_unknown_environment(os.environ)
    from_command_line: dict[str, Any] = {section: dict(keys) for section, keys in (overrides or {}).items()}
    try:
        return _Sourced(**from_command_line)
    except ValidationError as error:
        raise _explain(error, file, from_file, from_credentials, overrides or {}) from error
    except PydanticSettingsError as error:  # a section given as one variable that is no JSON
        raise SettingsError(
            f"The environment cannot be read: {error}.",
            remedy=f'Name one key, {ENV_PREFIX}<SECTION>__<KEY>; write a list as JSON: \'["a", "b"]\'.',
        ) from error


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        remedy = "'robot-node setup' makes one; config/robot-node.toml is one to begin with."
        if isinstance(error, PermissionError):
            remedy = "Type the same as root, with sudo in front of it."
        raise SettingsError(f"The settings file {file} cannot be read: {error.strerror}.", remedy=remedy) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The settings file {file} is not valid TOML: {error}.",
            remedy="config/robot-node.toml shows how each setting is written.",
        ) from error


def _refuse_unknown_environment(environment: Mapping[str, str]) -> None:
    """pydantic-settings passes over variables whose section it does not know: a typing error would go unseen."""
    for name in environment:
        section = name.upper().removeprefix(ENV_PREFIX).partition("__")[0].lower()
        if name.upper().startswith(ENV_PREFIX) and section not in Settings.model_fields:
            raise SettingsError(
                f"The environment variable {name} names no settings section.",
                remedy=f"The sections are: {', '.join(Settings.model_fields)}.",
            )


def _explain(
    error: ValidationError,
    file: Path | None,
    from_file: Mapping[str, Any],
    from_credentials: Mapping[str, Mapping[str, Any]],
    overrides: Mapping[str, Mapping[str, Any]],
) -> SettingsError:
    """Say for each wrong value where it stands, its key, and the reason. Values are not repeated: one is a password."""
    explanations = []
    environment = {name.upper() for name in os.environ}
    for problem in error.errors(include_input=False, include_url=False):
        path = [str(part) for part in problem["loc"]]
        key = ".".join(path)
        setting = path[1] if len(path) > 1 else ""  # what follows is a place in its value
        variables = [ENV_PREFIX + "__".join(path[:length]).upper() for length in range(len(path), 1, -1)]
        if setting in overrides.get(path[0], {}):
            source = "command line"
        elif named := [variable for variable in variables if variable in environment]:
            source = f"environment variable {named[0]}"
        elif setting in from_credentials.get(path[0], {}):
            source = f"credential {credential_name(path[0], setting)}"
        elif path[0] in from_file:
            source = f"settings file {file}"
        else:
            source = "defaults"
        reason = problem["msg"].removeprefix("Value error, ").rstrip(".")
        if problem["type"] == "extra_forbidden":
            reason = "there is no such setting"
        explanations.append(f"{source}: {key}: {reason}")
    return SettingsError(
        "Wrong settings: " + "; ".join(explanations) + ".",
        remedy="config/robot-node.toml lists every setting with its range.",
    )
