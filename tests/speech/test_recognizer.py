"""A robot that hears: what it is told by microphone and viewers, and when it must not listen."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

import pytest

from robot_node.core.events import EventLog
from robot_node.core.state import RobotState
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.settings.devices import DisplaySettings, HearingSettings
from robot_node.speech.recognition_engine import Wanted
from robot_node.speech.recognition_process import Ready, running
from robot_node.speech.recognizer import Source
from robot_node.speech.recognizer_factory import make_ears
from robot_node.webrtc.messages import AsrResponse
from tests.speech.spoken import PHRASES, HearingRobot, hearing_robot, pieces, silence, spoken, until


def children() -> list[int]:
    """The processes that the robot has begun."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


async def hears_again(robot: HearingRobot, phrase: str = "take a photo") -> None:
    """What is said now is the only thing that it hears."""
    before = len(robot.heard)
    robot.pi.microphone.hear(spoken(phrase))
    await until(lambda: len(robot.heard) > before)
    assert robot.heard[before:] == [phrase]


async def test_what_is_said_near_the_robot_is_told_to_agents_peers_and_on_the_face() -> None:
    before = children()
    async with hearing_robot() as robot:
        await until(robot.hears_microphone)
        robot.pi.microphone.hear(spoken("hello robot"))
        await until(robot.listens_to_somebody)
        await until(lambda: robot.heard)
        assert robot.heard == ["hello robot"]
        assert robot.messages == [AsrResponse("hello robot", by="")]
        assert robot.caption == "\u201chello robot\u201d"
        await until(lambda: not robot.listens_to_somebody())
        assert robot.state.snapshot.fault("hearing") == ""
    assert children() == before
    assert not robot.pi.microphone.recording


async def test_it_does_not_hear_itself() -> None:
    async with hearing_robot() as robot:
        await until(robot.hears_microphone)
        robot.pi.microphone.hear(spoken("hello robot"))
        await until(robot.listens_to_somebody)
        robot.state.update(speaking=True)
        assert not robot.listens_to_somebody()
        await until(lambda: not robot.pi.microphone._once)
        robot.state.update(speaking=False)
        await hears_again(robot)
        assert robot.heard == ["take a photo"]


async def test_it_does_not_hear_what_its_loudspeaker_plays() -> None:
    class Silent:
        def play(self, samples: bytes) -> None: ...

        def flush(self) -> None: ...

    async with hearing_robot() as robot:
        await until(robot.hears_microphone)
        loudspeaker = robot.ears.beside(Silent())
        assert loudspeaker is not None
        robot.pi.microphone.hear(spoken("hello robot"))
        while robot.pi.microphone._once:
            loudspeaker.play(b"\x00\x40" * 960)
            await asyncio.sleep(0.02)
        await hears_again(robot)
        assert robot.heard == ["take a photo"]


async def test_a_viewer_is_heard_and_one_who_is_silent_leaves_the_microphone_open() -> None:
    async with hearing_robot(source=Source.BOTH) as robot:
        await until(robot.hears_microphone)
        assert robot.ears.viewer is not None
        viewer = robot.ears.viewer("anna")
        for piece in pieces(spoken("hello robot")):
            viewer.play(piece)
        viewer.flush()
        await until(lambda: robot.heard)
        assert robot.heard == ["hello robot"]
        for piece in pieces(silence(1)):
            viewer.play(piece)
        await hears_again(robot)
        assert robot.heard_by == ["anna", ""]
        assert robot.messages == [AsrResponse("hello robot", by="anna"), AsrResponse("take a photo", by="")]


async def test_who_speaks_next_is_not_taken_for_who_spoke_before() -> None:
    async with hearing_robot(source=Source.VIEWER) as robot:
        await until(lambda: robot.ears._recognizer)
        assert robot.ears.viewer is not None
        for client_id, phrase in (("anna", "hello robot"), ("bert", "take a photo")):
            viewer = robot.ears.viewer(client_id)
            for piece in pieces(spoken(phrase)):
                viewer.play(piece)
            viewer.flush()  # and the next begins before the engine has said what it understood
        await until(lambda: len(robot.heard) == 2)
        assert list(zip(robot.heard_by, robot.heard, strict=True)) == [
            ("anna", "hello robot"),
            ("bert", "take a photo"),
        ]


async def test_for_viewers_alone_no_microphone_is_opened() -> None:
    async with hearing_robot(source=Source.VIEWER) as robot:
        await until(lambda: robot.ears._recognizer)
        assert robot.ears.viewer is not None
        viewer = robot.ears.viewer("anna")
        for piece in pieces(spoken("take a photo")):
            viewer.play(piece)
        viewer.flush()
        await until(lambda: robot.heard)
        assert robot.heard == ["take a photo"]
        assert robot.pi.microphone.starts == 0
    async with hearing_robot() as robot:
        assert robot.ears.viewer is None


async def test_an_engine_that_cannot_work_is_told_once_and_opens_no_microphone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        async with hearing_robot(engine="parrot") as robot:
            await until(lambda: robot.ears._retry_s > 0.1)  # it was tried again
            assert "There are: none, pocketsphinx" in robot.state.snapshot.fault("hearing")
            assert robot.pi.microphone.starts == 0
    assert len([record for record in caplog.records if "cannot understand speech" in record.message]) == 1
    assert [event.kind for event in robot.events.after()].count("fault") == 1


async def test_an_engine_that_was_killed_is_started_again() -> None:
    before = set(children())
    async with hearing_robot() as robot:
        await until(robot.hears_microphone)
        (engine,) = set(children()) - before
        os.kill(engine, signal.SIGKILL)
        await until(lambda: robot.state.snapshot.fault("hearing"))
        await until(lambda: not robot.state.snapshot.fault("hearing") and robot.hears_microphone())
        await hears_again(robot)


async def test_what_cannot_be_recognised_in_time_is_not_kept() -> None:
    async with running("pocketsphinx", Wanted(phrases=PHRASES)) as recognizer:
        assert await anext(recognizer.recognized()) == Ready()
        recognizer._process.send_signal(signal.SIGSTOP)
        heard = [recognizer.hear(piece) for piece in pieces(silence(20))]
        assert heard[0]
        assert not heard[-1]
        assert sum(heard) < 10 * 50


async def test_without_being_asked_for_there_is_nothing() -> None:
    state = RobotState()
    face = Face(Display(None, DisplaySettings(driver="none"), state), state)  # type: ignore[arg-type]  # not used
    before = children()
    assert make_ears(HearingSettings(), face, state, microphone=None, tell=lambda _: None, events=EventLog()) is None
    assert children() == before
