"""A password is nowhere but where its owner has put it: no log, process list, presence, resource or error text."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import aiomqtt
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from robot_node.apps.private_broker import PrivateBroker
from robot_node.cli.hide_passwords import without_passwords
from robot_node.errors import SettingsError
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings
from robot_node.webrtc.ice_servers import parse_ice_server
from tests.end_to_end.robot_process import SERVER_ID, RobotProcess, environment, robot_node
from tests.waiting import eventually

TELLTALE = f"tell/tale@{os.getpid():x}"  # these tests look at all processes; others may run them at the same time
FORMS = (TELLTALE, quote(TELLTALE, safe=""), base64.b64encode(TELLTALE.encode()).decode())
TURN = f"turn:turner:{quote(TELLTALE, safe='')}@127.0.0.1:3478"
URL = "mqtt://u:p@h"


def tells(text: str) -> bool:
    """Whether the password is in a text."""
    return any(form in text for form in FORMS)


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[PrivateBroker]:
    """A broker that wants the password, of everybody."""
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    for user in (SERVER_ID, "anna"):
        subprocess.run(["mosquitto_passwd", "-b", passwords, user, TELLTALE], check=True)
    async with PrivateBroker(anonymous=False, extra=f"password_file {passwords}") as broker:
        yield broker


def said(source: str, user: str, port: int, folder: Path, password: str = TELLTALE) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment that tell a user's password."""
    url, variables = f"mqtt://127.0.0.1:{port}", {"ROBOT_NODE_BROKER__USERNAME": user}
    if source == "command line":
        return ["--broker", f"mqtt://{user}:{quote(password, safe='')}@127.0.0.1:{port}"], {}
    variables["ROBOT_NODE_BROKER__URL"] = url
    if source == "environment":
        return [], {**variables, "ROBOT_NODE_BROKER__PASSWORD": password}
    (folder / "password").write_text(
        password
    )  # those who visit have no settings file, but may have one for the password
    return [], {**variables, "ROBOT_NODE_BROKER__PASSWORD_FILE": str(folder / "password")}


def command_lines() -> dict[int, str]:
    """What every user of the machine can read of every process."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
    return found


async def retained(broker: PrivateBroker) -> str:
    """All that the broker keeps."""
    kept: list[str] = []
    async with aiomqtt.Client(
        "127.0.0.1", broker.port, username="anna", password=TELLTALE, protocol=aiomqtt.ProtocolVersion.V5
    ) as client:
        for topic_filter in ("#", "$mcp-server/#", "$mcp-client/#", "$mcp-rpc/#", "$webrtc/#", "$message/#"):
            await client.subscribe(topic_filter)
        await client.publish("end")
        async for message in client.messages:
            if message.topic.value == "end":
                return "\n".join(kept)
            kept.append(f"{message.topic} {message.payload!r} {message.properties}")
    raise AssertionError("unreachable")


@pytest.mark.parametrize(
    # Starts five programs. The command line is where processes would show it.
    "source",
    ["command line", *(pytest.param(source, marks=pytest.mark.slow) for source in ("environment", "settings file"))],
)
async def test_a_password_shows_nowhere(guarded: PrivateBroker, tmp_path: Path, source: str) -> None:
    arguments, variables = said(source, SERVER_ID, guarded.port, tmp_path)
    if source == "settings file":
        file = tmp_path / "robot.toml"
        address = f"mqtt://{SERVER_ID}:{quote(TELLTALE, safe='')}@127.0.0.1:{guarded.port}"
        file.write_text(f'[broker]\nurl = "{address}"\n')
        arguments, variables = ["--config", str(file)], {}
    robot = RobotProcess(
        guarded,
        tmp_path,
        settings={"ROBOT_NODE_LOG__LEVEL": "debug", "ROBOT_NODE_WEBRTC__ICE_SERVERS": json.dumps([TURN])} | variables,
        arguments=arguments,
        names_broker=bool(variables),
        warm=False,
    )
    await robot.start()
    try:
        await eventually(lambda: "WebRTC connection" in robot.log and "Online as" in robot.log, "it is online")
        assert robot.process is not None
        processes = command_lines()
        assert " run --simulated" in processes[robot.process.pid]
        assert not [line for line in processes.values() if tells(line)]

        texts = {"retained": await retained(guarded)}
        assert SERVER_ID in texts["retained"]
        texts |= await visit(guarded, tmp_path, source)

        await guarded.stop()
        await eventually(lambda: "Next attempt in" in robot.log, "it has noticed that the broker is gone")
        arguments, variables = said(source, "anna", guarded.port, tmp_path)
        gone = await robot_node("robots", *arguments, settings=variables)
        assert gone.status == 1
        texts["gone"] = gone.stdout + gone.stderr
        await robot.stop()
        texts["robot's log"] = robot.log
        assert "DEBUG" in robot.log
        assert not [where for where, text in texts.items() if tells(text)]
    finally:
        await robot.kill()


async def visit(broker: PrivateBroker, folder: Path, source: str) -> dict[str, str]:
    """What a bridge at debug level and the doctor say, and what a robot's resources hold."""
    arguments, variables = said(source, "anna", broker.port, folder)
    bridge = StdioServerParameters(
        command=sys.executable,
        args=["-m", "robot_node", "bridge", "--log-level", "debug", *arguments],
        env=environment(None, variables),
    )
    texts = {}
    with (folder / "bridge.log").open("w") as log:
        async with Client(stdio_client(bridge, errlog=log), mode="legacy") as desktop:
            uris = [str(resource.uri) for resource in (await desktop.list_resources()).resources]
            assert "robot://status" in uris
            for uri in uris:
                texts[uri] = str(await desktop.read_resource(uri))
            texts["robots"] = str(await desktop.call_tool("list_robots", {}))
            processes = command_lines()
            assert [line for line in processes.values() if " bridge --log-level debug" in line]
            assert not [line for line in processes.values() if tells(line)]
    texts["bridge"] = (folder / "bridge.log").read_text()
    doctor = await robot_node("doctor", *arguments, settings=variables)
    assert "credentials: The broker accepts the connection as anna." in doctor.stdout
    return {**texts, "doctor": doctor.stdout + doctor.stderr}


