"""The robot's peers over WebRTC: services that answer viewers, and call the media backend."""

from __future__ import annotations

import asyncio
import importlib

from robot_node.mqtt import LinkStatus
from robot_node.robot.chat import Chat
from robot_node.robot.publish_control import PublishControl
from robot_node.robot.robot import Robot
from robot_node.robot.state_store import state_file
from robot_node.robot.subtitles import Subtitles
from robot_node.robot.watchdog import LinkCheck
from robot_node.settings.root import Settings
from robot_node.webrtc.answerer import answer
from robot_node.webrtc.call_control import CallControl
from robot_node.webrtc.media_stack import load_module
from robot_node.webrtc.messages import BackendMessage, DataMessage


async def answer_viewers(robot: Robot, settings: Settings, *, link: LinkCheck, online: asyncio.Event) -> None:
    """Answer the offers of viewers until cancelled.

    Args:
        robot: Whose camera and sound they get.
        settings: Its settings.
        link: Told of the connection, for the watchdog.
        online: Set once the robot is reachable.
    """
    # Offers are taken at once; the media stack that answers them is loaded when the robot is reachable.
    telemetry = robot.telemetry
    chat = Chat(telemetry.events)

    def report(status: LinkStatus) -> None:
        link.report(status)
        telemetry.state.update(signaling_connected=status.connected)

    await answer(
        settings.broker,
        settings.robot.server_id,
        robot.streams,
        settings.webrtc,
        telemetry.state,
        statistics=telemetry.statistics,
        load_after=online,
        backoff=settings.broker.backoff(),
        on_status=report,
        announcements=robot.speech.announcements,
        on_chat=chat.receive,
        on_data=chat.receive_data,
        direct=robot.direct,
    )


async def dial(robot: Robot, calls: CallControl, settings: Settings, *, online: asyncio.Event) -> None:
    """Call the media backend, as often as agents and settings want, until cancelled.

    Args:
        robot: Whose camera and sound the backend gets.
        calls: What is wanted.
        settings: Its settings.
        online: Set once the robot is reachable.
    """
    counters = robot.telemetry.counters
    subtitles, chat = Subtitles(robot.face.show_text), Chat(robot.telemetry.events)

    def receive(message: BackendMessage) -> None:
        if isinstance(message, DataMessage):
            chat.receive_data(settings.dialer.backend, message.payload)
        else:
            subtitles.receive(message)

    await online.wait()  # loading aiortc and av takes seconds on a Pi: in a thread, and not before
    dialer = await load_module("dialer")
    await dialer.dial(
        settings.broker,
        settings.robot.server_id,
        robot.streams,
        settings.dialer,
        calls,
        webrtc=settings.webrtc,
        counters=counters,
        link_backoff=settings.broker.backoff(),
        on_status=lambda status: counters.set_dialer_connected(connected=status.connected),
        on_message=receive,
        announcements=robot.speech.announcements,
    )


async def publish(robot: Robot, control: PublishControl, settings: Settings, *, online: asyncio.Event) -> None:
    """Publish the robot's stream to a server that passes it on, whenever it is wanted, until cancelled.

    Args:
        robot: Whose camera and sound.
        control: What is wanted.
        settings: Its settings.
        online: Set once the robot is reachable.
    """
    await online.wait()
    await load_module("publication")
    module = await asyncio.to_thread(importlib.import_module, "robot_node.robot.publish")
    saved = state_file(settings.robot.state_file)
    file = None if saved is None else saved.with_suffix(".publish")
    await module.Publisher(control, robot.telemetry.state, robot.streams, settings.webrtc, file=file).run()
