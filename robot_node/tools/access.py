"""Access rules: the guard before a robot's tools, built from its settings."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mcp.server.mcpserver import MCPServer

from robot_node.core.questions import Questions, Way
from robot_node.core.text import SHOWN_CHARACTERS, bounded
from robot_node.errors import SettingsError
from robot_node.mcp_mqtt.access import AccessPolicy, Role, is_human_only
from robot_node.mcp_mqtt.guard import Confirmation, Guard
from robot_node.mcp_mqtt.rate_limit import CallLimits
from robot_node.settings.access import TOOLS, AccessSettings
from robot_node.tools.ask import ANSWER_QUESTION
from robot_node.tools.robot_server import RobotServer

logger = logging.getLogger(__name__)

_STOPPING = frozenset({"stop_all", "stop_speaking"})
"""Never limited: an agent in a loop must be able to stop what it does."""
_CALL_ELSEWHERE = (
    "A person can make this call instead, in a terminal ('robot-node call') or on the page of the console; both ask "
    "for confirmation."
)
_CONFIRM_IN_CONSOLE = "on the page of the console or with 'robot-node confirm'"


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


def ways_to_confirm(settings: AccessSettings, buttons: Sequence[str]) -> frozenset[Way]:
    """Return how calls can be confirmed: what the settings allow and this robot has.

    Args:
        settings: The settings.
        buttons: Names of the inputs that say yes.

    Raises:
        SettingsError: Calls must be confirmed, and there is no way.
    """
    ways = {Way(way) for way in settings.confirm_by}
    if not buttons:
        ways.discard(Way.BUTTON)
    if not settings.grants_by_name(ANSWER_QUESTION):
        ways.discard(Way.CONSOLE)
    if settings.confirm_tools and not ways:
        raise SettingsError(
            f"access.confirm_by: nobody could confirm a call by {' or '.join(settings.confirm_by)}.",
            remedy="For 'button', set confirms = true for a button in pins.inputs; for 'console', list "
            f"{ANSWER_QUESTION} in the allowed_tools of a role in access.roles.",
        )
    return frozenset(ways)


def _where_to_confirm(ways: frozenset[Way], buttons: Sequence[str]) -> str:
    """Tell a model where a person can confirm a call, when its own client did not ask one."""
    places = [f"by the robot's button {' or '.join(buttons)}"] if Way.BUTTON in ways else []
    places += [_CONFIRM_IN_CONSOLE] if Way.CONSOLE in ways else []
    if not places:
        return _CALL_ELSEWHERE
    return f"Call again, and a person can confirm it {', or '.join(places)}."


async def guarded(
    server: MCPServer, settings: AccessSettings, *, questions: Questions | None = None, buttons: Sequence[str] = ()
) -> AccessPolicy:
    """Add a guard to a server whose tools are complete; none when there is nothing to guard.

    Args:
        server: The server.
        settings: The settings.
        questions: Where calls that must be confirmed are asked about.
        buttons: Names of the inputs that say yes.

    Returns:
        The policy, whose ``meta()`` belongs in the server's presence.

    Raises:
        SettingsError: The settings name a tool that neither a robot nor a device of this one has, or calls must be
            confirmed and there is no way.
    """
    tools = await server.list_tools()
    _refuse_unknown(settings, [tool.name for tool in tools])
    marked = frozenset(tool.name for tool in tools if is_human_only(tool.meta))
    policy = policy_of(settings, human_only=marked)
    _log_people_only(policy)
    ways = ways_to_confirm(settings, buttons)
    if settings.confirm_tools:
        logger.info("Calls of %s are confirmed by: %s", ", ".join(settings.confirm_tools), ", ".join(sorted(ways)))
    guard = Guard(
        policy,
        limits=CallLimits(settings.calls_per_minute, settings.tool_calls_per_minute, free=_STOPPING),
        confirmation=Confirmation(
            tools=frozenset(settings.confirm_tools),
            timeout_s=settings.confirm_timeout_s,
            ways=ways,
            elsewhere=_where_to_confirm(ways, buttons),
        ),
        questions=questions,
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
