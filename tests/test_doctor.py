"""``robot-node doctor`` on brokers that are as they should be, and on such that are not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from robot_node.doctor import Finding, check_broker
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from robot_node.private_broker import PrivateBroker, free_port
from tests.end_to_end.robot_process import robot_node

ACL = Path(__file__).parents[1] / "config" / "mosquitto" / "acl"
ALL = ["reachable", "MQTT 5", "credentials", "retained messages", "TCP_NODELAY", "presence"]


async def findings(broker: Broker) -> dict[str, Finding]:
    found: list[Finding] = []
    await check_broker(broker, found.append)
    return {finding.check: finding for finding in found}


def problems(found: dict[str, Finding]) -> list[str]:
    """The checks that failed, each with its reason and a remedy."""
    failed = [finding for finding in found.values() if not finding.ok]
    assert all(finding.why and finding.remedy for finding in failed)
    return [finding.check for finding in failed]


async def test_a_good_broker_passes_every_check_and_keeps_nothing_of_them(broker: PrivateBroker) -> None:
    found = await findings(Broker.from_url(broker.url))
    assert list(found) == ALL
    assert not problems(found)
    kept: list[Incoming] = []
    async with connect(Broker.from_url(broker.url), ConnectOptions(client_id="newcomer"), kept.append) as connection:
        await connection.subscribe(Subscription("$mcp-rpc/#"), Subscription("$mcp-server/#"), Subscription("#"))
        await connection.publish("own", b"", qos=1)
    assert [message.topic for message in kept] == ["own"]


async def test_a_good_broker_over_websockets_passes_too(broker: PrivateBroker) -> None:
    found = await findings(Broker.from_url(f"ws://127.0.0.1:{broker.websocket_port}"))
    assert list(found) == ALL
    assert not problems(found)


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    """A password file in which alice's is "secret"."""
    file = tmp_path / "passwords"
    file.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", file, "alice", "secret"], check=True)
    return file


async def test_the_rules_that_we_ship_pass_for_a_user(passwords: Path) -> None:
    async with PrivateBroker(anonymous=False, extra=f"password_file {passwords}\nacl_file {ACL}") as private:
        found = await findings(Broker.from_url(private.url, username="alice", password="secret"))
        assert list(found) == ALL
        assert not problems(found)

        found = await findings(Broker.from_url(private.url, username="alice", password="wrong"))
        assert problems(found) == ["credentials"]
        assert "wrong" not in str(found["credentials"])


async def test_a_broker_with_nagles_algorithm_is_told_from_one_without() -> None:
    async with PrivateBroker(extra="set_tcp_nodelay false") as private:
        found = await findings(Broker.from_url(private.url))
    assert problems(found) == ["TCP_NODELAY"]
    assert "set_tcp_nodelay true" in found["TCP_NODELAY"].remedy


async def test_a_broker_that_retains_nothing_hides_every_robot() -> None:
    async with PrivateBroker(extra="retain_available false") as private:
        found = await findings(Broker.from_url(private.url))
    assert problems(found) == ["retained messages"]
    assert "retain not supported" in found["retained messages"].detail


async def test_rules_that_let_nothing_through_are_found(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic read $mcp-server/#\n")
    async with PrivateBroker(extra=f"acl_file {rules}") as private:
        found = await findings(Broker("127.0.0.1", private.port, timeout_s=1.0))
    assert problems(found) == ["retained messages", "round trip"]
    assert "$mcp-rpc/" in found["round trip"].remedy


async def test_nothing_listening_is_one_problem_with_a_command() -> None:
    found = await findings(Broker("127.0.0.1", free_port()))
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

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(1000):
                if answer:
                    writer.write(answer)
                    await writer.drain()
                    break
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield Broker("127.0.0.1", server.sockets[0].getsockname()[1], timeout_s=0.3)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A key and a certificate that nobody but itself has signed, for 127.0.0.1."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    return key, certificate


async def test_tls_is_verified(certificate: tuple[Path, Path]) -> None:
    key, trusted = certificate
    port = free_port()
    listener = f"listener {port} 127.0.0.1\ncertfile {trusted}\nkeyfile {key}\n"
    async with PrivateBroker(extra=listener):
        encrypted = Broker("127.0.0.1", port, tls=True, ca_file=str(trusted))
        found = await findings(encrypted)
        assert list(found) == [ALL[0], "certificate", *ALL[1:]]
        assert not problems(found)

        found = await findings(Broker("127.0.0.1", port, tls=True))
        assert problems(found) == ["certificate"]
        assert "self" in found["certificate"].detail  # "self-signed certificate", or "self signed"


async def test_tls_at_a_port_without_it_is_recognised(broker: PrivateBroker) -> None:
    found = await findings(Broker("127.0.0.1", broker.port, tls=True))
    assert problems(found) == ["certificate"]
    assert "does not speak TLS" in found["certificate"].detail


async def test_the_command_prints_a_line_for_each_check(broker: PrivateBroker) -> None:
    healthy = await robot_node("doctor", "--broker", broker.url)
    assert (healthy.status, healthy.stderr) == (0, "")
    assert [line.partition(":")[0] for line in healthy.stdout.splitlines()] == [f"ok      {check}" for check in ALL]

    nobody = f"mqtt://127.0.0.1:{free_port()}"
    ill = await robot_node("doctor", "--broker", nobody)
    assert (ill.status, ill.stderr) == (1, "")
    assert ill.stdout.startswith(f"not ok  reachable: Nothing answers at {nobody}: Connection refused.")
    assert ill.stdout.count("\n") == 1

    as_json = await robot_node("doctor", "--broker", nobody, "--json")
    assert as_json.status == 1
    (finding,) = json.loads(as_json.stdout)
    assert set(finding) == {"check", "ok", "detail", "why", "remedy"}
    assert finding["ok"] is False
