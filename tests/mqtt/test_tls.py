"""Certificates as docs/tls.md has them made, on a real mosquitto that asks for one and takes its name as the user's."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import BrokerError
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from tests.certificates import run_recipe, tls_listener
from tests.end_to_end.robot_process import SERVER_ID, RobotProcess, environment, robot_node
from tests.ports import free_port
from tests.waiting import DEADLINE_S, eventually

RULES = """
user robot-under-test
topic readwrite #
topic readwrite $mcp-server/#
topic readwrite $mcp-client/#
topic readwrite $mcp-rpc/#
topic readwrite $webrtc/#
pattern read $mcp-server/#
pattern write $mcp-server/+/tests/robot
pattern readwrite $mcp-rpc/%u/#
pattern readwrite notes/%u
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, the broker's certificate, and those of a robot and of anna."""
    folder = tmp_path_factory.mktemp("certificates")
    run_recipe("authority", folder)
    run_recipe("broker", folder, BROKER="localhost")
    for name in (SERVER_ID, "anna"):
        run_recipe("client", folder, NAME=name)
    return folder


@pytest.fixture
async def site(certificates: Path, tmp_path: Path) -> AsyncIterator[tuple[PrivateBroker, Broker]]:
    """A broker, and its listener that lets in only who has a certificate, and gives each its own topics."""
    rules = tmp_path / "acl"
    rules.write_text(RULES)
    port = free_port()
    async with PrivateBroker(extra=f"acl_file {rules}\n{tls_listener(certificates, port)}") as private:
        yield private, Broker(f"mqtts://localhost:{port}", ca_file=certificates / "ca.crt")


@pytest.fixture
def secured(site: tuple[PrivateBroker, Broker]) -> Broker:
    """Where the listener is."""
    return site[1]


def as_(name: str, broker: Broker, certificates: Path) -> Broker:
    return replace(broker, cert_file=certificates / f"{name}.crt", key_file=certificates / f"{name}.key")


def by_address(broker: Broker) -> str:
    return broker.url.replace("localhost", "127.0.0.1")


async def try_to_connect(broker: Broker) -> str:
    """Why the broker cannot be used."""
    with pytest.raises(BrokerError) as caught:
        async with connect(replace(broker, connect_timeout_s=DEADLINE_S), ConnectOptions("visitor"), lambda _: None):
            pass
    return str(caught.value)


async def test_the_name_in_the_certificate_is_the_user_name(secured: Broker, certificates: Path) -> None:
    heard: asyncio.Queue[Incoming] = asyncio.Queue()
    anna = as_("anna", secured, certificates)
    async with connect(anna, ConnectOptions("desk"), heard.put_nowait) as connection:
        await connection.subscribe(Subscription("notes/+"))
        for topic in ("notes/bob", "notes/anna"):
            await connection.publish(topic, b"x", qos=1)
        async with asyncio.timeout(DEADLINE_S):
            assert (await heard.get()).topic == "notes/anna"


async def test_over_websockets_the_broker_and_we_are_verified_the_same(certificates: Path) -> None:
    # The lines follow those of the listener for websockets.
    lines = tls_listener(certificates, 0).partition("\n")[2]
    async with PrivateBroker(websocket_port=0, extra=lines) as private:
        assert private.websocket_port
        ca_file = certificates / "ca.crt"
        secured = Broker(f"wss://localhost:{private.websocket_port}", ca_file=ca_file)
        anna = as_("anna", secured, certificates)
        async with connect(replace(anna, connect_timeout_s=DEADLINE_S), ConnectOptions("desk"), lambda _: None):
            pass
        assert "self-signed certificate" in await try_to_connect(replace(anna, ca_file=None))
        assert "IP address mismatch" in await try_to_connect(replace(anna, url=by_address(anna)))
        said = await try_to_connect(secured)
        assert "refused our side of TLS: tlsv13 alert certificate required" in said
        assert "broker.cert_file" in said


async def test_without_a_certificate_nobody_gets_in(secured: Broker) -> None:
    said = await try_to_connect(secured)
    assert "refused our side of TLS: tlsv13 alert certificate required" in said
    assert "broker.cert_file" in said


async def test_the_broker_is_verified_with_and_without_a_certificate_of_ours(
    secured: Broker, certificates: Path
) -> None:
    anna = as_("anna", secured, certificates)
    for broker in (anna, secured):
        unknown = await try_to_connect(replace(broker, ca_file=None))
        assert "cannot be trusted: " in unknown
        assert "broker.ca_file" in unknown
        wrong_name = await try_to_connect(replace(broker, url=by_address(broker)))
        assert "IP address mismatch" in wrong_name


