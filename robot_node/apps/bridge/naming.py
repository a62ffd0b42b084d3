"""Names of the tools and resources of several robots, which never change their meaning. Pure.

The first robot that is shown alone keeps its own names for its tools. All others get a prefix: the last level of the
server name, else the server id. A prefix has no ``_``, and what follows it has no ``__``: therefore ``kitchen__nod``
can be read in one way only, whatever names robots choose for themselves and their tools.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from robot_node.core.text import SHOWN_CHARACTERS, bounded, shown
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.topics import ServerName

MAX_NAME = 50
"""Maximum length of a tool's name. Clients take 60 to 64, with a prefix of their own such as mcp__robots__."""
_MAX_PREFIX = 24
_MAX_ROBOTS = 4096
SEPARATOR = "__"
"""Between the name of a robot and that of its tool."""
_OF_GROUPS = re.compile(r"robots(-\d+)?\Z")  # see groups.py
_URI_SCHEME = "bridge://"
_ROBOT_DIGITS = 16  # a stranger must not find a robot name with the same digits
_TOOL_DIGITS = 6  # among the tools of a single robot
_WITH_DIGITS = re.compile(rf"-[0-9a-f]{{{_ROBOT_DIGITS}}}\Z")


class Offer(NamedTuple):
    """A tool or resource of a robot.

    Attributes:
        robot: The robot.
        tool: Its own name for the tool, or the URI of the resource.
    """

    robot: ServerName
    tool: str


class RobotNames:
    """Short names of robots. Each means one robot for as long as the bridge runs, whether that is online or not.

    Attributes:
        unprefixed: The robot whose tools have their own names; None until a robot has been shown alone.
    """

    def __init__(self) -> None:
        self.unprefixed: ServerName | None = None
        self._prefixes: dict[ServerName, str] = {}
        self._robots: dict[str, ServerName] = {}

    def show(self, robots: Iterable[ServerName]) -> None:
        """Bind names to the robots that agents are about to see together.

        Robots that want the same name all go by their server ids.
        """
        robots = sorted(set(robots))
        if len(robots) == 1 and self.unprefixed is None:
            self.unprefixed = robots[0]
        new = [robot for robot in robots if robot not in self._prefixes]
        wanted = {robot: _slug(robot.server_name.rpartition("/")[2]) for robot in new}
        self._bind_unique(wanted)
        self._bind_unique({robot: _slug(robot.server_id) for robot in new if robot not in self._prefixes})
        for robot in new:
            if robot not in self._prefixes:
                self._bind(robot, _prefix_with_digits(robot))

    def prefix(self, robot: ServerName) -> str:
        """Return the short name of a robot: letters, digits and ``-``."""
        return self._prefixes.get(robot) or _prefix_with_digits(robot)

    def robot(self, prefix: str, online: Iterable[ServerName]) -> ServerName | None:
        """Return the robot that a short name belongs to, online or not; None if it belongs to none."""
        if (found := self._robots.get(prefix.casefold())) is not None:
            return found if self._prefixes[found] == prefix else None
        return next((robot for robot in online if self.prefix(robot) == prefix), None)

    def _bind_unique(self, wanted: Mapping[ServerName, str]) -> None:
        count = Counter(name.casefold() for name in wanted.values())
        for robot, name in wanted.items():
            key = name.casefold()
            fits = 0 < len(name) <= _MAX_PREFIX and not _WITH_DIGITS.search(key) and not _OF_GROUPS.match(key)
            if fits and count[key] == 1 and key not in self._robots:
                self._bind(robot, name)

    def _bind(self, robot: ServerName, name: str) -> None:
        if len(self._prefixes) < _MAX_ROBOTS:  # robots beyond that have names with digits, which follow from their ids
            self._prefixes[robot] = name
            self._robots[name.casefold()] = robot