@pytest.mark.slow
async def test_a_password_that_is_refused_is_not_repeated(guarded: PrivateBroker, tmp_path: Path) -> None:
    wrong = f"{TELLTALE}-wrong"
    arguments, _ = said("command line", "anna", guarded.port, tmp_path, wrong)
    _, variables = said("environment", "anna", guarded.port, tmp_path, wrong)
    commands = await asyncio.gather(
        robot_node("robots", *arguments),
        robot_node("call", SERVER_ID, "get_status", settings=variables),
        robot_node("doctor", *arguments, "--json"),
    )
    for command in commands:
        assert command.status == 1
        assert "not authorized" in (command.stdout + command.stderr).lower()
        assert not tells(command.stdout + command.stderr)


@pytest.mark.parametrize(
    "piece", ["tell#tale", "tell/tale", "tell?tale", "tell[tale", "telltale", "tell]tale", "1:tale"]
)
@pytest.mark.parametrize(
    "form", ["mqtt://u:{}@h:99999", "mqtt://u:{}@h:x", "mqtt://u:{}@", "http://u:{}@h", "u:{}@h", "mqtt://u:{}@h"]
)
def test_an_address_that_cannot_be_read_is_not_repeated(piece: str, form: str) -> None:
    address = form.format(piece)
    texts = []
    for read in (
        lambda: Broker.from_url(address),
        lambda: load_settings(None, {"broker": {"url": address}}),
        lambda: load_settings(None, {"console": {"broker_url": address.replace("mqtt", "ws")}}),
    ):
        try:
            texts.append(repr(read()))
        except SettingsError as error:
            texts.append(str(error))
    assert not [text for text in texts if "tell" in text or "tale" in text]


def test_an_address_whose_host_was_forgotten_is_not_repeated() -> None:
    for read in (
        lambda: Broker.from_url("mqtt://user:telltale"),
        lambda: load_settings(None, {"broker": {"url": "mqtt://user:telltale"}}),
        lambda: parse_ice_server("turn:user:telltale"),
        lambda: parse_ice_server("turn:user:telltale:3478"),
    ):
        with pytest.raises(SettingsError) as caught:
            read()
        assert "telltale" not in str(caught.value)
    with pytest.raises(SettingsError, match=r"turn:example\.org:port cannot be used"):
        parse_ice_server("turn:user:telltale@example.org:port")


def test_an_ice_servers_password_is_not_shown_with_the_settings() -> None:
    settings = load_settings(None, {"webrtc": {"ice_servers": (TURN,)}, "broker": {"key_password": None}})
    assert not tells(repr(settings))


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["run", "--broker", URL, "--simulated"], (["run", "--simulated"], {"ROBOT_NODE_BROKER__URL": URL})),
        (["call", "r", "t", f"--broker={URL}"], (["call", "r", "t"], {"ROBOT_NODE_BROKER__URL": URL})),
        (["setup", "--broker", "mqtt://h", "--broker", URL], (["setup"], {"ROBOT_NODE_BROKER__URL": URL})),
        (["console", "--broker", URL], (["console"], {"ROBOT_NODE_BROKER__URL": URL})),
        (
            ["watch", "r", "--ice-server", "stun:h", f"--ice-server={TURN}", "--broker", "mqtt://h"],
            (
                ["watch", "r", "--broker", "mqtt://h"],
                {"ROBOT_NODE_WEBRTC__ICE_SERVERS": json.dumps(["stun:h", TURN])},
            ),
        ),
        *(
            (untouched, (untouched, {}))
            for untouched in (
                ["run", "--broker", "mqtt://h"],
                ["run", "--broker"],
                ["watch", "r", "--ice-server", "stun:h"],
                ["call", "r", "t", "--", "--broker", "mqtt://u:p@h"],
                [],
            )
        ),
    ],
)
def test_only_an_address_with_a_password_leaves_the_command_line(
    arguments: list[str], left: tuple[list[str], dict[str, str]]
) -> None:
    assert without_passwords(arguments) == left
