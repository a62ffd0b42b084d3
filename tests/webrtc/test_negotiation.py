"""ICE servers from the settings."""

from __future__ import annotations

import pytest
from aiortc import RTCIceServer

from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import SettingsError
from robot_node.webrtc.negotiation import ice_server
from tests.webrtc.conftest import running_robot
from tests.webrtc.peer import peer


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("stun:example.org:3478", RTCIceServer("stun:example.org:3478", "", "")),
        ("turn:me:p%40ss@example.org", RTCIceServer("turn:example.org", "me", "p@ss")),
        (
            "turns:me:secret@example.org:5349?transport=tcp",
            RTCIceServer("turns:example.org:5349?transport=tcp", "me", "secret"),
        ),
    ],
)
def test_servers_are_read_with_their_credentials(url: str, server: RTCIceServer) -> None:
    assert ice_server(url) == server


@pytest.mark.parametrize("url", ["example.org", "http:example.org", "stun:", "turn:me:secret@"])
def test_what_is_no_server_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        ice_server(url)
    assert "secret" not in str(caught.value)
    assert f"The ICE server {url.replace('me:secret@', '').removesuffix(':')} cannot be used" in str(caught.value)


async def test_no_server_is_asked_by_default(broker: PrivateBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a STUN server was asked")

    monkeypatch.setattr("aioice.ice.server_reflexive_candidate", refuse)
    async with running_robot(broker) as robot, peer(robot.broker) as viewer:
        await viewer.offer()
        await robot.has_viewers(1)
