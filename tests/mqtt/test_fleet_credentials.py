"""``scripts/fleet_credentials`` on a real mosquitto: each certificate gives its own rights, and no others."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from robot_node import hardware
from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import BrokerError
from robot_node.mcp_mqtt.presence import online_servers
from robot_node.mqtt import Broker, ConnectOptions, connect
from robot_node.settings.loading import load_settings
from robot_node.settings.root import Settings
from tests.end_to_end.robot_process import robot_node
from tests.ports import free_port
from tests.robots import online_robot
from tests.waiting import DEADLINE_S

SCRIPT = Path(__file__).parents[2] / "scripts" / "fleet_credentials"
ONLINE = b'{"jsonrpc": "2.0", "method": "notifications/server/online", "params": {}}'
SMALL = {"camera": {"width": 320, "height": 240}}


def credentials(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, folder, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The credentials of a broker, of two robots, and of anna."""
    folder = tmp_path_factory.mktemp("fleet")
    for arguments in (("broker", "localhost", "lab"), ("robot", "one", "two"), ("user", "anna")):
        done = credentials(folder, *arguments)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
async def port(folder: Path) -> AsyncIterator[int]:
    """A mosquitto with the settings and access rules that the script has made."""
    port = free_port()
    settings = (folder / "broker" / "robots.conf").read_text()
    settings = settings.replace("/etc/mosquitto/fleet", str(folder / "broker"))
    settings = settings.replace("listener 8883", f"listener {port} 127.0.0.1")
    once = [line for line in settings.splitlines() if not line.startswith(("per_listener", "allow_an", "set_tcp_nod"))]
    async with PrivateBroker(extra="\n".join(once) + "\n"):
        yield port


def robot_settings(folder: Path, name: str, port: int) -> Settings:
    """The settings of a robot, as its folder has them; only the places are the test's."""
    robot = folder / "robots" / name
    file = folder / f"{name}-{port}.toml"
    text = (robot / "robot-node.toml").read_text().replace("/etc/robot-node", str(robot))
    file.write_text(text.replace("mqtts://localhost", f"mqtts://localhost:{port}"))
    return load_settings(file, {"broker": {"key_file": str(robot / "credentials" / "client-key")}, **SMALL})


@pytest.mark.slow
async def test_a_user_calls_all_robots_of_the_fleet(folder: Path, port: int) -> None:
    first, second = (robot_settings(folder, name, port) for name in ("robot-one", "robot-two"))
    platforms = [hardware.choose(settings, simulated=True) for settings in (first, second)]
    anna = {
        "ROBOT_NODE_BROKER__URL": f"mqtts://localhost:{port}",
        "ROBOT_NODE_BROKER__CA_FILE": str(folder / "users" / "anna" / "ca.crt"),
        "ROBOT_NODE_BROKER__CERT_FILE": str(folder / "users" / "anna" / "anna.crt"),
        "ROBOT_NODE_BROKER__KEY_FILE": str(folder / "users" / "anna" / "anna.key"),
    }
    async with online_robot(first, platforms[0]), online_robot(second, platforms[1]):
        call = ("call", "--name", "lab/*", "--where", "camera=off", "get_status", "--client-id", "anna", "--json")
        called = await robot_node(*call, settings=anna)
        assert called.status == 0, called.stderr
        lines = map(json.loads, called.stdout.splitlines())
        assert sorted((line["server_name"], line["outcome"]) for line in lines) == [
            ("lab/one", "ok"),
            ("lab/two", "ok"),
        ]


async def test_the_certificate_of_one_robot_cannot_announce_another(folder: Path, port: int) -> None:
    broker = replace(robot_settings(folder, "robot-one", port).broker, connect_timeout_s=DEADLINE_S)
    async with connect(broker, ConnectOptions("robot-one"), lambda _: None) as connection:
        for name in ("robot-two/lab/two", "robot-one/lab/two", "robot-one/lab/one"):
            await connection.publish(f"$mcp-server/presence/{name}", ONLINE, qos=1, retain=True)
        found = [(each.server_id, each.server_name) for each in await online_servers(broker)]
    assert found == [("robot-one", "lab/one")]


async def test_no_certificate_no_connection(folder: Path, port: int) -> None:
    broker = Broker(f"mqtts://localhost:{port}", ca_file=folder / "ca.crt", connect_timeout_s=DEADLINE_S / 2)
    with pytest.raises(BrokerError):
        async with connect(broker, ConnectOptions("x"), lambda _: None):
            pass


def test_what_exists_is_kept_and_a_dismissed_robot_loses_its_rights(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "fleet"
    subprocess.run(["cp", "-a", folder, copy], check=True)
    certificate = copy / "robots" / "robot-one" / "robot-one.crt"
    before = certificate.read_bytes(), (copy / "ca.crt").read_bytes()
    assert credentials(copy, "robot", "one", "three").returncode == 0
    assert (certificate.read_bytes(), (copy / "ca.crt").read_bytes()) == before
    rules = copy / "broker" / "robots.acl"
    assert "presence/robot-three/lab/three\n" in rules.read_text()
    subprocess.run(["rm", "-r", copy / "robots" / "robot-one"], check=True)
    assert credentials(copy, "robot").returncode == 0
    assert "robot-one" not in rules.read_text()
    assert "user robot-two\n" in rules.read_text()
    assert "user monitor\n" in rules.read_text()
    for secret in (copy / "ca.key", copy / "robots" / "robot-two" / "credentials" / "client-key"):
        assert secret.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("robot", "a/b"), "'a/b' cannot be a name"),
        (("robot", "hall-webrtc"), "'hall-webrtc' cannot be a name"),
        (("user", "robot-one"), "names that begin with robot- are those of robots"),
        (("user", "presence"), "'presence' cannot be a name"),
    ],
)
def test_names_that_would_give_the_rights_of_others_are_refused(
    folder: Path, arguments: tuple[str, ...], says: str
) -> None:
    refused = credentials(folder, *arguments)
    assert refused.returncode == 1
    assert says in refused.stderr


@pytest.mark.parametrize(
    ("host", "name"), [("broker.local", "DNS:broker.local"), ("192.168.1.5", "IP Address:192.168.1.5")]
)
def test_the_broker_is_known_by_its_host_name_or_address(tmp_path: Path, host: str, name: str) -> None:
    assert credentials(tmp_path, "broker", host).returncode == 0
    show = ("openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", tmp_path / "broker" / "broker.crt")
    assert name in subprocess.run(show, capture_output=True, text=True, check=True).stdout
