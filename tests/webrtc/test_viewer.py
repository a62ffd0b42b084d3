"""What goes wrong for a viewer is said in words that help."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import CameraState, Device
from robot_node.errors import BrokerError, RemoteError, SettingsError, SignalingError
from robot_node.mqtt import Broker, ConnectOptions, Subscription, connect
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.receiving import ViewerLimits
from robot_node.webrtc.signaling import Answer, Terminated, answers_topic, encode, offers_topic
from robot_node.webrtc.viewer import Viewing, view, watch
from tests.waiting import eventually
from tests.webrtc.conftest import Robot, running_robot
from tests.webrtc.scene import SERVER_ID


async def test_no_broker(unused_tcp_port: int) -> None:
    with pytest.raises(BrokerError, match="Cannot reach the MQTT broker"):
        await watch(Broker.from_url(f"mqtt://127.0.0.1:{unused_tcp_port}"), SERVER_ID, frames=1)


async def test_no_answer(broker: PrivateBroker) -> None:
    with pytest.raises(SignalingError, match=r"nobody did not answer within 0\.2 s\. Is it online, and its id right\?"):
        await watch(Broker.from_url(broker.url), "nobody", frames=1, limits=ViewerLimits(answer_s=0.2))


async def test_the_viewer_limit(broker: PrivateBroker) -> None:
    async with running_robot(broker, WebRtcSettings(max_viewers=1)) as robot, view(robot.broker, SERVER_ID):
        with pytest.raises(RemoteError, match="refused the session: The robot already has 1 viewers"):
            await watch(robot.broker, SERVER_ID, frames=1)


async def test_a_retained_message_is_not_the_robots(robot: Robot) -> None:
    async with connect(robot.broker, ConnectOptions("robot that was")) as connection:
        await connection.publish(answers_topic("viewer"), encode(Terminated("of last week")), qos=1, retain=True)
        async with view(robot.broker, SERVER_ID, client_id="viewer") as viewing:
            await viewing.frame()
        await connection.publish(answers_topic("viewer"), b"", qos=1, retain=True)


async def test_the_answer_to_an_older_offer_is_passed_over(broker: PrivateBroker) -> None:
    offered = asyncio.Event()
    async with (
        running_robot(broker, load_after=offered) as robot,
        connect(robot.broker, ConnectOptions("listener"), lambda _: offered.set()) as connection,
    ):
        await connection.subscribe(Subscription(offers_topic("viewer", SERVER_ID)))
        async with asyncio.TaskGroup() as group:
            group.create_task(watch(robot.broker, SERVER_ID, client_id="viewer", frames=1))
            await offered.wait()
            await connection.publish(answers_topic("viewer"), encode(Answer("v=0", offer="older")), qos=1)


@pytest.mark.parametrize(
    ("state", "error", "text"),
    [
        (
            CameraState.OFF,
            "",
            r"^The camera of the robot is off\. Switch it on: call control_camera with enabled=true\.$",
        ),
        (CameraState.FAILED, "No camera.", r"^The camera of the robot has failed: No camera\.$"),
    ],
)
async def test_a_camera_that_is_off_or_failed_is_reported_without_waiting_for_frames(
    broker: PrivateBroker, state: CameraState, error: str, text: str
) -> None:
    async with running_robot(broker, camera_on=False) as robot:
        robot.state.set_fault(Device.CAMERA, error, camera=state)
        with pytest.raises(RemoteError, match=text):
            await watch(robot.broker, SERVER_ID, frames=1, limits=ViewerLimits(frame_s=600))


async def test_a_camera_that_is_switched_off_ends_the_watching(robot: Robot) -> None:
    def switch_off(frames: int) -> None:
        if frames == 5:
            robot.scene.switch(on=False)
            robot.state.update(camera=CameraState.OFF)

    with pytest.raises(RemoteError, match="The camera of the robot is off"):
        await watch(robot.broker, SERVER_ID, on_progress=switch_off, limits=ViewerLimits(frame_s=600))


async def test_who_waits_for_the_camera_sees_it_come_on(broker: PrivateBroker) -> None:
    async with running_robot(broker, camera_on=False) as robot, view(robot.broker, SERVER_ID) as viewing:
        first = asyncio.create_task(viewing.frame())
        robot.scene.switch(on=True)
        robot.state.update(camera=CameraState.ON)
        assert (await first).image.width > 0


async def test_no_picture(broker: PrivateBroker) -> None:
    async with running_robot(broker, camera_on=False) as robot:
        robot.state.update(camera=CameraState.ON)
        with pytest.raises(RemoteError, match=r"but no frame came within 0\.5 s\. Is the camera on\?"):
            await watch(robot.broker, SERVER_ID, frames=1, limits=ViewerLimits(frame_s=0.5))
        await robot.has_viewers(0)


async def test_an_encoder_that_fails_is_named(broker: PrivateBroker) -> None:
    async with running_robot(broker, camera_on=False) as robot:
        robot.state.set_fault(Device.CAMERA, "The video encoder cannot be started.", camera=CameraState.ON)
        with pytest.raises(RemoteError) as refused:
            await watch(robot.broker, SERVER_ID, frames=1, limits=ViewerLimits(frame_s=0.5))
    assert str(refused.value) == (
        "Connected to the robot, but no frame came within 0.5 s: The video encoder cannot be started."
    )


async def test_no_further_picture(robot: Robot) -> None:
    async with view(robot.broker, SERVER_ID, limits=ViewerLimits(frame_s=1)) as viewing:
        await viewing.frame()
        robot.scene.switch(on=False)
        with pytest.raises(RemoteError, match="no further frame came within 1 s"):
            await _all_frames(viewing)


async def test_the_robot_leaves(robot: Robot) -> None:
    async with view(robot.broker, SERVER_ID) as viewing:
        await viewing.frame()
        robot.task.cancel()
        with pytest.raises(RemoteError, match=r"ended the session after \d+ frames: The robot is leaving"):
            await _all_frames(viewing)


async def test_another_viewer_with_the_same_client_id(robot: Robot) -> None:
    async with view(robot.broker, SERVER_ID, client_id="same") as first:
        await first.frame()
        async with view(robot.broker, SERVER_ID, client_id="same") as second:
            await second.frame()
            with pytest.raises(RemoteError, match=r"ended after \d+ frames; .* with a client id that nobody else uses"):
                await _all_frames(first)
            await second.frame()


async def test_a_file_that_cannot_be_written(robot: Robot, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"seen\.mp4 cannot be written: .*No such file or directory"):
        await watch(robot.broker, SERVER_ID, frames=1, output=tmp_path / "missing" / "seen.mp4")


async def test_the_viewer_leaves_when_it_is_told_to(robot: Robot, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="robot_node.webrtc")
    stop = asyncio.Event()
    progress: list[int] = []

    def count(frames: int) -> None:
        progress.append(frames)
        if frames == 5:
            stop.set()

    report = await watch(robot.broker, SERVER_ID, stop=stop, on_progress=count)
    assert report.frames == 5
    assert progress == [1, 2, 3, 4, 5]
    await robot.has_viewers(0)
    # It says goodbye over the broker and to the peer; the robot goes by what comes first, and misses nobody.
    await eventually(lambda: "'The viewer has left.'" in caplog.text or "Closed by the viewer." in caplog.text)


async def _all_frames(viewing: Viewing) -> None:
    while True:
        await viewing.frame()
