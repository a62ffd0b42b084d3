"""The composition root: builds the devices and services of one robot, starts them and stops them in order."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from types import MappingProxyType
from typing import Any

from mcp.server import MCPServer

from robot_node.core.backoff import RestartPolicy
from robot_node.core.counters import Counters, count_changes
from robot_node.core.events import Event, EventLog, record
from robot_node.core.state import RobotState
from robot_node.devices.audio import Loudspeaker, Microphone
from robot_node.devices.camera import Camera
from robot_node.devices.camera_watchdog import restart_when_stalled, switch_on_at_start
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.devices.on_pins import open_pins
from robot_node.devices.platform import Platform
from robot_node.devices.plugin import DeviceContext
from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.mcp_mqtt.server import ExtraPublisher, ServerOptions, serve
from robot_node.mqtt import LinkStatus
from robot_node.robot import systemd, watchdog
from robot_node.robot.chat import Chat
from robot_node.robot.monitoring.factory import Monitoring
from robot_node.robot.plugins import open_plugins
from robot_node.robot.reactions import react
from robot_node.robot.saved_state import SavedState, camera_comes_on, restore
from robot_node.robot.shutdown import DeviceStack
from robot_node.robot.state_store import StateStore, state_file
from robot_node.robot.subtitles import Subtitles
from robot_node.robot.supervisor import Service, Supervisor
from robot_node.robot.watchdog import LinkCheck
from robot_node.settings.devices import AudioSettings, CameraSettings
from robot_node.settings.root import Settings
from robot_node.speech.factory import Speech, build_speech
from robot_node.tools.access import guarded
from robot_node.tools.logs import SET_LOG_LEVEL, offer_log_levels
from robot_node.tools.resources import announce
from robot_node.tools.server import Body, build_server
from robot_node.webrtc.answerer import answer
from robot_node.webrtc.bitrate import BitrateLimits
from robot_node.webrtc.call_control import CallControl
from robot_node.webrtc.media_stack import load_module
from robot_node.webrtc.streams import Streams

logger = logging.getLogger(__name__)


async def run(
    settings: Settings,
    platform: Platform,
    *,
    on_online: Callable[[], None] = lambda: None,
    beside: Mapping[str, Service] = MappingProxyType({}),
    restarts: RestartPolicy = RestartPolicy(),
) -> None:
    """Run one robot until cancelled.

    The face and presence come up first; the media stack is loaded while the robot is already reachable. When
    cancelled, presence is cleared and viewers are told, then the camera is switched off and the display goes dark.
    A service that crashes is started again (see :mod:`robot_node.robot.supervisor`).

    Args:
        settings: The robot's settings.
        platform: The hardware, real or simulated.
        on_online: Called each time the robot has become reachable.
        beside: Further services to run as long as the robot does, by name.
        restarts: When a service that crashed is started again.

    Raises:
        SettingsError: a setting cannot be used.
        ServiceError: a service crashed too often.
    """
    state, links = RobotState(), _link_checks(settings)
    events, counters = _follow(state)
    async with watchdog.fed([watchdog.no_call_hangs, *links.values()]), DeviceStack() as devices:
        store = StateStore(state_file(settings.robot.state_file), state)
        display = Display(platform, settings.display, state, counters=counters)
        devices.push_async_callback(display.close)
        await display.open()
        face = Face(
            display,
            state,
            expressions=settings.face.all_expressions(settings.display),
            policy=settings.display.policy(),
            seed=zlib.crc32(settings.robot.server_id.encode()),  # two robots side by side don't blink together
        )
        on_pins = await open_pins(platform, settings, state, events, devices)
        camera = Camera(platform, settings.camera, state, indicator=on_pins.indicator, privacy=on_pins.privacy)
        devices.push_async_callback(camera.close)
        microphone, loudspeaker = _sound(platform, settings.audio, state, devices)
        saved = await store.load()
        restore(saved, state, face, loudspeaker)
        speech = build_speech(settings, face, state, events, microphone=microphone, loudspeaker=loudspeaker)
        streams = Streams(
            camera,
            speech.mixer,
            pictures=camera,
            camera_settings=settings.camera,
            bitrate=BitrateLimits(
                floor=min(settings.webrtc.min_bitrate, settings.camera.bitrate), ceiling=settings.camera.bitrate
            ),
        )
        devices.callback(streams.close)
        notifier = Notifier()
        plugins = await open_plugins(
            (
                DeviceContext(name, table, platform, state, events, notifier.resource_updated)
                for name, table in settings.devices.tables.items()
            ),
            devices,
        )
        calls = CallControl(state, wanted=settings.dialer.call_at_start) if settings.dialer.enabled else None
        body = Body(
            camera=camera,
            face=face,
            state=state,
            loudspeaker=loudspeaker,
            speaker=speech.speaker,
            calls=calls,
            outputs=on_pins.outputs,
            plugins=plugins,
            events=events,
            counters=counters,
        )
        server, meta = await _make_server(settings, body, notifier)
        monitoring = Monitoring(settings, body, platform)
        devices.callback(monitoring.close)
        devices.push_async_callback(store.close)  # last, to be closed first
        online = asyncio.Event()

        def has_become_reachable() -> None:
            systemd.notify("READY=1", f"STATUS=online as {settings.robot.server_id}")
            logger.info("Online as %s (%s)", settings.robot.server_id, settings.robot.server_name)
            online.set()
            on_online()

        try:
            async with Supervisor(state, policy=restarts) as services:
                always: dict[str, Service] = {
                    "face": face.run,
                    "inputs": on_pins.inputs.watch,
                    "reactions": partial(react, body, settings.reactions.rules),
                    "resource updates": partial(announce, body, notifier.resource_updated),
                    "state store": store.run,
                    **monitoring.services(online),
                }
                for name, service in {**always, **beside}.items():
                    services.run(name, service)
                serve_mcp = partial(
                    _serve_mcp,
                    settings,
                    server,
                    state,
                    notifier,
                    has_become_reachable,
                    meta=meta,
                    extra_publisher=monitoring.publish,
                    link=links["MCP"],
                )
                services.run("MCP", serve_mcp)
                if settings.webrtc.enabled:
                    services.run(
                        "WebRTC", partial(_stream, settings, streams, body, links["WebRTC"], online, speech=speech)
                    )
                if calls is not None:
                    services.run("dialer", partial(_dial, settings, streams, calls, body, online, speech=speech))
                _speak_and_hear(services, loudspeaker, speech)
                _look_after_camera(services, camera, settings.camera, state, saved)
        finally:
            systemd.notify("STOPPING=1", "STATUS=leaving")
            logger.info("Leaving: camera off, display dark")


async def _make_server(settings: Settings, body: Body, notifier: Notifier) -> tuple[MCPServer, Mapping[str, Any]]:
    """The robot's MCP server, guarded and measured, and what its presence says of its rules."""
    robot = settings.robot
    server = build_server(body, name=robot.server_name, description=robot.description, notifier=notifier)
    if settings.access.grants_by_name(SET_LOG_LEVEL):
        offer_log_levels(server)
    policy = await guarded(server, settings.access)
    body.counters.register_tools(tool.name for tool in await server.list_tools())
    return server, policy.meta()


