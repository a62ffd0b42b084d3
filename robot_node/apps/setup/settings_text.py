"""Changes single settings in a TOML file and keeps the rest, comments included. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError

from robot_node.errors import SettingsError
from robot_node.mqtt import Broker

Key = tuple[str, str]
"""Section and key."""
Value = str | int


@dataclass(frozen=True, slots=True)
class Change:
    """A changed setting.

    Attributes:
        key: Section and key.
        old: Value in the file; None if absent.
        new: New value; None to remove it.
    """

    key: Key
    old: Value | None
    new: Value | None

    def __str__(self) -> str:
        return f"{'.'.join(self.key)}: {_redacted(self.key, self.old)} -> {_redacted(self.key, self.new)}"


def changes(text: str, values: Mapping[Key, Value | None]) -> list[Change]:
    """Return the changes that :func:`edited` would make.

    Raises:
        SettingsError: The text is not valid TOML, or has a value where a section should be.
    """
    tables = _parse(text).unwrap()
    found = []
    for (section, key), new in values.items():
        table = tables.get(section, {})
        if not isinstance(table, dict):
            raise SettingsError(f"In the settings file, {section} is not a section.", remedy="Correct the file.")
        if (old := table.get(key)) != new:
            found.append(Change((section, key), old, new))
    return found


def edited(text: str, values: Mapping[Key, Value | None]) -> str:
    """Return the text with new values.

    A setting that is commented out is replaced in its place.

    Args:
        text: TOML.
        values: New values by section and key; None removes a setting.

    Raises:
        SettingsError: The text is not valid TOML, or has no place for a value.
    """
    wanted = changes(text, values)
    for change in wanted:
        if change.old is None:
            text = _uncommented(text, *change.key)
    document = _parse(text)
    try:
        for (section, key), new in ((change.key, change.new) for change in wanted):
            if new is not None:
                document.setdefault(section, tomlkit.table())[key] = new
            else:
                del document[section][key]
    except (TOMLKitError, TypeError) as error:
        raise SettingsError(f"The settings file cannot be changed: {error}.", remedy="Edit it manually.") from error
    return tomlkit.dumps(document)


def _uncommented(text: str, section: str, key: str) -> str:
    """Uncomment the first ``# key = ...`` of a section that is valid TOML, if there is one."""
    lines = list(_lines_of(text, section))
    for line in lines:
        bare = line[0].removeprefix("# ")
        if not re.match(rf"# {re.escape(key)}\s*=", line[0]):
            continue
        try:
            tomlkit.parse(bare)
        except ParseError:
            continue
        return text[: line[1]] + bare + text[line[1] + len(line[0]) :]
    return text


def _lines_of(text: str, section: str) -> Iterator[tuple[str, int]]:
    """Yield the lines of a section, each with its offset in the text."""
    offset, inside = 0, False
    for line in text.splitlines(keepends=True):
        if line.startswith("["):
            inside = re.match(rf"\[\s*{re.escape(section)}\s*\]", line) is not None
        elif inside:
            yield line, offset
        offset += len(line)


def _parse(text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except ParseError as error:
        raise SettingsError(f"The settings file is not valid TOML: {error}.", remedy="Correct the file.") from error


def _redacted(key: Key, value: Value | None) -> str:
    """Format a value, without secrets."""
    if value is None:
        return "(nothing)"
    if key == ("broker", "password"):
        return "(a password)"
    if key == ("broker", "url") and "@" in str(value):
        return f'"{Broker.from_url(str(value))}"'
    return f'"{value}"' if isinstance(value, str) else str(value)
