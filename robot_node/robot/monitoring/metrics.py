"""The figures as metrics for Prometheus, at ``/metrics`` of a local port; made at each scrape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from robot_node.core.hosts import host_in_url
from robot_node.core.state import CallState, CameraState, PublishState
from robot_node.core.web_server import listen, not_for_good, serve_app
from robot_node.devices.board import Throttling
from robot_node.robot.monitoring.figures import Figures, StateFigures, StateOfSeveral, Timing
from robot_node.settings.root import MetricsSettings

PATH = "/metrics"
_PREFIX = "robot_node_"


class RobotCollector(Collector):
    """Turns figures into metrics at each scrape.

    Args:
        figures: Returns the present figures.
    """

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Return all metrics. Labels have few values: no client id, and no tool that the robot does not have."""
        now = self._figures()
        info = {"server_id": now.server_id, "version": now.version, "python": now.python}
        yield InfoMetricFamily("robot_node", "Which robot it is, and what it runs.", info)
        yield from _broker(now)
        yield from _tools(now)
        yield from _webrtc(now)
        yield from _recording(now)
        yield from _publishing(now)
        yield from _state(now)
        yield from _board(now)
        yield from _process(now)


def _broker(now: Figures) -> Iterator[Metric]:
    links = now.connections
    yield _gauge(
        "mqtt_connected",
        "1 while the connection to the broker is up: mcp for agents, signaling for viewers, dialer for calls.",
        {link.value: figures.connected for link, figures in links.items()},
        label="connection",
    )
    yield _counter(
        "mqtt_reconnects",
        "How often the connection to the broker was made again.",
        {link.value: figures.reconnects for link, figures in links.items()},
        label="connection",
    )
    yield _gauge("mcp_sessions", "Agents that have a session now.", now.sessions.open)
    yield _counter("mcp_sessions_opened", "Sessions that agents have opened.", now.sessions.opened)


def _tools(now: Figures) -> Iterator[Metric]:
    calls = CounterMetricFamily(
        f"{_PREFIX}tool_calls",
        "Calls of tools, by outcome: ok; error, which the model can read; refused by the rules; asked, when a person "
        "must confirm first; cancelled.",
        labels=("tool", "outcome"),
    )
    seconds = HistogramMetricFamily(
        f"{_PREFIX}tool_call_seconds", "How long calls took, from the request to the result.", labels=("tool",)
    )
    for name, tool in now.tools.items():
        for outcome, count in tool.outcomes.items():
            calls.add_metric((name, outcome.value), count)
        seconds.add_metric((name,), _buckets(tool.seconds), tool.seconds.sum_s)
    yield calls
    yield seconds


def _webrtc(now: Figures) -> Iterator[Metric]:
    webrtc = now.webrtc
    yield _counter("webrtc_offers", "Offers that viewers have made.", webrtc.offers)
    yield _counter("webrtc_answers", "Offers that were answered.", webrtc.answers)
    yield _counter("webrtc_connected", "Sessions with viewers that came to be connected.", webrtc.connected)
    yield _counter("webrtc_ended", "Ended offers and sessions, by reason.", webrtc.ended, label="reason")
    yield _gauge("webrtc_viewers", "Viewers that are connected now.", webrtc.viewers)
    # Prometheus counts in bytes ("Metric and label naming", base units).
    yield _gauge("webrtc_video_bytes_per_second", "Video to all viewers together.", webrtc.bitrate / 8)
    yield _gauge(
        "webrtc_packet_loss_ratio", "Share of packets that the worst-off viewer has missed, 0 to 1.", webrtc.packet_loss
    )
    round_trip_s = None if webrtc.round_trip_ms is None else webrtc.round_trip_ms / 1000
    yield _gauge("webrtc_round_trip_seconds", "To the viewer that is farthest off, and back.", round_trip_s)
    yield _counter("video_frames_sent", "Frames handed to the network, once for each viewer.", webrtc.frames_sent)
    yield _counter("video_frames_dropped", "Frames that viewers lost because they were behind.", webrtc.frames_dropped)
    yield _counter("video_keyframes_forced", "Keyframes that the encoders were asked for.", webrtc.keyframes_forced)
    yield _counter("call_attempts", "Calls to the backend that were begun.", now.calls.attempts)
    yield _counter("call_connected", "Calls to the backend that came to be connected.", now.calls.connected)
    yield _counter("call_ended", "Ended calls to the backend, by reason.", now.calls.ended, label="reason")


def _recording(now: Figures) -> Iterator[Metric]:
    recording = now.recording
    if recording is not None:
        yield _gauge("recording", "1 while the camera's video is being recorded.", recording.now)
        yield _counter("recordings_saved", "Recordings that are complete on the disk.", recording.saved)
        yield _counter("recording_frames_lost", "Pictures lost because the disk was too slow.", recording.lost_frames)


def _publishing(now: Figures) -> Iterator[Metric]:
    publishing = now.publishing
    if publishing is not None:
        yield _one_of(
            "publish_state", "1 for the state of the published stream.", PublishState, publishing.state, label="state"
        )
        yield _counter("publish_attempts", "Attempts to publish that were begun.", publishing.attempts)
        yield _counter("publish_connected", "Attempts to publish that came to be connected.", publishing.connected)
        yield _counter("publish_failed", "Failed attempts and streams, by reason.", publishing.ended, label="reason")


