"""Tools that several robots have in common are listed once, with an argument that names the robot. Pure.

``robots__take_photo`` with ``robot`` = ``kitchen`` is ``kitchen__take_photo``. A group is bound to its robots for as
long as the bridge runs: a person who has allowed its tool has not allowed it for a robot that comes later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from robot_node.apps.bridge.naming import MAX_NAME, SEPARATOR, Offer, RobotNames
from robot_node.core.text import SHOWN_CHARACTERS, shown
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.topics import ServerName

Params = dict[str, Any]
Group = frozenset[ServerName]

ROBOT = "robot"
"""The argument that names the robot."""
_MAX_GROUPS = 64
_OWN_NAME = re.compile(r"(?!.*__)[A-Za-z0-9_-]+\Z")
# Of a schema with others, such as anyOf, an argument more could change the meaning.
_PLAIN = frozenset({"type", "properties", "required", "additionalProperties", "title", "$defs", "$schema"})


class Groups:
    """Names of groups of robots. Each means the same robots for as long as the bridge runs.

    Args:
        robots: The names of the robots, of which none is that of a group.
    """

    def __init__(self, robots: RobotNames) -> None:
        self._robots = robots
        self._prefixes: dict[Group, str] = {}
        self._groups: dict[str, Group] = {}

    def prefix(self, group: Group) -> str:
        """Return the name of a group; empty when there are too many groups."""
        if group not in self._prefixes and len(self._prefixes) < _MAX_GROUPS:
            number = len(self._prefixes) + 1
            name = "robots" if number == 1 else f"robots-{number}"
            self._prefixes[group], self._groups[name] = name, group
        return self._prefixes.get(group, "")

    def resolve(
        self, name: str, arguments: Mapping[str, Any], offered: Mapping[ServerName, Sequence[str]]
    ) -> tuple[Offer, Params] | None:
        """Return the tool of one robot that a call means, and its own arguments; None if the name is of no group.

        Args:
            name: The tool's name, which may be from an outdated list of tools.
            arguments: Of the call.
            offered: Tools of each robot that is online.

        Raises:
            RemoteError: The call names no robot of the group, or the robot does not have the tool now.
        """
        prefix, _, tool = name.partition(SEPARATOR)
        group = self._groups.get(prefix)
        if group is None:
            return None
        wanted = arguments.get(ROBOT)
        robot = next((each for each in group if self._robots.prefix(each) == wanted), None)
        names = ", ".join(sorted(self._robots.prefix(each) for each in group))
        if robot is None:
            what = (
                "does not say which robot is meant" if wanted is None else f"is not for the robot {shown(str(wanted))}"
            )
            raise RemoteError(f"The call of {shown(name)} {what}.", remedy=f"Give {ROBOT} as one of: {names}.")
        if tool not in offered.get(robot, ()):
            state = "has no such tool" if robot in offered else "is offline"
            raise RemoteError(f"The robot {wanted} {state}.", remedy="List the tools again, or call list_robots.")
        return Offer(robot, tool), {key: value for key, value in arguments.items() if key != ROBOT}


def common(tools: Mapping[ServerName, Sequence[Params]], groups: Groups) -> dict[Offer, str]:
    """Return the names of the tools that several robots have in common: the same in every member.

    Args:
        tools: Of each robot that is online.
        groups: Names the groups.
    """
    having: dict[str, list[Offer]] = {}
    for robot, own in tools.items():
        for tool in own:
            if _can_be_shared(tool):
                having.setdefault(json.dumps(tool, sort_keys=True), []).append(Offer(robot, tool["name"]))
    names: dict[Offer, str] = {}
    for offers in having.values():
        if len(offers) > 1 and (prefix := groups.prefix(frozenset(offer.robot for offer in offers))):
            name = f"{prefix}{SEPARATOR}{offers[0].tool}"
            names |= dict.fromkeys(offers, name) if len(name) <= MAX_NAME else {}
    return names


def with_robot(tool: Params, robots: Sequence[str]) -> Params:
    """Return a tool with one more argument: which robot."""
    schema = tool["inputSchema"]
    properties = {ROBOT: {"type": "string", "enum": [*robots]}} | (schema.get("properties") or {})
    required = [ROBOT, *(schema.get("required") or ())]
    return tool | {"inputSchema": schema | {"properties": properties, "required": required}}


def _can_be_shared(tool: Params) -> bool:
    schema, name = tool["inputSchema"], tool["name"]
    properties = schema.get("properties") or {}
    return (
        len(name) <= SHOWN_CHARACTERS
        and _OWN_NAME.match(name) is not None
        and schema.keys() <= _PLAIN
        and isinstance(properties, dict)
        and ROBOT not in properties
        and isinstance(schema.get("required") or [], list)
    )
