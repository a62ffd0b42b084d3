"""The composition root: builds one robot from its settings, runs its services, and shuts it down in order."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from types import MappingProxyType
from typing import Any

from robot_node.core.backoff import RestartPolicy
from robot_node.core.events import Event
from robot_node.core.questions import Questions
from robot_node.devices.board import Board
from robot_node.devices.camera.cameras import Cameras
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.devices.on_pins import open_pins
from robot_node.devices.platform import Platform
from robot_node.devices.plugin import DeviceContext
from robot_node.devices.sound import open_sound
from robot_node.mcp_mqtt.local import call_tool
from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.mcp_mqtt.server import ExtraPublisher, ServerOptions, serve
from robot_node.mqtt import LinkStatus
from robot_node.robot import systemd, watchdog
from robot_node.robot.a2a import publish_card
from robot_node.robot.asking import CONFIRMATION, QUESTION, Asking
from robot_node.robot.camera_services import camera_services, restore_controls
from robot_node.robot.home_assistant.factory import home_assistant_services
from robot_node.robot.monitoring.factory import Monitoring
from robot_node.robot.peers import answer_viewers, dial, publish
from robot_node.robot.performer import Performer
from robot_node.robot.plugins import open_plugins
from robot_node.robot.publish_control import PublishControl
from robot_node.robot.push_to_talk import watch_talk_buttons
from robot_node.robot.reactions import Reactions
from robot_node.robot.realtime.factory import converse
from robot_node.robot.recording.factory import build_recorder, recording_services
from robot_node.robot.robot import Robot
from robot_node.robot.saved_state import SavedState, restore
from robot_node.robot.shutdown import DeviceStack
from robot_node.robot.state_store import StateStore, state_file
from robot_node.robot.status import version_of
from robot_node.robot.supervisor import Service, Supervisor
from robot_node.robot.telemetry import Telemetry
from robot_node.robot.watchdog import LinkCheck
from robot_node.robot.web.service import Page, serve_http
from robot_node.settings.devices import CameraSettings
from robot_node.settings.publish import PublishSettings
from robot_node.settings.root import DialerSettings, Settings
from robot_node.speech.factory import Speech, build_speech
from robot_node.tools.resources import ResourceAnnouncer
from robot_node.tools.robot_server import RobotServer
from robot_node.tools.server import build_guarded_server
from robot_node.vision.factory import build_vision, needs_small_pictures
from robot_node.vision.pictures import PictureFeed, SmallVideo
from robot_node.webrtc.bitrate import BitrateLimits
from robot_node.webrtc.call_control import CallControl
from robot_node.webrtc.streams import SMALL_VIDEO_RATE, Streams, VideoStreams

logger = logging.getLogger(__name__)

Services = dict[str, Service]
"""Services by name."""


async def run(
    settings: Settings,
    platform: Platform,
    *,
    on_online: Callable[[], None] = lambda: None,
    extra_services: Mapping[str, Service] = MappingProxyType({}),
    page: Page = tuple,
    restarts: RestartPolicy = RestartPolicy(),
) -> None:
    """Run one robot until cancelled.

    The face and presence come up first; the media stack is loaded while the robot is already reachable. When
    cancelled, the state is saved, presence is cleared and viewers are notified, then the camera is switched off and the
    display is switched off. A service that crashes is started again (see :mod:`robot_node.robot.supervisor`).

    Args:
        settings: The robot's settings.
        platform: The hardware, real or simulated.
        on_online: Called each time the robot has become reachable.
        extra_services: Further services to run as long as the robot does, by name.
        page: Makes the console's routes for the robot's own HTTP server.
        restarts: When a service that crashed is started again.

    Raises:
        SettingsError: a setting cannot be used.
        ServiceError: a service crashed too often.
    """
    links = _link_checks(settings)
    async with watchdog.notifications([watchdog.check_device_calls, *links.values()]), DeviceStack() as devices:
        robot = await build_robot(settings, platform, devices)
        services = await robot_services(robot, settings, links, on_online, page)
        try:
            async with Supervisor(robot.telemetry.state, policy=restarts) as supervisor:
                for name, service in {**services, **extra_services}.items():
                    supervisor.run(name, service)
        finally:
            systemd.notify("STOPPING=1", "STATUS=leaving")
            logger.info("Leaving: camera off, display dark")


async def build_robot(settings: Settings, platform: Platform, devices: AsyncExitStack) -> Robot:
    """Build a robot and open its devices, the face first.

    Args:
        settings: The robot's settings.
        platform: The hardware, real or simulated.
        devices: Where closing is put; the device that was opened last is closed first.

    Raises:
        SettingsError: a setting cannot be used.
    """
    telemetry = _telemetry()
    state, events = telemetry.state, telemetry.events
    face = await _open_face(settings, platform, telemetry, devices)
    on_pins = await open_pins(platform, settings, state, events, devices)
    cameras = Cameras.build(
        platform,
        settings.all_cameras(),
        state,
        indicator=on_pins.indicator,
        privacy=on_pins.privacy,
        small_stream=needs_small_pictures(settings),
    )
    devices.push_async_callback(cameras.close)
    microphone, loudspeaker = open_sound(platform, settings.audio, state, on_pins, devices)
    store, saved = await _load_state(settings, telemetry)
    restore(saved, state, face, microphone, loudspeaker)
    restore_controls(saved, cameras, settings.all_cameras())
    speech = build_speech(settings, face, state, events, microphone=microphone, loudspeaker=loudspeaker)
    performer = Performer(state, face, on_pins.outputs, speech.speaker, behaviours=settings.behaviours.all())
    devices.push_async_callback(performer.close)
    feed = PictureFeed(cameras.first)
    streams = _build_streams(settings, cameras, speech, feed)
    devices.callback(streams.close)
    recorder = build_recorder(settings, telemetry, streams)
    if recorder is not None:
        devices.push_async_callback(recorder.close)
    notifier = Notifier()
    plugins = await open_plugins(
        (
            DeviceContext(name, table, platform, state, events, notifier.resource_updated)
            for name, table in settings.devices.tables.items()
        ),
        devices,
    )
    vision = await build_vision(settings, feed, state, platform, devices, moving=lambda: on_pins.outputs.moving)
    questions = Questions()
    devices.callback(questions.close)
    board = Board(platform)
    devices.callback(board.close)
    if store is not None:
        devices.push_async_callback(store.close)  # the last one, to be the first in a shutdown
    return Robot(
        telemetry=telemetry,
        cameras=cameras,
        face=face,
        outputs=on_pins.outputs,
        inputs=on_pins.inputs,
        microphone=microphone,
        loudspeaker=loudspeaker,
        speech=speech,
        performer=performer,
        streams=streams,
        recorder=recorder,
        calls=_call_control(settings.dialer, telemetry) if settings.dialer.enabled else None,
        publishing=_publish_control(settings.publish, telemetry) if settings.publish.enabled else None,
        plugins=plugins,
        board=board,
        notifier=notifier,
        store=store,
        saved=saved,
        questions=questions,
        vision=vision,
    )


def _telemetry() -> Telemetry:
    telemetry = Telemetry()
    telemetry.events.add("robot", "The robot has started.")
    telemetry.events.listen(_log_event)
    return telemetry


_JOURNALLED = {*["camera", "privacy", "input", "motion", "recording", "publish", "stopped"], CONFIRMATION, QUESTION}


def _log_event(event: Event) -> None:
    # Who switched the camera, and what hands did at the robot, belongs in the journal too.
    if event.kind in _JOURNALLED:
        logger.info("%s%s", event.text, f" By {event.by!r}." if event.by else "")


async def _open_face(settings: Settings, platform: Platform, telemetry: Telemetry, devices: AsyncExitStack) -> Face:
    display = Display(platform, settings.display, telemetry.state, counters=telemetry.counters)
    devices.push_async_callback(display.close)
    await display.open()
    return Face(
        display,
        telemetry.state,
        expressions=settings.face.all_expressions(settings.display),
        policy=settings.display.policy(),
        seed=zlib.crc32(settings.robot.server_id.encode()),  # two robots side by side don't blink together
    )


async def _load_state(settings: Settings, telemetry: Telemetry) -> tuple[StateStore | None, SavedState]:
    path = state_file(settings.robot.state_file)
    if path is None:
        return None, SavedState()
    store = StateStore(path, telemetry.state)
    return store, await store.load()


def _build_streams(settings: Settings, cameras: Cameras, speech: Speech, feed: PictureFeed) -> Streams:
    lowest = settings.webrtc.min_bitrate

    def video_of(name: str, camera: CameraSettings) -> dict[str, Any]:
        limits = BitrateLimits(floor=min(lowest, camera.bitrate), ceiling=camera.bitrate)
        return {"pictures": cameras[name], "camera_settings": camera, "bitrate": limits}

    (first, its), *others = settings.all_cameras().items()
    streams = Streams(
        cameras.first,
        speech.mixer,
        name=first,
        small_pictures=SmallVideo(feed, SMALL_VIDEO_RATE) if settings.webrtc.small_video else None,
        others={name: VideoStreams(cameras[name], **video_of(name, each)) for name, each in others},
        **video_of(first, its),
    )
    for name, each in streams.cameras.items():
        cameras[name].video.listen(each.set_mode)
    return streams


def _call_control(settings: DialerSettings, telemetry: Telemetry) -> CallControl:
    calls = CallControl(telemetry.state, enabled=settings.call_at_start, backend=settings.backend)
    telemetry.statistics.show_call(calls.stats)
    return calls


def _publish_control(settings: PublishSettings, telemetry: Telemetry) -> PublishControl:
    return PublishControl(settings, telemetry.state, telemetry.events, telemetry.counters)


async def robot_services(
    robot: Robot,
    settings: Settings,
    links: Mapping[str, LinkCheck],
    on_online: Callable[[], None],
    page: Page = tuple,
) -> Services:
    """Return the services of a robot, by name; each gets the parts that it needs.

    Args:
        robot: Its parts, opened.
        settings: Its settings.
        links: Checks of its connections, for the watchdog.
        on_online: Called each time the robot has become reachable.
        page: Makes the console's routes for the robot's own HTTP server.

    Raises:
        SettingsError: the access rules name a tool that this robot does not have.
    """
    telemetry, notifier = robot.telemetry, robot.notifier
    server, presence = await build_guarded_server(robot, settings.robot, settings.access)
    act = partial(call_tool, server, settings.home_assistant.client_id)
    at_home = partial(home_assistant_services, robot, settings, act)
    monitoring = Monitoring(settings, telemetry, robot.board, at_home)
    online = asyncio.Event()

    def report_online() -> None:
        systemd.notify("READY=1", f"STATUS=online as {settings.robot.server_id}")
        logger.info("Online as %s (%s)", settings.robot.server_id, settings.robot.server_name)
        online.set()
        on_online()

    reactions = Reactions(
        settings.reactions.rules,
        telemetry.state,
        robot.face,
        robot.outputs,
        robot.stop_all,
        robot.speech.speaker,
        robot.recorder,
    )
    recognition = robot.speech.recognition
    asking = Asking(
        robot.questions,
        telemetry.state,
        telemetry.events,
        robot.face,
        robot.inputs.confirming,
        expect_speech=recognition.expect_speech if recognition is not None else lambda _: None,
    )
    services: Services = {
        "face": robot.face.run,
        "inputs": robot.inputs.watch,
        "reactions": reactions.run,
        "questions": asking.run,
        "resource updates": ResourceAnnouncer(telemetry, notifier.resource_updated, questions=robot.questions).run,
        **monitoring.services(online),
        "MCP": partial(
            _serve_mcp,
            robot,
            settings,
            server,
            presence,
            link=links["MCP"],
            on_online=report_online,
            extra_publisher=monitoring.publish,
        ),
        **camera_services(robot, settings.all_cameras()),
        **_sound_services(robot),
        **robot.vision.services(),
        **recording_services(robot.recorder, settings, robot.camera, telemetry.state, online),
    }
    if robot.store is not None:
        services["state store"] = robot.store.run
    if settings.webrtc.enabled:
        services["WebRTC"] = partial(answer_viewers, robot, settings, link=links["WebRTC"], online=online)
    if settings.http.enabled:
        services["HTTP"] = partial(serve_http, robot, settings, monitoring, page, online=online)
    if settings.a2a.enabled:
        services["A2A card"] = partial(publish_card, settings, server.list_tools, online)
    if robot.calls is not None:
        services["dialer"] = partial(dial, robot, robot.calls, settings, online=online)
    if settings.realtime.enabled:
        services["realtime"] = partial(converse, robot, settings.realtime, server, online, asking.is_answer)
    if robot.publishing is not None:
        services["publishing"] = partial(publish, robot, robot.publishing, settings, online=online)
    return services


async def _serve_mcp(
    robot: Robot,
    settings: Settings,
    server: RobotServer,
    presence: Mapping[str, Any],
    *,
    link: LinkCheck,
    on_online: Callable[[], None],
    extra_publisher: ExtraPublisher,
) -> None:
    identity, state = settings.robot, robot.telemetry.state

    def report(status: LinkStatus) -> None:
        link.report(status)
        state.update(mcp_connected=status.connected, link_error=status.reason)

    await serve(
        settings.broker,
        server,
        ServerOptions(
            server_id=identity.server_id,
            server_name=identity.server_name,
            description=identity.description,
            meta={"version": version_of("robot-node"), **presence},
            limits=settings.mcp,
        ),
        notifier=robot.notifier,
        backoff=settings.broker.backoff(),
        on_status=report,
        on_online=on_online,
        on_sessions=lambda count: state.update(sessions=count),
        extra_publisher=extra_publisher,
    )


def _sound_services(robot: Robot) -> Services:
    speaker, recognition, services = robot.speech.speaker, robot.speech.recognition, Services()
    if robot.loudspeaker is not None:
        services["loudspeaker at start"] = robot.loudspeaker.check
    if speaker is not None:
        services |= {"speech": speaker.run, "voice at start": speaker.check}
    if recognition is not None:
        services["speech recognition"] = recognition.run
        if robot.inputs.talking:
            services["push to talk"] = partial(
                watch_talk_buttons, robot.telemetry.state, robot.inputs.talking, recognition
            )
    return services


def _link_checks(settings: Settings) -> dict[str, LinkCheck]:
    # Between two attempts to connect: the delay, the attempt, and the restart of a service that crashed.
    silence_s = settings.broker.reconnect_maximum_s + settings.broker.connect_timeout_s + 60.0
    names = ["MCP", "WebRTC"] if settings.webrtc.enabled else ["MCP"]
    return {name: LinkCheck(name, silence_s) for name in names}
