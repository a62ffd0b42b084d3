"""What the doctor finds about a broker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from robot_node.apps.doctor.broker import check_broker
from robot_node.apps.doctor.findings import Finding
from robot_node.mqtt import Broker

ACL = Path(__file__).parents[3] / "config" / "mosquitto" / "acl"
ALL = ["reachable", "MQTT 5", "credentials", "retained messages", "TCP_NODELAY", "presence", "access rules"]


async def findings(broker: Broker, **options: Any) -> dict[str, Finding]:
    found: list[Finding] = []
    await check_broker(broker, found.append, **options)
    return {finding.check: finding for finding in found}


def problems(found: dict[str, Finding]) -> list[str]:
    """The checks that failed, each with its reason and a remedy; not that of time, which needs a machine at rest."""
    failed = [finding for finding in found.values() if not finding.ok]
    assert all(finding.why and finding.remedy for finding in failed)
    return [finding.check for finding in failed if finding.check != "TCP_NODELAY"]
