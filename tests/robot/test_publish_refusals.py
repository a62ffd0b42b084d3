"""Servers that refuse, keep silent, answer nonsense, or keep what a crash left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from robot_node.core.state import PublishState
from robot_node.webrtc.whip import WhipClient, http_client
from robot_node.webrtc.whip_messages import WhipSession
from tests.certificates import run_recipe
from tests.robot.publishing import publishing_robot
from tests.waiting import eventually
from tests.whip_front import TOKEN, WhipFront, answering, silent, whip_front


@pytest.fixture
async def front() -> AsyncIterator[WhipFront]:
    """An endpoint without a media server."""
    async with whip_front() as opened:
        yield opened


async def test_a_wrong_token_is_said_and_counted(front: WhipFront) -> None:
    async with publishing_robot(front, token="another", initial_s=5.0) as robot:
        await robot.fails("refuses the token (403): 'wrong token'. Set publish.token")
        assert robot.telemetry.state.snapshot.publishing is PublishState.WAITING
        assert robot.telemetry.counters.publish_ends == {"unusable": 1}
    assert front.count("DELETE") == 0


@pytest.mark.slow
async def test_each_fault_of_a_server_has_its_reason(front: WhipFront) -> None:
    faults = {
        "already has a publisher there (409)": answering(409),
        "is overloaded (503)": answering(503),
        "has failed (500)": answering(500),
        "gives an answer that is no answer of WHIP (200)": answering(200, "v=0"),
        "The server's answer is no session description.": answering(201, "<html>", location="/whip/session/7"),
        "answers with more than": answering(201, "v=0\r\n" * 20_000),
        "redirects to where the robot must not go": answering(307, location="ftp://127.0.0.1/"),
        "did not answer in time": silent,
    }
    front.misbehaviours["POST"].extend(faults.values())
    async with publishing_robot(front, answer_timeout_s=1.0) as robot:
        for reason in faults:
            await robot.fails(reason)
    assert ("DELETE", "/whip/session/7") in front.requests, "what cannot be used is not left behind"


async def test_redirects_end_and_take_the_token_to_no_other_origin(front: WhipFront) -> None:
    async with whip_front() as other:
        front.misbehaviours["POST"].append(answering(308, location=other.url))
        other.misbehaviours["POST"].extend([answering(307, location=front.url), answering(409)])
        front.misbehaviours["POST"].extend(answering(307, location="/whip") for _ in range(6))
        async with publishing_robot(front) as robot:
            await robot.fails("redirects more than 5 times")
        assert other.authorizations == [""]
        assert all(front.authorizations)


async def test_retry_after_is_obeyed(front: WhipFront, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "robot_node")
    front.misbehaviours["POST"].append(answering(503, retry_after="3600"))
    async with publishing_robot(front, initial_s=0.01) as robot:
        await robot.is_in(PublishState.WAITING)
        await eventually(lambda: "Next attempt in 3600.0 s." in caplog.text)
    assert front.count("POST") == 1


async def test_a_leftover_is_deleted_before_the_next_offer(front: WhipFront, tmp_path: Path) -> None:
    kept = tmp_path / "state.publish"
    kept.write_text(f"{front.url}/session/old\n")
    front.misbehaviours["DELETE"].extend([answering(500), answering(503)])
    async with publishing_robot(front, file=kept):
        await front.asked("DELETE", 3)
        await front.asked("POST", 2)
    old = ("DELETE", "/whip/session/old")
    assert front.requests[:5] == [old, old, ("POST", "/whip"), old, ("POST", "/whip")]
    assert not kept.exists()


async def test_a_refused_delete_is_not_repeated(front: WhipFront, tmp_path: Path) -> None:
    kept = tmp_path / "state.publish"
    kept.write_text(f"{front.url}/session/old")
    front.misbehaviours["DELETE"].append(answering(405))
    async with publishing_robot(front, file=kept):
        await front.asked("POST", 3)
    assert front.count("DELETE") == 1


async def test_nothing_but_a_session_of_the_server_is_deleted(front: WhipFront, tmp_path: Path) -> None:
    kept = tmp_path / "state.publish"
    async with whip_front() as other:
        for number, left in enumerate((f"{other.url}/session/1", "file:///etc/passwd", "\x00", "x" * 5000), start=1):
            kept.write_text(left)
            async with publishing_robot(front, file=kept):
                await front.asked("POST", number)
        assert other.requests == []
    assert front.count("DELETE") == 0


async def test_late_candidates_name_the_session_until_the_server_takes_none(front: WhipFront) -> None:
    async with http_client(None, 5.0) as http:
        client = WhipClient(http, front.url, TOKEN)
        session = WhipSession(f"{front.url}/session/1", "", '"etag"')
        assert await client.trickle(session, "a=candidate:1")
        assert front.fragments == ["a=candidate:1"]
        front.misbehaviours["PATCH"].append(answering(405))
        assert not await client.trickle(session, "a=candidate:2")


async def test_a_server_whose_certificate_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    run_recipe("authority", tmp_path)
    run_recipe("broker", tmp_path, BROKER="localhost")
    async with whip_front(tls=(tmp_path / "broker.crt", tmp_path / "broker.key")) as front:
        async with publishing_robot(front) as robot:
            await robot.fails("certificate verify failed")
        assert front.requests == []
        async with publishing_robot(front, ca_file=tmp_path / "ca.crt") as robot:
            await robot.fails("is overloaded (503)")
