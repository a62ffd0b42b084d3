"""Access rules: the guard before a robot's tools, built from its settings."""

from __future__ import annotations

import logging

from mcp.server.mcpserver import MCPServer

from robot_node.core.text import SHOWN_CHARACTERS, bounded
from robot_node.errors import SettingsError
from robot_node.mcp_mqtt.access import AccessPolicy, Role, is_human_only
from robot_node.mcp_mqtt.guard import Confirmation, Guard
from robot_node.mcp_mqtt.rate_limit import CallLimits
from robot_node.settings.access import TOOLS, AccessSettings
from robot_node.tools.robot_server import RobotServer

logger = logging.getLogger(__name__)

_STOPPING = frozenset({"stop_all", "stop_speaking"})
"""Never limited: an agent in a loop must be able to stop what it does."""
_CONFIRM_ELSEWHERE = (
    "A person can make this call instead, in a terminal ('robot-node call') or on the page of the console; both ask "
    "for confirmation."
)


def policy_of(settings: AccessSettings, *, human_only: frozenset[str] = frozenset()) -> AccessPolicy:
    """Return the policy that the settings describe.

    Args:
        settings: The settings.
        human_only: Tools that are for people only whatever the settings say.
    """
    people_only = human_only | set(settings.people_only_tools)
    return AccessPolicy(
        (Role.of(name, role) for name, role in settings.roles_without(people_only).items()),
        ((client.client_id, client.role) for client in settings.clients),
        settings.default_role,
        human_only=people_only,
    )


async def guarded(server: MCPServer, settings: AccessSettings) -> AccessPolicy:
    """Add a guard to a server whose tools are complete; none when there is nothing to guard.

    Returns:
        The policy, whose ``meta()`` belongs in the server's presence.

    Raises:
        SettingsError: The settings name a tool that neither a robot nor a device of this one has.
    """
    tools = await server.list_tools()
    _refuse_unknown(settings, [tool.name for tool in tools])
    marked = frozenset(tool.name for tool in tools if is_human_only(tool.meta))
    policy = policy_of(settings, human_only=marked)
    _log_people_only(policy)
    guard = Guard(
        policy,
        limits=CallLimits(settings.calls_per_minute, settings.tool_calls_per_minute, free=_STOPPING),
        confirmation=Confirmation(
            tools=frozenset(settings.confirm_tools),
            timeout_s=settings.confirm_timeout_s,
            elsewhere=_CONFIRM_ELSEWHERE,
        ),
        wrong_arguments=server.wrong_arguments if isinstance(server, RobotServer) else None,
        argument_names={tool.name: [*tool.input_schema.get("properties", {})] for tool in tools}.__getitem__,
    )
    if guard.is_needed:
        server.middleware.append(guard)
    return policy


def _log_people_only(policy: AccessPolicy) -> None:
    for tool in sorted(policy.human_only):
        able = [role.name for role in policy.roles if role.may_call(tool, human_only=True)]
        if able:
            logger.info("%s is for people only: clients with the role %s may call it", tool, ", ".join(able))
        else:
            logger.warning("%s is for people only, and no client has a role that lists it: nobody may call it", tool)


def _refuse_unknown(settings: AccessSettings, offered: list[str]) -> None:
    known = dict.fromkeys((*TOOLS, *offered))
    for key, tool in settings.named_tools():
        if tool not in known:
            raise SettingsError(
                f"{key}: there is no tool {bounded(tool, SHOWN_CHARACTERS)!r}; there are: {', '.join(known)}.",
                remedy="Correct the name. A tool of a device that a package brings is there when the settings have "
                "the device's table in [devices].",
            )
