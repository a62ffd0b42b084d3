"""What happened: per session and in total."""

from __future__ import annotations

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.signaling import Offer, Terminated
from robot_node.webrtc.stats import Cause, SessionEnd, SessionStats, Statistics, StreamingStats
from tests.waiting import eventually
from tests.webrtc.conftest import Robot, running_robot
from tests.webrtc.peer import peer


def test_nothing_has_happened_at_first() -> None:
    assert Statistics().snapshot() == StreamingStats()


def test_what_ended_is_kept_in_totals_and_the_last_sessions_by_themselves() -> None:
    statistics = Statistics()
    for number in range(1000):
        measured = SessionStats(f"viewer-{number}", frames_sent=3, frames_dropped=1)
        session = statistics.begin(lambda measured=measured: measured)  # type: ignore[misc]  # bound now, not later
        session.end(SessionEnd(Cause.CLOSED, "Closed."))
        session.end(SessionEnd(Cause.FAILED, "An end after the end."))
    snapshot = statistics.snapshot()
    assert snapshot.totals.ended == {"closed": 1000}
    assert snapshot.totals.frames_sent == 3000
    assert snapshot.totals.frames_dropped == 1000
    assert snapshot.sessions == ()
    assert len(snapshot.ended) == 16
    assert snapshot.ended[-1] == SessionStats("viewer-999", frames_sent=3, frames_dropped=1, end="Closed.")


def test_a_snapshot_does_not_change_any_more() -> None:
    statistics = Statistics()
    before = statistics.snapshot()
    statistics.offer()
    statistics.refused("too_many_viewers")
    assert before == StreamingStats()


async def test_an_open_session_tells_how_it_is_doing(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await viewer.frame()
        await eventually(lambda: bool(robot.statistics.snapshot().sessions[0].bitrate))
        await eventually(lambda: robot.statistics.snapshot().sessions[0].round_trip_ms is not None)
        (session,) = robot.statistics.snapshot().sessions
        assert session.viewer == "peer"
        assert session.codec == "H264"
        assert session.connected
        assert session.first_packet_ms is not None
        assert 0 < session.first_packet_ms < session.duration_s * 1000
        assert session.round_trip_ms is not None
        assert 0 < session.round_trip_ms < 10_000
        assert 1_000 < session.bitrate < 20_000_000
        assert session.packet_loss < 0.5
        assert session.frames_sent > 10
        assert session.end == ""
        await viewer.send(Terminated())
        await robot.has_viewers(0)
        await eventually(lambda: not robot.statistics.snapshot().sessions)
    totals = robot.statistics.snapshot().totals
    assert (totals.offers, totals.answers, totals.connected) == (1, 1, 1)
    assert totals.ended == {"terminated": 1}
    assert totals.keyframes_forced >= 1
    assert totals.frames_sent == robot.statistics.snapshot().ended[0].frames_sent >= session.frames_sent


@pytest.mark.parametrize(
    ("sdp", "settings", "reason"),
    [
        ("v=0\r\n", WebRtcSettings(), "refused"),
        ("", WebRtcSettings(connect_timeout_s=0.2), "not_connected"),
    ],
)
async def test_failures_are_counted_by_reason(
    broker: PrivateBroker, sdp: str, settings: WebRtcSettings, reason: str
) -> None:
    async with running_robot(broker, settings) as robot, peer(robot.broker) as viewer:
        await viewer.send(Offer(sdp or (await viewer.make_offer())[0]))
        await eventually(lambda: robot.statistics.snapshot().totals.ended == {reason: 1})
        assert robot.statistics.snapshot().ended[0].end
        assert not robot.statistics.snapshot().ended[0].connected


async def test_one_viewer_too_many_is_counted(broker: PrivateBroker) -> None:
    async with (
        running_robot(broker, WebRtcSettings(max_viewers=1)) as robot,
        peer(robot.broker, "first") as first,
        peer(robot.broker, "second") as second,
    ):
        await first.offer()
        await second.send(Offer((await second.make_offer())[0]))
        await second.receive(Terminated)
        assert robot.statistics.snapshot().totals.ended == {"too_many_viewers": 1}
        assert robot.statistics.snapshot().totals.offers == 2