class ToolNames:
    """The names of all robots' tools for agents.

    Args:
        offered: Tools of each robot that is online.
        robots: The names of the robots; all of them have been shown.
        reserved: Names that no robot's tool may have.

    Attributes:
        shown: The name of each tool.
        left_out: Tools for which there is no name, since their robot has chosen the names of its tools accordingly.
    """

    def __init__(
        self,
        offered: Mapping[ServerName, Sequence[str]],
        robots: RobotNames,
        *,
        reserved: frozenset[str] = frozenset(),
    ) -> None:
        self._robots = robots
        self._prefixed: dict[ServerName, dict[str, str]] = {}
        self._plain: dict[str, str] = {}
        self.shown: dict[Offer, str] = {}
        for robot, tools in offered.items():
            start = f"{robots.prefix(robot)}{SEPARATOR}"
            names = self._prefixed[robot] = _distinct(tools, MAX_NAME - len(start))
            if robot == robots.unprefixed:
                self._plain = _distinct(tools, MAX_NAME, reserved)
            if len(offered) == 1 and robot == robots.unprefixed:
                self.shown |= {Offer(robot, tool): name for name, tool in self._plain.items()}
            else:
                self.shown |= {Offer(robot, tool): f"{start}{name}" for name, tool in names.items()}
        self.left_out = [
            Offer(robot, tool) for robot in offered for tool in offered[robot] if Offer(robot, tool) not in self.shown
        ]

    def resolve(self, name: str) -> Offer:
        """Return the tool that an agent means by a name, which may be from an outdated list of tools.

        Raises:
            RemoteError: No robot that is online has that tool, or the name does not say which robot is meant.
        """
        prefix, separator, rest = name.partition(SEPARATOR)
        robot = self._robots.robot(prefix, self._prefixed) if separator else self._robots.unprefixed
        names = self._prefixed.get(robot, {}) if robot is not None and separator else self._plain
        if robot is not None and (tool := names.get(rest if separator else name)) is not None:
            return Offer(robot, tool)
        choice = [self.shown[offer] for offer in self.shown if offer.tool == name and not separator]
        if choice:
            raise RemoteError(
                f"The name of the tool {bounded(name, SHOWN_CHARACTERS)!r} does not say which robot is meant.",
                remedy=f"Use one of: {', '.join(choice[:10])}.",
            )
        offline = robot is not None and robot not in self._prefixed
        raise RemoteError(
            f"No online robot has the tool {bounded(name, SHOWN_CHARACTERS)!r}{_belongs_to(robot) if offline else ''}.",
            remedy="List the tools again, or call list_robots.",
        )


class ResourceUris:
    """The URIs of all robots' resources for agents.

    Args:
        offered: URIs of each robot that is online.
        robots: The names of the robots; all of them have been shown.
    """

    def __init__(self, offered: Mapping[ServerName, Sequence[str]], robots: RobotNames) -> None:
        self._robots = robots
        self._offered = offered

    def shown(self, robot: ServerName, uri: str) -> str:
        """Return the URI for agents."""
        plain = len(self._offered) == 1 and robot == self._robots.unprefixed and not uri.startswith(_URI_SCHEME)
        return uri if plain else f"{_URI_SCHEME}{self._robots.prefix(robot)}/{uri}"

    def resolve(self, uri: str) -> Offer:
        """Return the resource that an agent means by a URI.

        Raises:
            RemoteError: No robot that is online has that resource, or the URI does not say which robot is meant.
        """
        if uri.startswith(_URI_SCHEME):
            prefix, _, rest = uri.removeprefix(_URI_SCHEME).partition("/")
            robot = self._robots.robot(prefix, self._offered)
            if robot is not None and robot in self._offered:
                return Offer(robot, rest)
        else:
            robot = self._robots.unprefixed
            # A single robot's URI may be expanded from one of its templates.
            own = None if robot is None else self._offered.get(robot)
            if robot is not None and own is not None and (len(self._offered) == 1 or uri in own):
                return Offer(robot, uri)
            if choice := [self.shown(each, uri) for each, uris in self._offered.items() if uri in uris]:
                raise RemoteError(
                    f"The URI {shown(uri)} does not say which robot is meant.",
                    remedy=f"Use one of: {', '.join(choice[:10])}.",
                )
        offline = robot is not None and robot not in self._offered
        raise RemoteError(
            f"No online robot has the resource {shown(uri)}{_belongs_to(robot) if offline else ''}.",
            remedy="List the resources again.",
        )


def _belongs_to(robot: ServerName | None) -> str:
    return (
        "" if robot is None else f": it belongs to {shown(robot.server_id)} ({shown(robot.server_name)}), now offline"
    )


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


def _prefix_with_digits(robot: ServerName) -> str:
    slug = _slug(robot.server_name.rpartition("/")[2]) or "robot"
    return f"{slug[: _MAX_PREFIX - _ROBOT_DIGITS - 1]}-{_digest(*robot)[:_ROBOT_DIGITS]}"


def _distinct(tools: Iterable[str], limit: int, reserved: frozenset[str] = frozenset()) -> dict[str, str]:
    """Map valid, distinct names to the tools of one robot.

    A tool whose own name is invalid gets one with a digest, which depends on nothing else. When a robot gives another
    of its tools exactly that name, one of the two is missing.
    """
    valid = {tool: _valid(tool) for tool in tools}
    usable = {tool for tool, name in valid.items() if name == tool and len(name) <= limit and name not in reserved}
    names = {tool: tool for tool in valid if tool in usable}
    for tool, name in valid.items():
        if tool not in usable:
            names.setdefault(f"{name[: limit - _TOOL_DIGITS - 1]}-{_digest(tool)[:_TOOL_DIGITS]}", tool)
    return names


def _valid(tool: str) -> str:
    return re.sub(r"_{2,}", "_", re.sub(r"[^A-Za-z0-9_-]", "_", tool)) or "tool"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
