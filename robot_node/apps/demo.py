"""The demo: a local broker, a robot on simulated hardware and the console, on loopback except for the video."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from robot_node import daemon, hardware
from robot_node.apps.demo_buttons import PIN_SETTINGS, Buttons, read_terminal
from robot_node.apps.private_broker import WEBSOCKET_USER, PrivateBroker, free_port
from robot_node.console.server import Console, open_browser, serve_console
from robot_node.errors import RobotNodeError
from robot_node.settings.loading import load_settings

_MQTT_PORT = 1883
_WEBSOCKET_PORT = 8083
_CONSOLE_PORT = 8088
_SERVER_ID = "demo-robot"
COMMANDS = (
    "robots",
    f"call {_SERVER_ID} control_camera '{{\"enabled\": true}}'",
    f'call {_SERVER_ID} change_emotion \'{{"emotion": "happy"}}\'',
    f"call {_SERVER_ID} take_photo --output photo.jpg",
    f"watch {_SERVER_ID} --frames 150 --output video.mp4",
)
"""Example commands, as arguments of ``robot-node``."""


async def run_demo(scene: str) -> None:
    """Run broker, robot and console until cancelled, and print example commands.

    Args:
        scene: Picture of the simulated camera: a video file, ``webcam``, ``clock`` or ``auto``.

    Raises:
        BrokerError: mosquitto is missing or does not start.
        SettingsError: The scene cannot be opened.
    """
    port = free_port(_MQTT_PORT)
    try:
        with tempfile.TemporaryDirectory(prefix="robot-node-demo-") as folder:
            face = Path(folder) / "face.png"
            # Every web page in this browser may open a WebSocket to this machine; only ours gets the password.
            password = secrets.token_urlsafe()
            async with PrivateBroker(port, free_port(_WEBSOCKET_PORT), websocket_password=password) as broker:
                settings = load_settings(
                    None,
                    {
                        "broker": {"url": broker.url},
                        "robot": {"server_id": _SERVER_ID, "server_name": "demo/robot"},
                        # The only proxy of this broker. Video goes to this machine's other addresses, too: Firefox
                        # pairs no loopback address. Without a network there is loopback.
                        "webrtc": {"proxy": True, "loopback": True},
                        # viewers hear it
                        "voice": {"engine": "espeak-ng" if shutil.which("espeak-ng") else "none"},
                        "camera": {"photo_switches_on": True},
                        "simulation": {"scene": scene, "display_picture": face},
                        **PIN_SETTINGS,
                        "console": {
                            "port": free_port(_CONSOLE_PORT),
                            "broker_url": f"ws://127.0.0.1:{broker.websocket_port}/mqtt",
                            "username": WEBSOCKET_USER,
                        },
                    },
                )
                platform = hardware.choose(settings, simulated=True)
                online = asyncio.Event()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(daemon.run(settings, platform, on_online=online.set), name="robot")
                    await online.wait()
                    console: asyncio.Future[str] = asyncio.get_running_loop().create_future()
                    page = replace(Console.from_settings(settings), password=password)
                    tasks.create_task(_serve_console(page, console), name="console")
                    _print(_welcome(broker, platform.name, face, await console))
                    buttons = Buttons(settings, platform)
                    _print(f"To press a button, type 'press NAME' and Enter here: {', '.join(buttons.names)}.")
                    tasks.create_task(read_terminal(buttons, _print), name="buttons")
    finally:  # Ctrl-C arrives as a cancellation
        _print("Stopped: robot and broker.")


async def _serve_console(page: Console, message: asyncio.Future[str]) -> None:
    """Serve the page, and open it if there is a terminal; set ``message`` to the URL or the error, as a sentence."""

    def listening(url: str) -> None:
        message.set_result(f"Open it in a browser: {url}")
        if sys.stdin is not None and sys.stdin.isatty():
            asyncio.get_running_loop().run_in_executor(None, open_browser, url)  # it may wait for the browser

    try:
        await serve_console(page, on_listening=listening)
    except RobotNodeError as error:
        message.set_result(str(error))


def _welcome(broker: PrivateBroker, hardware_name: str, face: Path, console: str) -> str:
    prefix = _command()
    where = "" if broker.port == _MQTT_PORT else f" --broker {broker.url}"
    commands = "\n".join(f"  {prefix} {command}{where}" for command in COMMANDS)
    return f"""
A robot is online: {_SERVER_ID} (demo/robot), on {hardware_name} hardware.
Broker: {broker.url}, WebSocket ws://127.0.0.1:{broker.websocket_port}/mqtt with a password that the
console's page gets; both on loopback only.

{console}

Or, in another terminal:
{commands}
Its display is written to {face}
Ctrl-C stops everything."""


def _command() -> str:
    """Return the command that starts robot-node from the current folder."""
    script = Path(sys.argv[0]).resolve()
    if shutil.which(script.name) == str(script):
        return script.name
    relative = os.path.relpath(script)
    return str(script) if relative.startswith("..") else relative


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