def _state(now: Figures) -> Iterator[Metric]:
    state, faults = now.state, now.faults
    yield _camera_state(state)
    yield _one_of("call_state", "1 for the state of the call to the backend.", CallState, state.call, label="state")
    yield _gauge("emotion", "1 for the emotion that the face shows.", {state.emotion: 1}, label="emotion")
    yield _gauge("privacy", "1 while the privacy switch is engaged.", state.privacy)
    yield _gauge("microphone_on", "1 while the microphone is open.", state.microphone_on)
    if state.motion:
        yield _gauge("motion", "1 while something moves in the zone.", state.motion, label="zone")
    yield _gauge("speaking", "1 while the robot is speaking.", state.speaking)
    yield _gauge(
        "fault",
        "1 while the part does not work, by its name among the faults of get_status. What is no device of every robot "
        "appears when it first fails.",
        {part: part in faults.now for part in faults.count},
        "part",
    )
    yield _counter("faults", "How often the part has failed.", faults.count, label="part")
    yield _counter(
        "bus_errors",
        "How often the display did not answer on its bus: once for each attempt.",
        faults.bus_errors,
        label="bus",
    )
    yield _counter("events", "Entries of robot://events since the start.", now.events)


def _camera_state(state: StateFigures) -> Metric:
    name, said = "camera_state", "1 for the state that the camera is in."
    if not isinstance(state, StateOfSeveral):
        return _one_of(name, said, CameraState, state.camera, label="state")
    family = GaugeMetricFamily(_PREFIX + name, said, labels=("camera", "state"))
    for camera, its in state.cameras.items():
        for each in CameraState:
            family.add_metric((camera, str(each)), each == its)
    return family


def _board(now: Figures) -> Iterator[Metric]:
    board = now.board
    yield _gauge("board_temperature_celsius", "Of the processor.", board.temperature_c)
    throttling = GaugeMetricFamily(
        f"{_PREFIX}board_throttling",
        "1 while the Pi is slowed down for this reason (when: now), or was since it was switched on (since_boot).",
        labels=("reason", "when"),
    )
    for when, reasons in (("now", board.throttling), ("since_boot", board.throttled_since_boot)):
        if reasons is not None:
            for reason in Throttling:
                name = str(reason.name).lower()
                throttling.add_metric((name, when), name in reasons)
    yield throttling


def _process(now: Figures) -> Iterator[Metric]:
    process = now.process
    yield _gauge("uptime_seconds", "Since the robot started.", now.uptime_s)
    lateness = HistogramMetricFamily(
        f"{_PREFIX}event_loop_lateness_seconds", "How late the event loop was, asked once a second."
    )
    lateness.add_metric((), _buckets(process.loop_lateness), process.loop_lateness.sum_s)
    yield lateness
    # The names that every exporter uses (Prometheus, "Writing client libraries", process metrics).
    yield GaugeMetricFamily("process_resident_memory_bytes", "Memory that the process occupies.", process.memory_bytes)
    yield CounterMetricFamily("process_cpu_seconds", "Processor time that the process has used.", process.cpu_s)
    yield GaugeMetricFamily("process_open_fds", "Files, sockets and devices held open.", process.open_files)


Values = Mapping[str, float] | float | None
"""A value for each value of the label, or one value without label, or none yet."""


def _gauge(name: str, documentation: str, values: Values, label: str = "") -> Metric:
    return _filled(GaugeMetricFamily(_PREFIX + name, documentation, labels=(label,) if label else ()), values)


def _counter(name: str, documentation: str, values: Values, label: str = "") -> Metric:
    return _filled(CounterMetricFamily(_PREFIX + name, documentation, labels=(label,) if label else ()), values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Values) -> Metric:
    if isinstance(values, Mapping):
        for label, value in values.items():
            family.add_metric((label,), value)
    elif values is not None:
        family.add_metric((), values)
    return family


def _one_of(name: str, documentation: str, states: Iterable[str], now: str, *, label: str) -> Metric:
    return _gauge(name, documentation, {str(state): state == now for state in states}, label)


def _buckets(timing: Timing) -> list[tuple[str, float]]:
    return list(timing.within_s.items())


def route(figures: Callable[[], Awaitable[Figures]]) -> Route:
    """Return the route of the metrics.

    Args:
        figures: Returns the present figures.
    """

    async def metrics(request: Request) -> Response:
        now = await figures()
        registry = CollectorRegistry()
        registry.register(RobotCollector(lambda: now))
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=None, headers={"Content-Type": content_type})

    return Route(PATH, metrics)


def build_app(figures: Callable[[], Awaitable[Figures]]) -> Starlette:
    """Return the web application: nothing but ``/metrics``.

    Args:
        figures: Returns the present figures.
    """

    async def elsewhere(_: Request) -> Response:
        return PlainTextResponse(f"The metrics are at {PATH}.\n", 404)

    return Starlette(routes=[route(figures), Route("/{path:path}", elsewhere)])


async def serve_metrics(
    settings: MetricsSettings,
    figures: Callable[[], Awaitable[Figures]],
    *,
    on_listening: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve the metrics until cancelled.

    Args:
        settings: Host and port.
        figures: Returns the present figures.
        on_listening: Called with the address once it can be scraped.

    Raises:
        NotReadyError: the address is not available now.
    """
    remedy = "Choose another address or port in [metrics] of the settings."
    with not_for_good():
        listener = await listen(settings.host, settings.port, remedy=remedy)
    with listener:
        host = host_in_url(settings.host)
        on_listening(f"http://{host}:{listener.getsockname()[1]}{PATH}")
        await serve_app(build_app(figures), listener, host=settings.host, name="metrics", lifespan="off")
