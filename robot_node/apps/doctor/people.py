"""Check of the tools for people only: which clients may call them after all."""

from __future__ import annotations

from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.findings import Finding
from robot_node.settings.access import AccessSettings
from robot_node.tools.access import policy_of

_CHECK = "tools for people"


def check_people_only(case: Case) -> None:
    """Report on each tool of ``access.people_only_tools``; nothing when there is none."""
    for tool in case.settings.access.people_only_tools:
        case.report(_finding(tool, case.settings.access))


def _finding(tool: str, access: AccessSettings) -> Finding:
    roles = [role.name for role in policy_of(access).roles if role.may_call(tool, human_only=True)]
    if not roles:
        return Finding.note(
            _CHECK,
            f"No client's role lists {tool}.",
            why="It is for people only, and nobody may call it.",
            remedy="List it in allowed_tools of a role in access.roles, and give that role to a person's client id in "
            "access.clients: docs/access.md.",
        )
    if access.default_role in roles:
        return Finding.bad(
            _CHECK,
            f"The default role {access.default_role} lists {tool}.",
            why="It is for people only, and every client may call it, agents too.",
            remedy="Give that role to people's client ids in access.clients, and choose another access.default_role.",
        )
    clients = [client.client_id for client in access.clients if client.role in roles]
    detail = f"{', '.join(clients)} may call {tool}, by the role {' or '.join(roles)}; no other client may."
    return Finding.good(_CHECK, detail)
