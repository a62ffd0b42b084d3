"""The doctor asks real STUN and TURN servers, and says what is wrong with one."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import quote

import pytest

from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.findings import Finding
from robot_node.apps.doctor.ice import check_ice_servers
from robot_node.apps.doctor.service import service_of
from tests.apps.doctor.pi import Pi
from tests.webrtc.ice_helpers import PASSWORD, USER, slow_stun_server, turn_server

LIMIT_S = 30.0


async def examined(folder: Path, *servers: str, limit_s: float = LIMIT_S) -> list[Finding]:
    pi = Pi.in_good_health(folder, webrtc={"ice_servers": servers})
    found: list[Finding] = []
    await check_ice_servers(Case(pi.settings, pi.platform, pi.machine, service_of(pi.machine), found.append), limit_s)
    assert all(finding.check == "ICE server" for finding in found)
    assert all(finding.ok or (finding.why and finding.remedy) for finding in found)
    assert not any(secret in str(finding) for finding in found for secret in (PASSWORD, "wrong"))
    return found


async def test_without_servers_there_is_nothing_to_report(tmp_path: Path) -> None:
    assert await examined(tmp_path) == []


async def test_stun_and_turn_with_right_and_wrong_password(tmp_path: Path) -> None:
    async with turn_server() as port:
        address = f"127.0.0.1:{port}"
        password = quote(PASSWORD, safe="")
        stun, udp, tcp, wrong = await examined(
            tmp_path,
            f"stun:{address}",
            f"turn:{USER}:{password}@{address}",
            f"turn:{USER}:{password}@{address}?transport=tcp",
            f"turn:{USER}:wrong@{address}",
        )
    assert stun.ok
    assert f"stun:{address} gives this machine's address: 127.0.0.1:" in stun.detail
    assert udp.ok
    assert f"turn:{address} gives a relayed address: 127.0.0.1:" in udp.detail
    assert tcp.ok
    assert not wrong.ok
    assert f"turn:{address} does not accept the user name and password: 401" in wrong.detail
    assert "percent-encoded" in wrong.remedy


async def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    async with slow_stun_server() as (_, url):
        turn = url.replace("stun:", "turn:someone:something@")
        for finding in await examined(tmp_path, url, turn, limit_s=0.05):
            assert not finding.ok
            assert "within 0.05 s" in finding.detail
            assert "firewall" in finding.remedy


@pytest.mark.parametrize("options", ["", "?transport=tcp"])
async def test_a_port_where_nothing_listens(tmp_path: Path, options: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if options else socket.SOCK_DGRAM) as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        if not options:
            reserved.close()  # a bound UDP socket takes what comes; a TCP one that does not listen refuses
        (finding,) = await examined(tmp_path, f"turn:{USER}:x@127.0.0.1:{port}{options}")
    assert not finding.ok
    assert f"turn:127.0.0.1:{port}{options} cannot be reached: Connection refused." in finding.detail
    assert "running" in finding.remedy