async def _serve_mcp(
    settings: Settings,
    server: MCPServer,
    state: RobotState,
    notifier: Notifier,
    on_online: Callable[[], None],
    *,
    meta: Mapping[str, Any],
    extra_publisher: ExtraPublisher,
    link: LinkCheck,
) -> None:
    robot = settings.robot

    def report(status: LinkStatus) -> None:
        link.report(status)
        state.update(mcp_connected=status.connected, link_error=status.reason)

    options = ServerOptions(
        server_id=robot.server_id,
        server_name=robot.server_name,
        description=robot.description,
        meta=meta,
        limits=settings.mcp,
    )
    await serve(
        settings.broker,
        server,
        options,
        notifier=notifier,
        backoff=settings.broker.backoff(),
        on_status=report,
        on_online=on_online,
        on_sessions=lambda count: state.update(sessions=count),
        extra_publisher=extra_publisher,
    )


async def _stream(
    settings: Settings, streams: Streams, body: Body, link: LinkCheck, online: asyncio.Event, *, speech: Speech
) -> None:
    """Serve viewers. Their offers are welcome at once; what it takes to answer them is loaded when all else is up."""

    def report(status: LinkStatus) -> None:
        link.report(status)
        body.state.update(signaling_connected=status.connected)

    await answer(
        settings.broker,
        settings.robot.server_id,
        streams,
        settings.webrtc,
        body.state,
        statistics=body.statistics,
        load_after=online,
        backoff=settings.broker.backoff(),
        on_status=report,
        announcements=speech.announcements,
        on_chat=Chat(body.events).receive,
    )


