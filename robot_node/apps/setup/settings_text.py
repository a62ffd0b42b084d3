"""Change single settings in a person's TOML file; whatever else stands there, comments above all, stays. Pure."""

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
    """One setting that becomes another.

    Attributes:
        key: Section and key.
        old: What the file says; None for nothing.
        new: What it will say; None for nothing.
    """

    key: Key
    old: Value | None
    new: Value | None

    def __str__(self) -> str:
        return f"{'.'.join(self.key)}: {_shown(self.key, self.old)} -> {_shown(self.key, self.new)}"


def changes(text: str, values: Mapping[Key, Value | None]) -> list[Change]:
    """What :func:`edited` would change.

    Raises:
        SettingsError: the text is not TOML, or has a value where a section should be.
    """
    tables = _parsed(text).unwrap()
    found = []
    for (section, key), new in values.items():
        table = tables.get(section, {})
        if not isinstance(table, dict):
            raise SettingsError(f"The settings file has no section {section}.", remedy="Mend it by hand.")
        if (old := table.get(key)) != new:
            found.append(Change((section, key), old, new))
    return found


def edited(text: str, values: Mapping[Key, Value | None]) -> str:
    """The text with these values.

    A setting that stands there commented out is set in its place.

    Args:
        text: TOML.
        values: By section and key; None removes a setting.

    Raises:
        SettingsError: the text is not TOML, or has no place for a value.
    """
    wanted = changes(text, values)
    for change in wanted:
        if change.old is None:
            text = _uncommented(text, *change.key)
    document = _parsed(text)
    try:
        for (section, key), new in ((change.key, change.new) for change in wanted):
            if new is not None:
                document.setdefault(section, tomlkit.table())[key] = new
            else:
                del document[section][key]
    except (TOMLKitError, TypeError) as error:
        raise SettingsError(f"The settings file cannot be changed: {error}.", remedy="Change it by hand.") from error
    return tomlkit.dumps(document)


def _uncommented(text: str, section: str, key: str) -> str:
    """The text with the first ``# key = ...`` of a section as a setting, if it has one that is TOML."""
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
    """The lines between the header of a section and the next header, each with its place."""
    place, inside = 0, False
    for line in text.splitlines(keepends=True):
        if line.startswith("["):
            inside = re.match(rf"\[\s*{re.escape(section)}\s*\]", line) is not None
        elif inside:
            yield line, place
        place += len(line)


def _parsed(text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except ParseError as error:
        raise SettingsError(f"The settings file is not valid TOML: {error}.", remedy="Mend it by hand.") from error


def _shown(key: Key, value: Value | None) -> str:
    """A value fit to be read by bystanders."""
    if value is None:
        return "(nothing)"
    if key == ("broker", "password"):
        return "(a password)"
    if key == ("broker", "url") and "@" in str(value):
        return f'"{Broker.from_url(str(value))}"'
    return f'"{value}"' if isinstance(value, str) else str(value)
