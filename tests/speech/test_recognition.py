"""Speech recognition: what microphone and viewers say becomes text, and the robot's own sound does not."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable

import pytest

from robot_node.core.media import PlayedSink
from robot_node.core.mixer import Input, Peer
from robot_node.core.state import Device
from robot_node.speech.recognition_engine import RecognitionOptions
from robot_node.speech.recognition_messages import Ready
from robot_node.speech.recognition_process import running
from robot_node.webrtc.messages import AsrResponse
from tests.speech.hearing_robot import PHRASES, HearingRobot, children, hearing_robot
from tests.speech.sounds import pieces, silence, spoken
from tests.waiting import eventually

MARK = b"\x34\x12" * 100
"""Sound that nobody says, to find again."""


async def hears_again(robot: HearingRobot, phrase: str = "take a photo") -> None:
    """What is said now is the only thing that it hears."""
    before = len(robot.heard)
    robot.pi.microphone.hear(spoken(phrase))
    await eventually(lambda: len(robot.heard) > before)
    assert robot.heard[before:] == [phrase]


def says(robot: HearingRobot, viewer: Peer, sound: bytes) -> None:
    """A viewer says something, and ends."""
    for piece in pieces(sound):
        robot.mixer.play(viewer, piece)
    robot.mixer.flush(viewer)


async def test_what_is_said_near_the_robot_is_told_to_agents_peers_and_on_the_face() -> None:
    before = children()
    async with hearing_robot() as robot:
        await eventually(robot.hears_microphone)
        robot.pi.microphone.hear(spoken("hello robot"))
        await eventually(robot.listens_to_somebody)
        await eventually(lambda: robot.heard)
        assert robot.heard == ["hello robot"]
        assert robot.messages == [AsrResponse("hello robot", by="")]
        assert robot.caption == "\u201chello robot\u201d"
        await eventually(lambda: not robot.listens_to_somebody())
        assert robot.state.snapshot.fault(Device.HEARING) == ""
    assert children() == before
    assert not robot.pi.microphone.recording


async def test_it_does_not_hear_itself() -> None:
    async with hearing_robot() as robot:
        await eventually(robot.hears_microphone)
        said = spoken("hello robot")
        robot.pi.microphone.hear(said[: len(said) // 2])
        await eventually(robot.listens_to_somebody)
        robot.mixer.begin_speech()
        assert not robot.listens_to_somebody()
        robot.pi.microphone.hear(said[len(said) // 2 :] + MARK)
        await eventually(lambda: MARK in robot.microphone.given)
        robot.mixer.end_speech()
        robot.clock.seconds += 1  # the echo has died away
        await hears_again(robot)
        assert robot.heard == ["take a photo"]


@pytest.mark.slow
async def test_what_it_understands_while_it_speaks_is_its_own() -> None:
    async with hearing_robot(recognised=frozenset({Input.VIEWER})) as robot:
        await eventually(lambda: robot.recognition.ready)
        anna = Peer(Input.VIEWER, "anna")
        says(robot, anna, spoken("hello robot"))
        before = robot.face.signs_set
        robot.mixer.begin_speech()  # the engine has not returned the text yet
        # Its unfinished utterance is forgotten; the engine says that it listened, and then that it does no longer.
        await eventually(lambda: robot.face.signs_set == before + 3, "the engine has recognised the utterance")
        robot.mixer.end_speech()
        says(robot, anna, spoken("take a photo"))
        await eventually(lambda: "take a photo" in robot.heard)
        assert robot.heard == ["take a photo"]


class SilentLoudspeaker:
    """A loudspeaker that nobody hears."""

    queued_s = 0.0

    def play(self, samples: bytes) -> None: ...

    def flush(self) -> None: ...

    def set_level_sink(self, sink: Callable[[float], None]) -> None: ...

    def set_played_sink(self, sink: PlayedSink | None) -> None: ...


@pytest.mark.parametrize("source", [Input.CALL, Input.VIEWER])
async def test_it_does_not_hear_what_its_loudspeaker_plays(source: Input) -> None:
    async with hearing_robot(loudspeaker=SilentLoudspeaker()) as robot:
        await eventually(robot.hears_microphone)
        robot.mixer.play(Peer(source), b"\x00\x40" * 960)
        robot.pi.microphone.hear(spoken("hello robot"))
        await eventually(lambda: not robot.pi.microphone._once)
        robot.clock.seconds += 1  # the echo has died away
        await hears_again(robot)
        assert robot.heard == ["take a photo"]


async def test_a_viewer_is_heard_and_one_who_is_silent_leaves_the_microphone_open() -> None:
    async with hearing_robot(recognised=frozenset({Input.VIEWER, Input.MICROPHONE})) as robot:
        await eventually(robot.hears_microphone)
        viewer = Peer(Input.VIEWER, "anna")
        says(robot, viewer, spoken("hello robot"))
        await eventually(lambda: robot.heard)
        assert robot.heard == ["hello robot"]
        for piece in pieces(silence(1)):
            robot.mixer.play(viewer, piece)
        await hears_again(robot)
        assert robot.heard_by == ["anna", ""]
        assert robot.messages == [AsrResponse("hello robot", by="anna"), AsrResponse("take a photo", by="")]


async def test_who_speaks_next_is_not_taken_for_who_spoke_before() -> None:
    async with hearing_robot(recognised=frozenset({Input.VIEWER})) as robot:
        await eventually(lambda: robot.recognition.ready)
        for client_id, phrase in (("anna", "hello robot"), ("bert", "take a photo")):
            # The next begins before the engine has returned the text of the first.
            viewer = Peer(Input.VIEWER, client_id)
            says(robot, viewer, spoken(phrase))
            robot.mixer.leave(viewer)
        await eventually(lambda: len(robot.heard) == 2)
        assert list(zip(robot.heard_by, robot.heard, strict=True)) == [
            ("anna", "hello robot"),
            ("bert", "take a photo"),
        ]


async def test_for_viewers_alone_no_microphone_is_opened() -> None:
    async with hearing_robot(recognised=frozenset({Input.VIEWER})) as robot:
        await eventually(lambda: robot.recognition.ready)
        says(robot, Peer(Input.VIEWER, "anna"), spoken("take a photo"))
        await eventually(lambda: robot.heard)
        assert robot.heard == ["take a photo"]
        assert robot.pi.microphone.starts == 0


async def test_an_engine_that_cannot_work_is_told_once_and_opens_no_microphone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before, attempts = set(children()), set[int]()

    def was_tried_again() -> bool:
        attempts.update(set(children()) - before)
        return len(attempts) >= 3

    with caplog.at_level(logging.ERROR):
        async with hearing_robot(engine="parrot") as robot:
            await eventually(was_tried_again)
            assert "There are: none, pocketsphinx" in robot.state.snapshot.fault(Device.HEARING)
            assert robot.pi.microphone.starts == 0
    assert len([record for record in caplog.records if "Speech recognition does not work" in record.message]) == 1
    assert [event.kind for event in robot.events.after()].count("fault") == 1


@pytest.mark.slow
async def test_an_engine_that_was_killed_is_started_again() -> None:
    before = set(children())
    async with hearing_robot() as robot:
        await eventually(robot.hears_microphone)
        (engine,) = set(children()) - before
        os.kill(engine, signal.SIGKILL)
        await eventually(lambda: robot.state.snapshot.fault(Device.HEARING))
        await eventually(lambda: not robot.state.snapshot.fault(Device.HEARING) and robot.hears_microphone())
        await hears_again(robot)


@pytest.mark.slow
async def test_what_cannot_be_recognised_in_time_is_not_kept() -> None:
    async with running("pocketsphinx", RecognitionOptions(phrases=PHRASES)) as recognizer:
        assert await anext(recognizer.messages()) == Ready()
        recognizer._process.send_signal(signal.SIGSTOP)
        heard = [recognizer.hear(piece) for piece in pieces(silence(20))]
        assert heard[0]
        assert not heard[-1]
        assert sum(heard) < 10 * 50
