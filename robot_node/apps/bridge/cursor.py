"""The cursor over the events of all robots: each robot's own cursor, as one text. Pure.

The bridge keeps nothing for it: a cursor survives the bridge, too.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Self

from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.topics import ServerName

MAX_CHARACTERS = 8192
"""Longest cursor over all robots."""
_MAX_ROBOTS = 96
"""Robots in a cursor: all that may be online, and some that are offline."""
_KEY_CHARACTERS = 11  # 66 bits: no robot can find a name with the key of another
_ENTRY = re.compile(rf"([A-Za-z0-9_-]{{{_KEY_CHARACTERS}}})([A-Za-z0-9._-]{{1,64}})")


class Cursor:
    """Where an agent has read each robot's events to. Immutable.

    Args:
        entries: Each robot's cursor, by the robot's key.
    """

    def __init__(self, entries: Mapping[str, str] | None = None) -> None:
        self._entries = dict(entries or {})

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse what ``str`` has made of a cursor; empty for none.

        Raises:
            RemoteError: It is something else.
        """
        found = [_ENTRY.fullmatch(part) for part in text.split("~")] if text else []
        entries = {match[1]: match[2] for match in found if match is not None}
        if len(text) > MAX_CHARACTERS or len(entries) != len(found):
            raise RemoteError(
                "after is not a cursor of this tool.", remedy="Leave it out to begin with the latest events."
            )
        return cls(entries)

    def __str__(self) -> str:
        return "~".join(f"{key}{self._entries[key]}" for key in sorted(self._entries))

    def __bool__(self) -> bool:
        return bool(self._entries)

    def of(self, robot: ServerName) -> str:
        """Return a robot's own cursor; empty when there is none of it."""
        return self._entries.get(_key(robot), "")

    def moved(self, cursors: Mapping[ServerName, str]) -> Self:
        """Return a cursor with new cursors of some robots; of too many robots the others are forgotten first.

        Args:
            cursors: Their new cursors, which they have chosen themselves; those that are no cursors change nothing.
        """
        new = {_key(robot): text for robot, text in cursors.items() if is_usable(text)}
        others = {key: text for key, text in self._entries.items() if key not in new}
        return type(self)(dict([*new.items(), *others.items()][:_MAX_ROBOTS]))


def is_usable(cursor: str) -> bool:
    """Whether a text may be a robot's own cursor."""
    return _ENTRY.fullmatch("x" * _KEY_CHARACTERS + cursor) is not None


def _key(robot: ServerName) -> str:
    digest = hashlib.sha256("\0".join(robot).encode(errors="surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest).decode()[:_KEY_CHARACTERS]
