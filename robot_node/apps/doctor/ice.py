"""Check of the STUN and TURN servers in the settings."""

from __future__ import annotations

from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.findings import Finding
from robot_node.errors import RemoteError, SettingsError
from robot_node.webrtc.ice_servers import parse_ice_server

_CHECK = "ICE server"
_WHY = "Viewers in other networks may not get video."
_LIMIT_S = 5.0


async def check_ice_servers(case: Case, limit_s: float = _LIMIT_S) -> None:
    """Ask each server for an address, as the robot does for each viewer.

    Args:
        case: The robot.
        limit_s: Time limit of a server, in seconds.
    """
    servers = case.settings.webrtc.ice_servers
    if not servers:
        return
    from robot_node.webrtc.ice_probe import ask_ice_server  # noqa: PLC0415  # loads aiortc, which takes seconds on a Pi

    for text in servers:
        try:
            server = parse_ice_server(text)
            address = await ask_ice_server(server, limit_s)
        except (RemoteError, SettingsError) as error:
            case.report(
                Finding.bad(_CHECK, error.message, why=_WHY, remedy=error.remedy or "Check webrtc.ice_servers.")
            )
        else:
            given = "a relayed address" if server.url.startswith("turn") else "this machine's address"
            case.report(Finding.good(_CHECK, f"{server.url} gives {given}: {address}."))
