"""The event log, and the events that changes of the state become."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from robot_node.core.events import Event, EventLog, record
from robot_node.core.state import CallState, CameraState, CameraView, RobotSnapshot, RobotState, act_for

NOON = datetime(2026, 7, 28, 12, tzinfo=UTC)


def log_at(*times: datetime, capacity: int = 200) -> EventLog:
    clock = iter(times)
    return EventLog(lambda: next(clock), capacity=capacity)


def told(log: EventLog) -> list[tuple[str, str]]:
    return [(event.kind, event.text) for event in log.after()]


def after(*changes: dict[str, Any], start: RobotSnapshot | None = None) -> list[tuple[str, str]]:
    """Kind and text of the events after these changes of the state."""
    state, log = RobotState(start), EventLog()
    record(state, log)
    for change in changes:
        state.update(**change)
    return told(log)


def test_events_have_a_number_a_time_a_kind_and_a_text() -> None:
    log = log_at(NOON, NOON + timedelta(milliseconds=1500))
    log.add("input", "Button left was pressed.")
    log.add("camera", "The camera was switched on.", by="agent-1")
    assert log.after() == (
        Event(1, "2026-07-28T12:00:00.000+00:00", "input", "Button left was pressed."),
        Event(2, "2026-07-28T12:00:01.500+00:00", "camera", "The camera was switched on.", "agent-1"),
    )


def test_their_order_survives_a_clock_that_is_set_back() -> None:
    log = log_at(NOON, NOON - timedelta(days=9000), NOON)
    events = [log.add("robot", "x") for _ in range(3)]
    assert [event.sequence for event in log.after()] == [1, 2, 3]
    assert events[1].time < events[0].time


def test_times_are_in_utc_wherever_the_robot_is() -> None:
    log = log_at(NOON.astimezone(timezone(timedelta(hours=9))))
    assert log.add("robot", "x").time == "2026-07-28T12:00:00.000+00:00"


def test_only_the_latest_are_kept_and_their_numbers_go_on() -> None:
    log = EventLog(capacity=3)
    assert log.last == 0
    for number in range(10):
        log.add("robot", f"event {number}")
    assert [event.sequence for event in log.after()] == [8, 9, 10]
    assert [event.sequence for event in log.after(9)] == [10]
    assert log.after(10) == ()
    assert log.last == 10


def test_a_text_without_end_is_cut() -> None:
    assert len(EventLog().add("fault", "x" * 10_000).text) == 500


def test_listeners_are_called_until_they_stop() -> None:
    log, heard = EventLog(), list[int]()
    stop = log.listen(lambda event: heard.append(event.sequence))
    log.add("robot", "one")
    stop()
    log.add("robot", "two")
    assert heard == [1]


def test_the_camera_is_an_event_when_it_is_on_or_off_and_not_on_its_way_there() -> None:
    way = [CameraState.STARTING, CameraState.ON, CameraState.STOPPING, CameraState.OFF]
    assert after(*({"camera": step} for step in way)) == [
        ("camera", "The camera was switched on."),
        ("camera", "The camera was switched off."),
    ]


def camera(state: CameraState, error: str = "") -> dict[str, Any]:
    """A change of the camera, with its fault."""
    return {"camera": state, "faults": {"camera": error} if error else {}}


BUSY, GONE = (camera(CameraState.FAILED, reason) for reason in ("It is busy.", "It is gone."))
OFF, STARTING, ON = (camera(state) for state in (CameraState.OFF, CameraState.STARTING, CameraState.ON))


def test_a_camera_that_failed_works_again_when_it_is_on() -> None:
    assert after(BUSY, STARTING, BUSY, STARTING, ON) == [
        ("fault", "The camera failed: It is busy."),
        ("camera", "The camera was switched on."),
        ("recovered", "The camera works again."),
    ]


def test_a_failed_camera_that_is_switched_off_works_again_when_it_is_on() -> None:
    assert after(BUSY, OFF, STARTING, ON) == [
        ("fault", "The camera failed: It is busy."),
        ("camera", "The camera was switched off."),
        ("camera", "The camera was switched on."),
        ("recovered", "The camera works again."),
    ]


def test_a_camera_that_is_tried_again_in_vain_is_reported_once_for_each_reason() -> None:
    assert after(BUSY, STARTING, BUSY, STARTING, GONE, STARTING, GONE, OFF, STARTING, GONE) == [
        ("fault", "The camera failed: It is busy."),
        ("fault", "The camera failed: It is gone."),
        ("camera", "The camera was switched off."),
        ("fault", "The camera failed: It is gone."),
    ]


def test_a_camera_without_encoder_is_a_fault_of_its_own() -> None:
    error = "No encoder."
    assert after(camera(CameraState.STARTING, error), camera(CameraState.ON, error), ON) == [
        ("fault", "The camera gives no video: No encoder."),
        ("camera", "The camera was switched on."),
        ("recovered", "The camera works again."),
    ]


def rear(state: CameraState, error: str = "") -> dict[str, Any]:
    """A change of the second camera, with its fault."""
    return {"cameras": {"rear": CameraView(state)}, "faults": {"camera rear": error} if error else {}}


def test_a_further_camera_that_is_tried_again_in_vain_is_reported_once_under_its_name() -> None:
    busy, starting, on, off = (
        rear(CameraState.FAILED, "It is busy."),
        *(rear(state) for state in (CameraState.STARTING, CameraState.ON, CameraState.OFF)),
    )
    several = RobotSnapshot(camera=CameraState.ON, first_camera="front", cameras={"rear": CameraView()})
    assert after(busy, starting, busy, starting, on, busy, off, starting, busy, start=several) == [
        ("fault", "The camera 'rear' failed: It is busy."),
        ("camera", "The camera 'rear' was switched on."),
        ("recovered", "The camera 'rear' works again."),
        ("fault", "The camera 'rear' failed: It is busy."),
        ("camera", "The camera 'rear' was switched off."),
        ("fault", "The camera 'rear' failed: It is busy."),
    ]
    assert after(camera(CameraState.FAILED, "It is gone."), start=several) == [
        ("fault", "The camera 'front' failed: It is gone.")
    ]


def test_a_fault_is_reported_once_for_each_reason_and_when_it_ends() -> None:
    unplugged, gone = {"faults": {"display": "Unplugged."}}, {"faults": {"display": "Gone."}}
    assert after(unplugged, unplugged, gone, {"faults": {}}, unplugged) == [
        ("fault", "The display failed: Unplugged."),
        ("fault", "The display failed: Gone."),
        ("recovered", "The display works again."),
        ("fault", "The display failed: Unplugged."),
    ]


def test_a_fault_of_something_else_says_itself_what_it_is_about() -> None:
    assert after({"faults": {"reactions": "The service reactions crashed."}}, {"faults": {}}) == [
        ("fault", "The service reactions crashed."),
        ("recovered", "Reactions: works again."),
    ]


def test_links_are_lost_and_come_back() -> None:
    up, down = {"mcp_connected": True, "link_error": ""}, {"mcp_connected": False, "link_error": "The broker is gone."}
    still_down = {"link_error": "Connection refused."}
    told_of = after(up, {"signaling_connected": True}, down, still_down, {"signaling_connected": False}, up)
    assert told_of == [
        ("link", "Connected to the broker: agents can reach the robot."),
        ("link", "The connection for signalling is up: viewers can come."),
        ("link", "The connection to the broker is lost: The broker is gone."),
        ("link", "The connection for signalling is lost: no viewer can come."),
        ("link", "Connected to the broker: agents can reach the robot."),
    ]


def test_viewers_come_and_go() -> None:
    assert after({"viewers": 1}, {"viewers": 2}, {"viewers": 0}) == [
        ("viewers", "A viewer came: 1 now."),
        ("viewers", "A viewer came: 2 now."),
        ("viewers", "A viewer left: 0 now."),
    ]


def test_face_microphone_volume_and_calls() -> None:
    start = RobotSnapshot(volume=80, muted=False)
    assert after(
        {"emotion": "happy"},
        {"microphone_on": True},
        {"microphone_on": False},
        {"volume": 30},
        {"muted": True},
        {"call": CallState.CONNECTING},
        {"call": CallState.FAILED, "call_error": "Nobody answered."},
        start=start,
    ) == [
        ("emotion", "The face shows happy."),
        ("microphone", "The microphone was opened."),
        ("microphone", "The microphone was closed."),
        ("volume", "The loudspeaker's volume is 30 of 100."),
        ("volume", "The loudspeaker's volume is 30 of 100, muted."),
        ("call", "The robot calls its media backend."),
        ("call", "The call to the media backend failed: Nobody answered."),
    ]


def test_a_loudspeaker_that_is_made_ready_is_no_event() -> None:
    assert after({"volume": 80, "muted": False}) == []


async def test_an_event_names_the_agent_that_asked_for_it_and_a_fault_names_nobody() -> None:
    state, log = RobotState(), EventLog()
    record(state, log)

    async def switch_on() -> None:
        state.update(camera=CameraState.ON)
        with act_for(""):
            state.update(camera=CameraState.OFF)
        state.set_fault("display", "Unplugged.")

    with act_for("agent-1"):
        await asyncio.create_task(switch_on())
    state.update(emotion="happy")
    assert [(event.kind, event.by) for event in log.after()] == [
        ("camera", "agent-1"),
        ("camera", ""),
        ("fault", ""),
        ("emotion", ""),
    ]


def test_nothing_is_recorded_after_the_end() -> None:
    state, log = RobotState(), EventLog()
    record(state, log)()
    state.update(emotion="happy")
    assert log.after() == ()


def test_a_listener_that_fails_harms_neither_the_writer_nor_the_other_listeners(
    caplog: pytest.LogCaptureFixture,
) -> None:
    state, log, heard = RobotState(), EventLog(), list[str]()

    def fail(_: object) -> None:
        raise ZeroDivisionError("a mistake")

    state.listen(fail)
    log.listen(fail)
    record(state, log)
    log.listen(lambda event: heard.append(event.text))
    state.update(emotion="happy")
    assert state.snapshot.emotion == "happy"
    assert heard == ["The face shows happy."]
    assert caplog.text.count("ZeroDivisionError: a mistake") == 2