async def _dial(
    settings: Settings, streams: Streams, calls: CallControl, body: Body, online: asyncio.Event, *, speech: Speech
) -> None:
    """Call the media backend. Loading aiortc and av takes seconds on a Pi: in a thread, once the robot is reachable."""

    def report(status: LinkStatus) -> None:
        body.counters.set_dialer_connected(connected=status.connected)

    await online.wait()
    dialer = await load_module("dialer")
    await dialer.dial(
        settings.broker,
        settings.robot.server_id,
        streams,
        settings.dialer,
        calls,
        webrtc=settings.webrtc,
        counters=body.counters,
        link_backoff=settings.broker.backoff(),
        on_status=report,
        on_message=Subtitles(body.face.show_text).receive,
        announcements=speech.announcements,
    )


def _sound(
    platform: Platform, settings: AudioSettings, state: RobotState, devices: AsyncExitStack
) -> tuple[Microphone | None, Loudspeaker | None]:
    """The sound devices that are asked for."""
    microphone = loudspeaker = None
    if settings.microphone != "none":
        microphone = Microphone(platform, settings.microphone, state, bitrate=settings.bitrate)
        devices.push_async_callback(microphone.close)
    if settings.loudspeaker != "none":
        loudspeaker = Loudspeaker(
            platform, settings.loudspeaker, state, volume=settings.volume, volume_control=settings.volume_control
        )
        devices.push_async_callback(loudspeaker.close)
    return microphone, loudspeaker


def _follow(state: RobotState) -> tuple[EventLog, Counters]:
    """Log and count, from the first moment, what the changes of the state mean."""
    events, counters = EventLog(), Counters()
    events.add("robot", "The robot has started.")
    record(state, events)
    events.listen(_write_down)
    count_changes(state, counters)
    return events, counters


def _write_down(event: Event) -> None:
    """Who switched the camera, and what hands did at the robot, is kept in the journal too."""
    if event.kind in {"camera", "privacy", "input"}:
        logger.info("%s%s", event.text, f" By {event.by!r}." if event.by else "")


def _speak_and_hear(services: Supervisor, loudspeaker: Loudspeaker | None, speech: Speech) -> None:
    if loudspeaker is not None:
        services.run("loudspeaker at start", loudspeaker.check)
    if speech.speaker is not None:
        services.run("speech", speech.speaker.run)
        services.run("voice at start", speech.speaker.check)
    if speech.recognition is not None:
        services.run("speech recognition", speech.recognition.run)


def _look_after_camera(
    services: Supervisor, camera: Camera, settings: CameraSettings, state: RobotState, saved: SavedState
) -> None:
    services.run("camera watchdog", partial(restart_when_stalled, camera, settings.restart_after_s))
    if settings.on_at_start and saved.camera is False:
        logger.info("The camera stays off, although camera.on_at_start is set: it was switched off before the restart")
    if camera_comes_on(saved, on_at_start=settings.on_at_start, on_after_restart=settings.on_after_restart):
        services.run("camera at start", partial(switch_on_at_start, camera, state))


def _link_checks(settings: Settings) -> dict[str, LinkCheck]:
    # Between two attempts to connect: the delay, the attempt, and the restart of a service that crashed.
    silence_s = settings.broker.reconnect_maximum_s + settings.broker.connect_timeout_s + 60.0
    names = ["MCP", "WebRTC"] if settings.webrtc.enabled else ["MCP"]
    return {name: LinkCheck(name, silence_s) for name in names}
