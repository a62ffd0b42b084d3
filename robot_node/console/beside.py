"""The console with a robot's settings: served alone, or beside the robot in the same process."""

from __future__ import annotations

import logging
import os
import sys
import webbrowser

from robot_node.console.server import Console, serve_console
from robot_node.core.web_server import not_for_good
from robot_node.settings.root import Settings
from robot_node.webrtc.ice_servers import parse_ice_server

logger = logging.getLogger(__name__)


def console_of(settings: Settings) -> Console:
    """What to serve, as the settings say.

    Raises:
        SettingsError: an ICE server's address cannot be used.
    """
    console, broker = settings.console, settings.broker
    websocket = broker.url if broker.url.startswith(("ws://", "wss://")) and "@" not in broker.url else ""
    servers = [parse_ice_server(url) for url in settings.webrtc.ice_servers]
    return Console(
        host=console.host,
        port=console.port,
        broker_url=console.broker_url or websocket,
        username=console.username,
        ice_servers=tuple(
            {"urls": server.url}
            | ({"username": server.username, "credential": server.credential} if server.username else {})
            for server in servers
        ),
    )


async def serve_beside_robot(settings: Settings) -> None:
    """Serve the page until cancelled.

    Raises:
        NotReadyError: it cannot be served now, which is no reason for the robot to end.
    """
    with not_for_good():
        await serve_console(console_of(settings), on_listening=lambda url: logger.info("Console at %s", url))


def open_browser(url: str) -> bool:
    """Open the page for a person who sits at this machine's screen; returns whether there is one.

    Without a screen the terminal would be taken over by a browser for terminals, which cannot show the page.
    """
    has_screen = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return has_screen and webbrowser.open(url)