@pytest.mark.parametrize(
    ("made", "reason", "remedy"),
    [
        (400, "certificate is not yet valid", "This machine's clock is behind"),
        (-1000, "certificate has expired", "Make a new certificate for the broker"),
    ],
)
async def test_a_certificate_of_another_time_speaks_of_the_clock(
    certificates: Path, tmp_path: Path, made: int, reason: str, remedy: str
) -> None:
    for name in ("ca.crt", "ca.key"):
        shutil.copy(certificates / name, tmp_path)
    run_recipe("broker", tmp_path, days=made, BROKER="localhost")
    port = free_port()
    async with PrivateBroker(extra=tls_listener(tmp_path, port, ask_for_client=False)):
        said = await try_to_connect(Broker(f"mqtts://localhost:{port}", ca_file=tmp_path / "ca.crt"))
    assert f"cannot be trusted: {reason}." in said
    assert remedy in said
    assert "timedatectl" in said


@pytest.mark.parametrize(
    ("files", "password", "reason"),
    [
        (("anna.crt", "robot-under-test.key"), None, "the key belongs to another certificate"),
        (("anna.crt", "none.key"), None, "No such file or directory"),
        (("anna.key", "anna.key"), None, "it is no certificate or key in PEM form"),
        (("anna.crt", "locked.key"), None, "the key's password is missing or wrong"),
        (("anna.crt", "locked.key"), "wrong-telltale", "the key's password is missing or wrong"),
    ],
)
async def test_what_is_wrong_with_our_certificate_is_said(
    certificates: Path, files: tuple[str, str], password: str | None, reason: str
) -> None:
    lock(certificates)
    cert, key = (certificates / name for name in files)
    broker = Broker(f"mqtts://localhost:{free_port()}", cert_file=cert, key_file=key, key_password=password)
    said = await try_to_connect(broker)
    assert str(cert) in said
    assert reason in said
    assert "telltale" not in said


async def test_an_encrypted_key_works_with_its_password(secured: Broker, certificates: Path) -> None:
    lock(certificates)
    locked = replace(as_("anna", secured, certificates), key_file=certificates / "locked.key", key_password="hunter2")
    async with connect(locked, ConnectOptions("desk"), lambda _: None):
        pass


def lock(certificates: Path) -> None:
    """Anna's key, encrypted."""
    if not (certificates / "locked.key").exists():
        subprocess.run(
            ["openssl", "ec", "-aes256", "-passout", "pass:hunter2", "-in", "anna.key", "-out", "locked.key"],
            cwd=certificates,
            check=True,
            capture_output=True,
        )


async def test_missing_authorities_are_named(secured: Broker) -> None:
    said = await try_to_connect(replace(secured, ca_file=Path("/nowhere/ca.crt")))
    assert "/nowhere/ca.crt cannot be used: No such file or directory" in said


@pytest.mark.slow
async def test_robot_command_and_bridge_use_certificates(
    site: tuple[PrivateBroker, Broker], certificates: Path, tmp_path: Path
) -> None:
    private, secured = site

    def settings(name: str) -> dict[str, str]:
        return {
            "ROBOT_NODE_BROKER__URL": str(secured),
            "ROBOT_NODE_BROKER__CA_FILE": str(certificates / "ca.crt"),
            "ROBOT_NODE_BROKER__CERT_FILE": str(certificates / f"{name}.crt"),
            "ROBOT_NODE_BROKER__KEY_FILE": str(certificates / f"{name}.key"),
        }

    robot = RobotProcess(private, tmp_path, settings=settings(SERVER_ID) | {"ROBOT_NODE_WEBRTC__ENABLED": "false"})
    await robot.start()
    try:
        await eventually(lambda: "MCP connection" in robot.log, "the robot is connected")
        listed = await robot_node("robots", settings=settings("anna"))
        assert SERVER_ID in listed.stdout
        bridge = StdioServerParameters(
            command=sys.executable,
            args=["-m", "robot_node", "bridge", "--client-id", "anna"],
            env=environment(None, settings("anna")),
        )
        async with Client(bridge) as desktop:
            smiled = await desktop.call_tool("change_emotion", {"emotion": "happy"})
            assert not smiled.is_error
    finally:
        await robot.kill()
