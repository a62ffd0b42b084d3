"""All figures of a robot at one moment, which metrics and health messages show: a view of its telemetry."""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from robot_node.core.counters import Counters, Distribution, Link, Outcome
from robot_node.core.state import CallState, CameraState, Device, PublishState
from robot_node.devices.board import BoardReadings, Throttling
from robot_node.robot.status import view
from robot_node.robot.telemetry import Telemetry
from robot_node.webrtc.call_control import CallCause
from robot_node.webrtc.stats import TOO_MANY_OFFERS, TOO_MANY_VIEWERS, Cause, StreamingStats

END_REASONS = (*(cause.name.lower() for cause in Cause), TOO_MANY_VIEWERS, TOO_MANY_OFFERS)
"""Every reason why a viewer's offer or session ended."""

CALL_END_REASONS = tuple(cause.name.lower() for cause in CallCause)
"""Every reason why a call ended."""


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True)


class Timing(_Figures):
    """Durations of one kind."""

    count: int = Field(description="How many there were.")
    sum_s: float = Field(description="Seconds, all of them together.")
    within_s: dict[str, int] = Field(description="How many took at most so many seconds; all of them under `+Inf`.")

    @classmethod
    def of(cls, times: Distribution) -> Timing:
        """Return a distribution as it is published."""
        within = {"+Inf" if bound == float("inf") else f"{bound:g}": count for bound, count in times.cumulative()}
        return cls(count=times.count, sum_s=round(times.sum_s, 3), within_s=within)


class ConnectionFigures(_Figures):
    """One of the connections to the broker."""

    connected: bool = Field(description="It is up.")
    reconnects: int = Field(description="How often it was made again since the start.")


class SessionFigures(_Figures):
    """Agents."""

    open: int = Field(description="Agents that have an MCP session now.")
    opened: int = Field(description="Sessions that were opened since the start.")


class ToolFigures(_Figures):
    """The calls of one tool since the start."""

    outcomes: dict[Outcome, int] = Field(description="How many calls ended so: ok, error, refused, asked, cancelled.")
    seconds: Timing = Field(description="How long the calls took, from the request to the result.")


class WebRtcFigures(_Figures):
    """Viewers and what they get."""

    offers: int = Field(description="Offers that came since the start.")
    answers: int = Field(description="Offers that were answered.")
    connected: int = Field(description="Sessions that came to be connected.")
    success_ratio: float | None = Field(
        description="Connected of all offers but those still under way, 0 to 1; null before the first."
    )
    ended: dict[str, int] = Field(description="Ended offers and sessions, by reason.")
    viewers: int = Field(description="Viewers that are connected now.")
    bitrate: int = Field(description="Of the video to all viewers together, in bits per second.")
    packet_loss: float | None = Field(description="Share of the packets that the worst-off viewer has missed, 0 to 1.")
    round_trip_ms: float | None = Field(description="To the viewer that is farthest off and back, in milliseconds.")
    frames_sent: int = Field(description="Video frames handed to the network, once for each viewer.")
    frames_dropped: int = Field(description="Video frames that viewers lost because they were behind.")
    keyframes_forced: int = Field(description="Keyframes that the encoders were asked for.")


class CallFigures(_Figures):
    """The robot's own calls to its media backend."""

    attempts: int = Field(description="Calls that were begun since the start.")
    connected: int = Field(description="Calls that came to be connected.")
    ended: dict[str, int] = Field(description="Ended calls, by reason.")


class PublishFigures(_Figures):
    """The stream to a server for many viewers; null where the robot may not publish."""

    state: PublishState = Field(description="off, connecting, live or waiting (to try again).")
    attempts: int = Field(description="Attempts that were begun since the start.")
    connected: int = Field(description="Attempts that came to be connected.")
    ended: dict[str, int] = Field(description="Attempts and streams that have failed, by reason.")


class BoardFigures(_Figures):
    """The Raspberry Pi itself; null each on a machine that doesn't tell."""

    temperature_c: float | None = Field(description="Of the processor, in degrees Celsius.")
    throttling: list[str] | None = Field(
        description="What slows it down now: under_voltage, frequency_capped, throttled, soft_temperature_limit."
    )
    throttled_since_boot: list[str] | None = Field(description="What has slowed it down since it was switched on.")


class ProcessFigures(_Figures):
    """The robot's process."""

    memory_bytes: int = Field(description="Memory that it occupies (resident set), in bytes.")
    cpu_s: float = Field(description="Processor time that it has used, in seconds.")
    open_files: int = Field(description="Files, sockets and devices that it holds open.")
    loop_lateness: Timing = Field(description="How late the event loop was, asked once a second.")


class RecordingFigures(_Figures):
    """Recording; null where the robot may not."""

    now: bool = Field(description="The camera's video is being recorded.")
    saved: int = Field(description="Files that are complete, since the start.")
    lost_frames: int = Field(description="Pictures that files lack because the disk was too slow.")


class StateFigures(_Figures):
    """The robot's state."""

    camera: CameraState = Field(description="off, starting, on, stopping or failed.")
    privacy: bool = Field(description="The privacy switch is engaged.")
    emotion: str = Field(description="The emotion that the face shows.")
    microphone_on: bool = Field(description="The microphone is open.")
    speaking: bool = Field(description="The robot is speaking.")
    call: CallState = Field(description="The call to the media backend.")
    motion: dict[str, bool] = Field(description="Whether something moves, by zone; empty: motion is not looked for.")


class StateOfSeveral(StateFigures):
    """The state of a robot with several cameras; `camera` is that of the first."""

    cameras: dict[str, CameraState] = Field(description="The state of each camera.")


