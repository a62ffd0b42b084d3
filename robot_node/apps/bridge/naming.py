"""Unique names for the tools and resources of several robots. Pure.

The tools of a single robot keep their names. With several robots, each gets a prefix: the last level of its server
name, else its server id. The names depend only on the robots that are online and on their tools.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.topics import ServerName

MAX_NAME = 64
"""Maximum length of tool names in desktop clients."""
_MAX_PREFIXED_NAME = 50  # several clients add a prefix of their own, e.g. mcp__robots__
_MAX_PREFIX = 24
_URI_SCHEME = "bridge://"


class Offer(NamedTuple):
    """A tool or resource of a robot.

    Attributes:
        robot: The robot.
        tool: Its own name for the tool, or the URI of the resource.
    """

    robot: ServerName
    tool: str


_Key = TypeVar("_Key", ServerName, Offer)


def prefixes(robots: Iterable[ServerName]) -> dict[ServerName, str]:
    """Return a short, unique name for each robot, of letters, digits, ``_`` and ``-``."""
    robots = sorted(set(robots))
    wanted = {robot: _slug(robot.server_name.rpartition("/")[2]) or _slug(robot.server_id) for robot in robots}
    count = Counter(wanted.values())
    wanted = {robot: name if count[name] == 1 else _slug(robot.server_id) for robot, name in wanted.items()}
    return _distinct({robot: name or "robot" for robot, name in wanted.items()}, _MAX_PREFIX)


class ToolNames:
    """The names of all robots' tools for agents.

    Args:
        offered: Tools of each robot that is online.
        reserved: Names that no robot's tool may have.
    """

    def __init__(self, offered: Mapping[ServerName, Sequence[str]], *, reserved: frozenset[str] = frozenset()) -> None:
        self.prefixes = prefixes(offered)
        offers = [Offer(robot, tool) for robot in offered for tool in dict.fromkeys(offered[robot])]
        with_prefix = {offer: f"{self.prefixes[offer.robot]}__{_valid(offer.tool)}" for offer in offers}
        self._prefixed = _distinct(with_prefix, _MAX_PREFIXED_NAME, reserved)
        if len(offered) > 1:
            self.shown = self._prefixed
        else:
            self.shown = _distinct({offer: _valid(offer.tool) for offer in offers}, MAX_NAME, reserved)
        self._by_name = {name: offer for offer, name in self._prefixed.items()}
        self._by_name |= {name: offer for offer, name in self.shown.items()}

    def resolve(self, name: str) -> Offer:
        """Return the tool that an agent means by a name.

        An agent may use an outdated list of tools, so a name with a prefix always works, and one without a prefix works
        as long as a single robot has that tool.

        Raises:
            RemoteError: No robot has that tool, or several have it.
        """
        if (offer := self._by_name.get(name)) is not None:
            return offer
        same = [offer for offer in self.shown if offer.tool == name]
        if len(same) == 1:
            return same[0]
        if same:
            choice = ", ".join(self.shown[offer] for offer in same[:10])
            raise RemoteError(f"{len(same)} robots have the tool {name}.", remedy=f"Use one of: {choice}.")
        raise RemoteError(
            f"No online robot has the tool {name[:80]!r}.", remedy="List the tools again, or call list_robots."
        )


class ResourceUris:
    """The URIs of all robots' resources for agents.

    Args:
        offered: URIs of each robot that is online.
    """

    def __init__(self, offered: Mapping[ServerName, Sequence[str]]) -> None:
        self.prefixes = prefixes(offered)
        self._offered = offered

    def shown(self, robot: ServerName, uri: str) -> str:
        """Return the URI for agents."""
        return uri if len(self._offered) == 1 else f"{_URI_SCHEME}{self.prefixes[robot]}/{uri}"

    def resolve(self, uri: str) -> Offer:
        """Return the resource that an agent means by a URI.

        Raises:
            RemoteError: No robot has that resource, or several have it.
        """
        for robot, prefix in self.prefixes.items():
            if uri.startswith(start := f"{_URI_SCHEME}{prefix}/"):
                return Offer(robot, uri.removeprefix(start))
        if len(self._offered) == 1 and not uri.startswith(
            _URI_SCHEME
        ):  # it may be expanded from a template of this robot
            return Offer(next(iter(self._offered)), uri)
        same = [robot for robot, uris in self._offered.items() if uri in uris]
        if len(same) == 1:
            return Offer(same[0], uri)
        if same:
            choice = ", ".join(self.shown(robot, uri) for robot in same[:10])
            raise RemoteError(f"{len(same)} robots have the resource {uri}.", remedy=f"Use one of: {choice}.")
        raise RemoteError(f"No online robot has the resource {uri[:200]}.", remedy="List the resources again.")


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


def _valid(tool: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", tool) or "tool"


def _distinct(wanted: Mapping[_Key, str], limit: int, reserved: frozenset[str] = frozenset()) -> dict[_Key, str]:
    """Make names unique: those that are too long, reserved or ambiguous get a digest of their key as a suffix."""
    count = Counter(wanted.values())
    unusable = {name for name in wanted.values() if count[name] > 1 or len(name) > limit} | reserved
    # A robot may choose a name that equals another name with its digest: then use longer digests.
    for digits in (6, 10, 15, 20):
        names = {
            key: f"{name[: limit - digits - 1]}-{_digest(key)[:digits]}" if name in unusable else name
            for key, name in wanted.items()
        }
        if len(set(names.values())) == len(names):
            return names
    raise AssertionError("unreachable: a collision of 80 bits of SHA-256")


def _digest(key: ServerName | Offer) -> str:
    parts = (*key.robot, key.tool) if isinstance(key, Offer) else key
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
