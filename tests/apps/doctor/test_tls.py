"""The doctor on brokers with TLS: certificates, and ports that are mistaken for one another."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from robot_node.apps.doctor.findings import Level
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from tests.apps.doctor.broker_findings import ACL, ALL, findings, problems
from tests.certificates import run_recipe, tls_listener
from tests.ports import free_port


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, the broker's certificate and anna's, as docs/tls.md has them made."""
    folder = tmp_path_factory.mktemp("certificates")
    run_recipe("authority", folder)
    run_recipe("broker", folder, BROKER="localhost")
    run_recipe("client", folder, NAME="anna")
    return folder


@contextlib.asynccontextmanager
async def tls_broker(certificates: Path, *, ask_for_client: bool = False, extra: str = "") -> AsyncIterator[Broker]:
    port = free_port()
    lines = tls_listener(certificates, port, ask_for_client=ask_for_client)
    async with PrivateBroker(extra=lines + extra):
        yield Broker(f"mqtts://localhost:{port}", ca_file=certificates / "ca.crt")


async def test_tls_is_verified_and_its_end_foretold(certificates: Path) -> None:
    async with tls_broker(certificates) as encrypted:
        found = await findings(encrypted)
        assert list(found) == [ALL[0], "certificate", *ALL[1:]]
        assert found["certificate"].level is Level.OK

        found = await findings(encrypted, now=datetime.now(UTC) + timedelta(days=800))
        assert found["certificate"].level is Level.NOTE
        assert "24 days are left" in found["certificate"].detail

        found = await findings(replace(encrypted, ca_file=None))
        assert problems(found) == list(found)[1:] == ["certificate"]
        assert "self" in found["certificate"].detail  # "self-signed certificate", or "self signed"
        assert "broker.ca_file" in found["certificate"].remedy

        found = await findings(replace(encrypted, ca_file=Path("/nowhere.crt")))
        assert problems(found) == ["certificate"]
        assert "/nowhere.crt" in found["certificate"].detail


async def test_a_client_certificate_is_examined_too(certificates: Path) -> None:
    cert, key = certificates / "anna.crt", certificates / "anna.key"
    async with tls_broker(certificates, ask_for_client=True, extra=f"acl_file {ACL}\n") as encrypted:
        anna = replace(encrypted, cert_file=cert, key_file=key)
        found = await findings(anna)
        assert not problems(found)
        assert found["client certificate"].detail.startswith(f"{cert} is for anna, until 20")
        assert found["credentials"].detail == "The broker accepts the connection as anna."

        assert problems(await findings(replace(anna, key_file=Path("/nowhere.key")))) == ["client certificate"]
        found = await findings(anna, now=datetime.now(UTC) + timedelta(days=900))
        assert problems(found) == ["client certificate"]
        assert "expired on 20" in found["client certificate"].detail

        found = await findings(encrypted)
        assert problems(found) == ["client certificate"]
        assert "certificate required" in found["client certificate"].detail


async def test_a_port_with_tls_is_recognised_by_who_does_without(certificates: Path) -> None:
    async with tls_broker(certificates) as encrypted:
        found = await findings(Broker(encrypted.url.replace("mqtts:", "mqtt:")))
    assert problems(found) == ["connection"]
    assert "requires TLS on this port" in found["connection"].detail
    assert "mqtts://" in found["connection"].remedy


async def test_tls_at_a_port_without_it_is_recognised(broker: PrivateBroker) -> None:
    found = await findings(Broker(f"mqtts://127.0.0.1:{broker.port}"))
    assert problems(found) == ["certificate"]
    assert "does not use TLS" in found["certificate"].detail