class FaultFigures(_Figures):
    """Faults."""

    now: dict[str, str] = Field(description="Reasons of the current faults, by part; empty without fault.")
    count: dict[str, int] = Field(description="How often each part has failed since the start.")
    bus_errors: dict[str, int] = Field(
        description="How often the display did not answer on its bus, i2c or spi: once for each attempt."
    )


class Figures(_Figures):
    """Everything."""

    server_id: str = Field(description="The robot's id.")
    version: str = Field(description="Version of robot-node.")
    python: str = Field(description="Version of Python.")
    time: str = Field(description="When, by the robot's clock, in UTC.")
    uptime_s: float = Field(description="Seconds since the robot started.")
    connections: dict[Link, ConnectionFigures] = Field(
        description="The MQTT connections: `mcp`, `signaling`, and `dialer` if it may call."
    )
    sessions: SessionFigures = Field(description="Agents that came and went.")
    tools: dict[str, ToolFigures] = Field(description="Tools that were called, by name; `other`: not the robot's.")
    webrtc: WebRtcFigures = Field(description="Viewers, how their connections went, and what they get.")
    recording: RecordingFigures | None = Field(description="Recording; null where the robot may not.")
    calls: CallFigures = Field(description="How the robot's calls to its media backend went.")
    publishing: PublishFigures | None = Field(
        description="The stream to a server for many viewers; null where the robot may not publish."
    )
    board: BoardFigures = Field(description="How the Raspberry Pi itself is.")
    process: ProcessFigures = Field(description="What the robot's process needs, and how late it is.")
    state: StateFigures | StateOfSeveral = Field(description="What the robot does.")
    faults: FaultFigures = Field(description="What does not work, and how often it did not.")
    events: int = Field(description="Number of the newest event in robot://events.")


def figures_of(telemetry: Telemetry, board: BoardReadings, server_id: str) -> Figures:
    """Return the present figures. From the event loop only."""
    now, counted = telemetry.state.snapshot, telemetry.counters
    connected = {Link.MCP: now.mcp_connected, Link.SIGNALING: now.signaling_connected}
    if counted.dialer_connected is not None:
        connected[Link.DIALER] = counted.dialer_connected
    return Figures(
        server_id=server_id,
        version=metadata.version("robot-node"),
        python=platform.python_version(),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        uptime_s=telemetry.uptime_s,
        connections={
            link: ConnectionFigures(connected=up, reconnects=counted.reconnects(link)) for link, up in connected.items()
        },
        sessions=SessionFigures(open=now.sessions, opened=counted.sessions_opened),
        tools={
            name: ToolFigures(outcomes=dict(calls.outcomes), seconds=Timing.of(calls.seconds))
            for name, calls in counted.tools.items()
        },
        webrtc=_webrtc(telemetry.statistics.snapshot(), now.viewers),
        recording=None
        if now.recording is None
        else RecordingFigures(
            now=now.recording, saved=counted.recordings_saved, lost_frames=counted.recording_lost_frames
        ),
        calls=CallFigures(
            attempts=counted.calls,
            connected=counted.calls_connected,
            ended=_counted(counted.call_ends, CALL_END_REASONS),
        ),
        publishing=None
        if now.publishing is None
        else PublishFigures(
            state=now.publishing,
            attempts=counted.publish_attempts,
            connected=counted.publish_connected,
            ended=_counted(counted.publish_ends, CALL_END_REASONS),
        ),
        board=BoardFigures(
            temperature_c=board.temperature_c,
            throttling=_names(board.throttling),
            throttled_since_boot=_names(board.throttled_since_boot),
        ),
        process=_process(counted),
        state=(StateOfSeveral if now.cameras else StateFigures)(**view(now)),
        faults=FaultFigures(
            now=dict(now.faults),
            count={part: counted.faults[part] for part in sorted({*Device, *counted.faults})},
            bus_errors=_counted(counted.bus_errors, ("i2c", "spi")),
        ),
        events=telemetry.events.last,
    )


def _webrtc(stats: StreamingStats, viewers: int) -> WebRtcFigures:
    totals, sessions = stats.totals, stats.sessions
    decided = totals.offers - sum(not session.connected for session in sessions)
    return WebRtcFigures(
        offers=totals.offers,
        answers=totals.answers,
        connected=totals.connected,
        success_ratio=round(totals.connected / decided, 4) if decided > 0 else None,
        ended=_counted(totals.ended, END_REASONS),
        viewers=viewers,
        bitrate=sum(session.bitrate for session in sessions),
        packet_loss=max((session.packet_loss for session in sessions if session.connected), default=None),
        round_trip_ms=max(
            (session.round_trip_ms for session in sessions if session.round_trip_ms is not None), default=None
        ),
        frames_sent=totals.frames_sent,
        frames_dropped=totals.frames_dropped,
        keyframes_forced=totals.keyframes_forced,
    )


def _counted(counts: Mapping[str, int], names: tuple[str, ...]) -> dict[str, int]:
    return {name: counts.get(name, 0) for name in names}


def _names(flags: Throttling | None) -> list[str] | None:
    return None if flags is None else [flag.name.lower() for flag in Throttling if flag in flags and flag.name]


def _process(counted: Counters) -> ProcessFigures:
    resident_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return ProcessFigures(
        memory_bytes=resident_pages * resource.getpagesize(),
        cpu_s=round(time.process_time(), 3),
        open_files=len(os.listdir("/proc/self/fd")),  # noqa: PTH208  # no objects for what is only counted
        loop_lateness=Timing.of(counted.loop_lag),
    )
