"""The demo: a local broker, and a robot on simulated hardware with the console, on loopback except for the video."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from functools import partial
from pathlib import Path

from robot_node import daemon, hardware
from robot_node.apps.demo_buttons import PIN_SETTINGS, Buttons, read_terminal
from robot_node.apps.private_broker import PrivateBroker, free_port, is_listening
from robot_node.console.page import page_files
from robot_node.console.server import http_routes, open_browser
from robot_node.core.temporary_folder import TemporaryFolder
from robot_node.errors import NotReadyError
from robot_node.settings.loading import load_settings

_MQTT_PORT = 1883
_HTTP_PORT = 8088
_HTTP_WITHIN_S = 30.0
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
    """Run broker and robot until cancelled, and print example commands.

    Args:
        scene: Picture of the simulated camera: a video file, ``webcam``, ``clock`` or ``auto``.

    Raises:
        BrokerError: mosquitto is missing or does not start.
        SettingsError: The scene cannot be opened.
    """
    port = free_port(_MQTT_PORT)
    try:
        with TemporaryFolder("robot-node-demo-") as folder:
            face = folder.path / "face.png"
            async with PrivateBroker(port) as broker:
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
                        "http": {"enabled": True, "port": free_port(_HTTP_PORT)},
                    },
                )
                platform = hardware.choose(settings, simulated=True)
                online = asyncio.Event()
                async with asyncio.TaskGroup() as tasks:
                    page = partial(http_routes, settings)
                    tasks.create_task(daemon.run(settings, platform, on_online=online.set, page=page), name="robot")
                    await online.wait()
                    url = f"http://127.0.0.1:{settings.http.port}/"
                    _print(_welcome(broker, platform.name, face, url, await _console(settings.http.port, url)))
                    buttons = Buttons(settings, platform)
                    _print(f"To press a button, type 'press NAME' and Enter here: {', '.join(buttons.names)}.")
                    tasks.create_task(read_terminal(buttons, _print), name="buttons")
    finally:  # Ctrl-C arrives as a cancellation
        _print("Stopped: robot and broker.")


async def _console(port: int, url: str) -> str:
    """Open the page if there is a terminal; return its URL, or why there is none, as a sentence."""
    try:
        await asyncio.to_thread(page_files)
        async with asyncio.timeout(_HTTP_WITHIN_S):
            while not await is_listening(port):  # noqa: ASYNC110  # the robot's server tells nobody
                await asyncio.sleep(0.02)
    except NotReadyError as error:
        return str(error)
    except TimeoutError:
        return f"The robot's HTTP server does not answer at {url}; the log says why."
    if sys.stdin is not None and sys.stdin.isatty():
        asyncio.get_running_loop().run_in_executor(None, open_browser, url)  # it may wait for the browser
    return f"Open it in a browser: {url}"


def _welcome(broker: PrivateBroker, hardware_name: str, face: Path, url: str, console: str) -> str:
    prefix = _command()
    where = "" if broker.port == _MQTT_PORT else f" --broker {broker.url}"
    commands = "\n".join(f"  {prefix} {command}{where}" for command in COMMANDS)
    return f"""
A robot is online: {_SERVER_ID} (demo/robot), on {hardware_name} hardware.
Broker: {broker.url}, for web pages {url.replace("http", "ws", 1)}mqtt; both on loopback only.

{console}
Pictures and video for other programs: {url}snapshot.jpg, {url}stream.mjpeg, {url}whep

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
