"""Reads the settings: TOML file < systemd's credentials < environment < command line."""

from __future__ import annotations

import functools
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from robot_node.errors import SettingsError
from robot_node.settings.credentials import read_credentials
from robot_node.settings.root import ENV_PREFIX, Settings
from robot_node.settings.section import merged

# The file with all settings and their comments has 20 KiB.
_MAX_FILE_BYTES = 256 * 1024

Tables = Mapping[str, Any]
"""Values by section and key."""


def load_settings(file: Path | None = None, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """Read the settings.

    Args:
        file: A TOML file; None for the defaults.
        overrides: Values of the command line, by section and key.

    Raises:
        SettingsError: the file or a credential cannot be read; a key is unknown; a value is wrong. Names source, key
            and reason of each.
    """
    sources: dict[str, Tables] = {
        f"settings file {file}": _read(file) if file else {},
        "credential": read_credentials(),
        "environment variable": read_environment(),
        "command line": overrides or {},
    }
    try:
        return Settings.model_validate(functools.reduce(merged, sources.values()))
    except ValidationError as error:
        from robot_node.settings.explanation import explain  # noqa: PLC0415  # builds a schema: only for an error

        raise explain(error, sources) from error


def read_environment() -> Tables:
    """The settings of the environment; lists and tables in variables are JSON."""
    # It is made for BaseSettings, which take more than settings from their arguments, and reads the fields only.
    source = _Environment(cast("type[BaseSettings]", Settings), env_prefix=ENV_PREFIX, env_nested_delimiter="__")
    tables = source()
    for name in os.environ:  # which it ignores when it knows no such section
        section, _, key = name.lower().removeprefix(ENV_PREFIX.lower()).partition("__")
        if name.upper().startswith(ENV_PREFIX) and section not in Settings.model_fields:
            tables.setdefault(section, {})[key] = ""
    return tables


class _Environment(EnvSettingsSource):
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # the base's
        """Decode JSON; other text stays as it is, and validation refuses it with its key."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except (ValueError, RecursionError):  # RecursionError: "[[[[..." nested deeper than the parser goes
            return value


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            data = opened.read(_MAX_FILE_BYTES + 1)
        if len(data) > _MAX_FILE_BYTES:
            raise SettingsError(f"The settings file {file} has more than {_MAX_FILE_BYTES} bytes.")
        return tomllib.loads(data.decode())
    except OSError as error:
        remedy = "'robot-node setup' makes one; config/robot-node.toml is one to begin with."
        if isinstance(error, PermissionError):
            remedy = "Type the same as root, with sudo in front of it."
        raise SettingsError(f"The settings file {file} cannot be read: {error.strerror}.", remedy=remedy) from error
    # RecursionError: "[[[[..." nested deeper than the parser goes.
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(
            f"The settings file {file} is not valid TOML: {error}.",
            remedy="config/robot-node.toml shows how each setting is written.",
        ) from error
