"""The doctor on brokers that are as they should be, and on such that are not."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robot_node.apps.doctor.broker import console_broker
from robot_node.apps.doctor.findings import Finding, Level
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from robot_node.settings.http import ConsoleSettings
from tests.altering_proxy import altering_proxy
from tests.apps.doctor.broker_findings import ACL, ALL, findings, problems
from tests.ports import free_port
from tests.waiting import DEADLINE_S

DOCS = Path(__file__).parents[3] / "docs"


async def test_a_good_broker_passes_every_check_and_keeps_nothing_of_them(broker: PrivateBroker) -> None:
    found = await findings(Broker.from_url(broker.url))
    assert list(found) == ALL
    assert not problems(found)
    kept: list[Incoming] = []
    async with connect(Broker.from_url(broker.url), ConnectOptions(client_id="newcomer"), kept.append) as connection:
        await connection.subscribe(Subscription("$mcp-rpc/#"), Subscription("$mcp-server/#"), Subscription("#"))
        await connection.publish("own", b"", qos=1)
    assert [message.topic for message in kept] == ["own"]


async def test_each_of_several_brokers_is_checked_and_whether_they_share_messages(broker: PrivateBroker) -> None:
    one, nobody = broker.url, f"mqtt://127.0.0.1:{free_port()}"
    async with PrivateBroker() as stranger:
        found = await findings(Broker(f"{one},{nobody},{stranger.url}", connect_timeout_s=1.0))
    for address in (one, stranger.url):
        assert {f"{check} ({address})" for check in ALL} <= set(found)
    assert problems(found) == [
        f"reachable ({nobody})",
        f"shared messages ({nobody})",
        f"shared messages ({stranger.url})",
    ]
    assert "docs/brokers.md" in found[f"shared messages ({stranger.url})"].remedy


async def test_two_addresses_of_one_broker_share_their_messages(broker: PrivateBroker) -> None:
    found = await findings(Broker(f"{broker.url},ws://127.0.0.1:{broker.websocket_port}"))
    assert not problems(found)
    assert found[f"shared messages (ws://127.0.0.1:{broker.websocket_port})"].ok


async def test_messages_in_clear_that_leave_the_machine_are_worth_knowing(broker: PrivateBroker) -> None:
    # That address is this machine, too, and does not look so.
    found = await findings(Broker(f"mqtt://0.0.0.0:{broker.port}"))  # to connect to
    assert list(found) == [ALL[0], "encryption", *ALL[1:]]
    assert found["encryption"].level is Level.NOTE
    assert "can read every message" in str(found["encryption"])


async def test_a_good_broker_over_websockets_passes_too(broker: PrivateBroker) -> None:
    found = await findings(Broker.from_url(f"ws://127.0.0.1:{broker.websocket_port}"))
    assert list(found) == ALL
    assert not problems(found)


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    """A password file in which alice's and a robot's is "secret"."""
    file = tmp_path / "passwords"
    file.touch(mode=0o600)
    for user in ("alice", "robot-kitchen"):
        subprocess.run(["mosquitto_passwd", "-b", file, user, "secret"], check=True)
    return file


async def test_the_rules_that_we_ship_pass_for_a_user(passwords: Path) -> None:
    async with PrivateBroker(anonymous=False, extra=f"password_file {passwords}\nacl_file {ACL}") as private:
        found = await findings(Broker.from_url(private.url, username="alice", password="secret"))
        assert list(found) == ALL
        assert not problems(found)
        # mosquitto accepts every subscription, and filters later: what cannot be tested is not claimed.
        assert found["access rules"].detail == (
            "alice cannot publish as another client or robot, nor receive messages to robots. Not tested, since the "
            "broker accepts every subscription: whether it can receive other clients' calls and results or receive "
            "other viewers' signalling."
        )

        found = await findings(Broker.from_url(private.url, username="alice", password="wrong"))
        assert problems(found) == ["credentials"]
        assert "wrong" not in str(found["credentials"])


async def test_a_robots_account_without_its_block_of_rules_is_found(passwords: Path) -> None:
    kitchen = ServerTopics("robot-kitchen", "robot-node/kitchen")
    async with PrivateBroker(anonymous=False, extra=f"password_file {passwords}\nacl_file {ACL}") as private:
        robot = Broker.from_url(
            private.url,
            username="robot-kitchen",
            password="secret",
        )
        found = await findings(robot, robot=kitchen)
        assert not problems(found)
        assert found["the robot's topics"].detail == "robot-kitchen may publish and receive as robot-kitchen."
        found = await findings(replace(robot, username="alice"), robot=kitchen)
        assert problems(found) == ["the robot's topics"]


async def test_a_broker_that_refuses_subscriptions_is_believed(passwords: Path) -> None:
    async with (
        PrivateBroker(anonymous=False, extra=f"password_file {passwords}\nacl_file {ACL}") as private,
        altering_proxy(private, refuses=lambda name: "-other" in name) as strict,
    ):
        found = await findings(replace(strict, username="alice", password="secret"))
    assert not problems(found)
    detail = "alice cannot publish as another client or robot, nor receive their messages."
    assert found["access rules"].detail == detail


@pytest.mark.slow
async def test_rules_that_let_one_user_speak_or_hear_as_another_are_found(passwords: Path, tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    alice = {"username": "alice", "password": "secret"}
    for hole, what in (
        ("pattern write $mcp-rpc/#", "answer as any robot"),
        ("pattern write $mcp-server/presence/#", "announce and remove robots"),
        ("pattern write $mcp-client/presence/+", "end other clients' sessions"),
        ("pattern write $webrtc/+/+", "watch, and control video"),
        ("pattern write robot-node/+/health", "publish any robot's health"),
        ("pattern read $mcp-server/+/robot-node/+", "receive messages to any robot"),
    ):
        rules.write_text(f"{ACL.read_text()}\n{hole}\n")
        async with PrivateBroker(anonymous=False, extra=f"password_file {passwords}\nacl_file {rules}") as private:
            found = await findings(Broker.from_url(private.url, **alice))
        assert problems(found) == ["access rules"]
        assert found["access rules"].detail.startswith(f"alice can {what}")
        assert ";" not in found["access rules"].detail


async def test_an_open_broker_is_worth_knowing(broker: PrivateBroker) -> None:
    found = (await findings(Broker.from_url(broker.url)))["access rules"]
    assert found.level is Level.NOTE
    assert found.detail.startswith("Anyone, without a password, can answer as any robot")
    assert "docs/access.md" in found.remedy


async def test_the_consoles_way_to_the_broker_is_tried(broker: PrivateBroker) -> None:
    address = Broker.from_url(broker.url)
    works = f"ws://127.0.0.1:{broker.websocket_port}"
    found = await findings(address, console=ConsoleSettings(broker_url=f"{works}/mqtt"))
    assert found["WebSocket"].detail == f"MQTT over WebSocket works at {works}/mqtt."
    for enabled, level in ((False, Level.NOTE), (True, Level.NOT_OK)):
        nobody = ConsoleSettings(enabled=enabled, broker_url=f"ws://127.0.0.1:{free_port()}/mqtt")
        found = await findings(address, console=nobody)
        assert found["WebSocket"].level is level
        assert "docs/console.md shows" in found["WebSocket"].remedy


async def test_a_websocket_without_a_password_is_open_to_every_web_page(broker: PrivateBroker) -> None:
    async def of(url: str) -> Finding | None:
        page = ConsoleSettings(broker_url=url)
        return (await findings(Broker.from_url(broker.url), console=page)).get("web pages")

    open_to_all = await of(f"ws://127.0.0.1:{broker.websocket_port}/mqtt")
    assert open_to_all is not None
    assert open_to_all.level is Level.NOTE
    assert "Every web page" in open_to_all.why
    async with PrivateBroker(websocket_port=0, websocket_password="a secret") as closed:
        refused = await of(f"ws://127.0.0.1:{closed.websocket_port}/mqtt")
    assert refused is not None
    assert refused.level is Level.OK
    assert await of(f"ws://127.0.0.1:{free_port()}/mqtt") is None


async def test_the_web_socket_of_another_broker_is_not_taken_for_this_ones(broker: PrivateBroker) -> None:
    address = replace(Broker.from_url(broker.url), connect_timeout_s=1.0)
    async with PrivateBroker(websocket_port=0) as other:
        url = f"ws://127.0.0.1:{other.websocket_port}/mqtt"
        found = await findings(address, console=ConsoleSettings(enabled=True, broker_url=url))
    assert problems(found) == ["WebSocket"]
    assert found["WebSocket"].detail == (
        f"Another broker responds at {url}: messages from mqtt://127.0.0.1:{broker.port} are not delivered there."
    )
    assert "broker_url in [console]" in found["WebSocket"].remedy


def listening_hosts(port: int) -> set[str]:
    """The addresses of this machine at which somebody listens on a TCP port (proc(5))."""
    tables = "".join(Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
    rows = (line.split() for line in tables.splitlines())
    return {row[1].partition(":")[0] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"}


@pytest.mark.slow
async def test_the_listeners_of_the_consoles_guide_keep_that_of_robots_and_open_none_to_the_network(
    tmp_path: Path,
) -> None:
    shown = re.search(
        r"^    listener 1883.*?password_file \S+\n", (DOCS / "console.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert shown
    port, websocket_port = free_port(), free_port()
    settings = shown[0].replace("1883", str(port)).replace("8083", str(websocket_port))
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", passwords, "anna", "secret"], check=True)
    settings = settings.replace("/etc/mosquitto/console.passwd", str(passwords))
    async with PrivateBroker(websocket_port=0, websocket_password="each listener has rules of its own", extra=settings):
        page = ConsoleSettings(broker_url=f"ws://127.0.0.1:{websocket_port}/mqtt")
        for url in (f"mqtt://127.0.0.1:{port}", f"ws://anna:secret@127.0.0.1:{websocket_port}/mqtt"):
            found = await findings(Broker.from_url(url), console=page)
            assert found["credentials"].ok
            assert found["web pages"].level is Level.OK
        hosts = listening_hosts(websocket_port)
    # As the kernel writes them: 127.0.0.1, the same as an IPv6 address, ::1.
    assert hosts
    assert hosts <= {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.mark.parametrize(
    ("url", "tls", "there"),
    [
        ("", False, "ws://pi:8083/mqtt"),
        ("", True, "wss://pi:8084/mqtt"),
        ("wss://other:9000/way", False, "wss://other:9000/way"),
    ],
)
def test_the_page_looks_where_it_is_told_or_beside_the_broker(url: str, tls: bool, there: str) -> None:
    found = console_broker(Broker(f"mqtt{'s' if tls else ''}://pi:1234", password="x"), ConsoleSettings(broker_url=url))
    assert (f"{found}{found.path}", found.password) == (there, "x")


async def test_a_broker_with_nagles_algorithm_is_told_from_one_without() -> None:
    async with PrivateBroker(extra="set_tcp_nodelay false") as private:
        async with asyncio.timeout(DEADLINE_S):
            found = await findings(Broker.from_url(private.url))
            while found["TCP_NODELAY"].ok:  # a busy machine hides 40 ms
                found = await findings(Broker.from_url(private.url))
    assert problems(found) == []
    assert "set_tcp_nodelay true" in found["TCP_NODELAY"].remedy


async def test_a_broker_that_retains_nothing_hides_every_robot() -> None:
    async with PrivateBroker(extra="retain_available false") as private:
        found = await findings(Broker.from_url(private.url))
    assert problems(found) == ["retained messages"]
    assert "retain not supported" in found["retained messages"].detail


@pytest.mark.parametrize("wildcard", ["+", "#"])
async def test_a_broker_that_retains_for_exact_subscriptions_only_hides_robots(
    broker: PrivateBroker, wildcard: str
) -> None:
    async with altering_proxy(broker, without_retained=lambda name: wildcard in name) as like_rabbitmq:
        found = await findings(like_rabbitmq)
    assert problems(found) == ["retained messages"]
    assert "does not deliver them to a subscription with a wildcard: $mcp-rpc/" in found["retained messages"].detail
    assert "RabbitMQ 4 does not" in found["retained messages"].remedy


async def test_rules_that_let_nothing_through_are_found(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic read $mcp-server/#\n")
    async with PrivateBroker(extra=f"acl_file {rules}") as private:
        found = await findings(Broker(f"mqtt://127.0.0.1:{private.port}", connect_timeout_s=1.0))
    # Not blamed on retained messages: nothing can be published there.
    assert problems(found) == ["topics"]
    assert found["topics"].detail.endswith("-server/robot-node/doctor: not authorized.")
    assert "$mcp-rpc/<its client id>/#" in found["topics"].remedy
    assert "ejabberd" in found["topics"].remedy


@pytest.mark.slow
async def test_rules_that_let_a_client_publish_but_not_receive_are_found(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic write #\ntopic write $mcp-rpc/#\ntopic read $mcp-server/#\n")
    async with PrivateBroker(extra=f"acl_file {rules}") as private:
        found = await findings(Broker(f"mqtt://127.0.0.1:{private.port}", connect_timeout_s=1.0))
    assert problems(found) == ["retained messages", "round trip"]
    assert "$mcp-rpc/" in found["round trip"].remedy


async def test_nothing_listening_is_one_problem_with_a_command() -> None:
    found = await findings(Broker(f"mqtt://127.0.0.1:{free_port()}"))
    assert problems(found) == list(found) == ["reachable"]
    assert "systemctl status mosquitto" in found["reachable"].remedy


async def test_a_broker_that_never_answers_does_not_hang_the_doctor() -> None:
    async with silent_broker(b"") as broker:
        found = await findings(broker)
    assert problems(found) == ["connection"]


async def test_a_broker_that_speaks_only_mqtt_3_is_recognised() -> None:
    # CONNACK of MQTT 3.1.1, "unacceptable protocol version".
    async with silent_broker(bytes([0x20, 2, 0, 1])) as broker:
        found = await findings(broker)
    assert problems(found) == ["MQTT 5"]


@contextlib.asynccontextmanager
async def silent_broker(answer: bytes) -> AsyncIterator[Broker]:
    """Says one thing and hangs up; or, without an answer, says nothing."""
    visits: set[asyncio.Task[Any] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            while await reader.read(1000):
                if answer:
                    writer.write(answer)
                    await writer.drain()
                    break
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield Broker(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}", connect_timeout_s=0.3)
        await asyncio.gather(*filter(None, visits))
