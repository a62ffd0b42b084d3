"""What is heard, seen and told of a text that the robot says, and how it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from robot_node.core.media import FRAME_SAMPLES, SAMPLE_RATE
from robot_node.core.state import act_for
from robot_node.errors import DeviceError, NotReadyError, SettingsError
from robot_node.speech.espeak import EspeakEngine
from robot_node.speech.recognition_engine import RecognitionOptions
from robot_node.speech.speaker import QUEUE
from robot_node.speech.sphinx import SphinxRecognizer
from robot_node.speech.waveform import FRAME_S, Waveform
from robot_node.webrtc.messages import TtsBegin, TtsComplete, TtsTerminate, TtsText
from tests.sound import loudest_hz, tone
from tests.speech.sounds import pieces, silence
from tests.speech.speaking_robot import SpeakingRobot, clock, speaking_robot
from tests.waiting import eventually

HELLO = "Hello there. I am a robot."
LONG = "This sentence is one of many that nobody will hear to its end. " * 10
INTERRUPTED_WITHIN_S = 0.2


class Hum:
    """An engine of known length: a tone of a tenth of a second for each character."""

    def __init__(self, *, fails_at: str = "") -> None:
        self.fails_at = fails_at
        self.on_made: Callable[[], None] = lambda: None
        self.made: list[str] = []

    async def check(self, language: str) -> None:
        if language != "en":
            raise SettingsError("It only hums.")

    async def synthesize(self, text: str, language: str) -> Waveform:
        del language
        self.made.append(text)
        if self.fails_at and self.fails_at in text:
            raise DeviceError("The hum is broken.")
        self.on_made()
        return Waveform(tone(300, 0.1 * len(text)), SAMPLE_RATE)


def loudness(samples: bytes) -> float:
    return float(np.sqrt(np.mean(np.square(np.frombuffer(samples, np.int16).astype(float)))))


async def test_the_loudspeaker_plays_the_speech_whole() -> None:
    engine = EspeakEngine()
    made = [await engine.synthesize(sentence, "en") for sentence in ("Hello there.", "I am a robot.")]
    async with speaking_robot() as robot:
        said = await robot.speaker.say(HELLO)
        await robot.is_over(said.task_id)
        await eventually(lambda: not robot.pi.loudspeaker.open)
        expected = sum(speech.seconds for speech in made)
        assert robot.heard_s == pytest.approx(expected, abs=2 * FRAME_S)
        assert loudness(robot.pi.loudspeaker.played) == pytest.approx(
            loudness(b"".join(speech.samples for speech in made)), rel=0.1
        )


async def test_what_the_loudspeaker_plays_can_be_understood() -> None:
    said = "please look happy"
    async with speaking_robot() as robot:
        utterance = await robot.speaker.say(said, language="en-us")
        await robot.is_over(utterance.task_id)
        await eventually(lambda: not robot.pi.loudspeaker.open)
    recognizer = SphinxRecognizer(RecognitionOptions(phrases=("hello robot", "take a photo", said)))
    samples = silence(0.5) + robot.pi.loudspeaker.played + silence(1.5)
    assert [text for piece in pieces(samples) if (text := recognizer.hear(piece))] == [said]


async def test_what_was_playing_before_is_heard_to_its_end_first() -> None:
    engine = Hum()
    async with speaking_robot(engine) as robot:
        loudspeaker = robot.loudspeaker
        assert loudspeaker is not None
        engine.on_made = lambda: loudspeaker.play(tone(1000, 0.48))
        said = await robot.speaker.say("12345")
        await robot.is_over(said.task_id)
        assert robot.heard_s == pytest.approx(0.98, abs=0.05)
        samples = robot.pi.loudspeaker.played
        assert loudest_hz(samples[: SAMPLE_RATE // 2]) == pytest.approx(1000, abs=10)
        assert loudest_hz(samples[-SAMPLE_RATE // 2 :]) == pytest.approx(300, abs=10)


async def test_viewers_hear_as_much_without_gaps() -> None:
    async with speaking_robot(Hum()) as robot:
        said = await robot.speaker.say("12345. 12345.")
        await robot.is_over(said.task_id)
        assert len(robot.packets) == round(1.2 / FRAME_S)
        steps = {
            after.timestamp - before.timestamp for before, after in zip(robot.packets, robot.packets[1:], strict=False)
        }
        assert min(steps) == FRAME_SAMPLES


async def test_nothing_is_encoded_for_viewers_when_there_are_none() -> None:
    async with speaking_robot(Hum(), heard_by_viewers=False) as robot:
        said = await robot.speaker.say("123")
        await robot.is_over(said.task_id)
        assert robot.packets == []


async def test_the_messages_go_out_in_order_and_bring_the_text() -> None:
    async with speaking_robot(Hum()) as robot:
        first = await robot.speaker.say("One. Two.")
        second = await robot.speaker.say("Three")
        await robot.is_over(second.task_id)
        assert robot.messages == [
            TtsBegin(first.task_id),
            TtsText(first.task_id, "One. "),
            TtsText(first.task_id, "Two."),
            TtsComplete(first.task_id),
            TtsBegin(second.task_id),
            TtsText(second.task_id, "Three"),
            TtsComplete(second.task_id),
        ]


async def test_each_sentence_is_told_when_it_is_heard_and_not_when_it_is_made() -> None:
    async with speaking_robot(Hum()) as robot:
        said = await robot.speaker.say("123456789. Two.")
        await eventually(lambda: TtsText(said.task_id, "Two.") in robot.messages)
        assert robot.heard_s > 0.5
        assert TtsComplete(said.task_id) not in robot.messages
        await robot.is_over(said.task_id)
        assert robot.heard_s == pytest.approx(1.4, abs=0.05)


async def test_the_mouth_moves_while_it_speaks_and_rests_after() -> None:
    async with speaking_robot() as robot:
        before = clock()
        resting = robot.openings(before, before + 1)
        began = clock()
        said = await robot.speaker.say(HELLO)
        await robot.is_over(said.task_id)
        ended = clock()
        moving = robot.openings(began, ended)
        assert max(resting) < 3
        assert max(moving) > 5
        assert len({round(opening) for opening in moving}) > 2
        assert max(robot.openings(ended + 1, ended + 2)) == pytest.approx(max(resting), abs=0.1)


@pytest.mark.parametrize("trouble", ["none", "muted", "absent"])
async def test_viewers_hear_and_see_it_also_without_a_loudspeaker(trouble: str) -> None:
    async with speaking_robot(Hum(), with_loudspeaker=trouble != "none") as robot:
        if robot.loudspeaker is not None:
            await robot.loudspeaker.set_volume(muted=trouble == "muted")
        robot.pi.loudspeaker.absent = trouble == "absent"
        began = clock()
        said = await robot.speaker.say("1234567890")
        await robot.is_over(said.task_id)
        assert len(robot.packets) == round(1.0 / FRAME_S)
        assert max(robot.openings(began, clock())) > 5
        assert robot.story_of(said.task_id) == ["TtsBegin", "TtsText", "TtsComplete"]
        assert not any(robot.pi.loudspeaker.played)


async def test_subtitles_show_each_sentence_while_it_is_said() -> None:
    async with speaking_robot(Hum()) as robot:
        said = await robot.speaker.say("First. Second.")
        await robot.is_over(said.task_id)
        shown = dict(zip(robot.messages, robot.captions, strict=True))
        assert shown[TtsText(said.task_id, "First. ")] == "First."
        assert shown[TtsText(said.task_id, "Second.")] == "Second."
        await eventually(lambda: robot.caption == "")


async def test_the_face_turns_when_it_begins_and_the_events_tell_who_wanted_it() -> None:
    async with speaking_robot(Hum()) as robot:
        await robot.speaker.say("First")
        with act_for("agent-7"):
            said = await robot.speaker.say("Great", emotion="Happy")
        assert robot.shows("neutral")
        await robot.begins(said.task_id)
        assert robot.shows("happy")
        assert robot.is_speaking()
        await robot.is_over(said.task_id)
        assert not robot.is_speaking()
        assert [(event.text, event.by) for event in robot.events.after()] == [
            ("The robot says: First", ""),
            ("The robot says: Great", "agent-7"),
        ]


async def speaks_loudly(robot: SpeakingRobot) -> str:
    said = await robot.speaker.say(LONG)
    await eventually(lambda: robot.heard_s > 0.5 and len(robot.packets) > 25)
    return said.task_id


async def test_a_stop_is_heard_within_a_fifth_of_a_second_of_sound() -> None:
    async with speaking_robot() as robot:
        await speaks_loudly(robot)
        waiting = await robot.speaker.say("Never heard")
        heard_s, seen = robot.heard_s, len(robot.packets)
        assert robot.speaker.stop() == 2
        stopped_at = clock()
        assert not robot.state.snapshot.speaking
        assert robot.caption == ""
        assert robot.loudspeaker is not None
        assert robot.loudspeaker.queued_s == 0
        await eventually(lambda: not robot.pi.loudspeaker.open)
        assert robot.heard_s - heard_s <= INTERRUPTED_WITHIN_S
        assert len(robot.packets) == seen
        (task_id,) = robot.tasks
        assert robot.story_of(task_id) == ["TtsBegin", "TtsText", "TtsTerminate"]
        assert waiting.task_id not in robot.tasks
        assert robot.mouth_rests(stopped_at + 0.41)
        assert robot.speaker.stop() == 0


async def test_viewers_were_not_sent_more_than_a_fifth_of_a_second_in_advance() -> None:
    async with speaking_robot(with_loudspeaker=False) as robot:  # which would hold us back
        said = await robot.speaker.say(LONG)
        await robot.begins(said.task_id)
        while len(robot.packets) < 50:
            await asyncio.sleep(0)
            assert len(robot.packets) * FRAME_S - (clock() - robot.sent_at[0]) <= INTERRUPTED_WITHIN_S


async def test_an_interruption_is_said_instead_of_all_else() -> None:
    async with speaking_robot() as robot:
        cut = await speaks_loudly(robot)
        await robot.speaker.say("Never heard")
        heard_s = robot.heard_s
        said = await robot.speaker.say("Stop!", interrupt=True)
        await robot.is_over(said.task_id)
        assert robot.tasks == [cut, said.task_id]
        assert robot.story_of(cut)[-1] == "TtsTerminate"
        assert robot.story_of(said.task_id) == ["TtsBegin", "TtsText", "TtsComplete"]
        assert robot.messages.index(TtsTerminate(cut)) < robot.messages.index(TtsBegin(said.task_id))
        await eventually(lambda: not robot.pi.loudspeaker.open)
        whole = (await EspeakEngine().synthesize("Stop!", "en")).seconds
        assert robot.heard_s - heard_s <= INTERRUPTED_WITHIN_S + whole + FRAME_S


async def test_one_that_is_only_being_prepared_is_stopped_without_a_word() -> None:
    async with speaking_robot() as robot:
        await robot.speaker.say(HELLO)
        await asyncio.sleep(0)
        assert robot.speaker.stop() == 1
        said = await robot.speaker.say("Yes")
        await robot.is_over(said.task_id)
        assert robot.tasks == [said.task_id]


async def test_what_waits_is_bounded_and_an_interruption_makes_room() -> None:
    async with speaking_robot(Hum()) as robot:
        first = await robot.speaker.say("1" * 200)
        await robot.begins(first.task_id)
        for _ in range(QUEUE):
            await robot.speaker.say("more")
        assert robot.speaker.texts_ahead == QUEUE
        with pytest.raises(NotReadyError, match="interrupt=true"):
            await robot.speaker.say("too much")
        await robot.speaker.say("now", interrupt=True)
        assert robot.speaker.texts_ahead == 0


async def test_only_one_sentence_is_made_in_advance() -> None:
    engine = Hum()
    async with speaking_robot(engine) as robot:
        said = await robot.speaker.say("This is said. " * 100)
        await robot.begins(said.task_id)
        await eventually(lambda: robot.heard_s > 0.3)
        assert len(engine.made) == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"text": "?!"}, "nothing to be said"),
        ({"text": "Hi", "emotion": "hungry"}, "neutral"),
        ({"text": "Hi", "language": "de"}, "only hums"),
    ],
)
async def test_what_cannot_be_said_is_refused_and_interrupts_nothing(arguments: dict[str, str], reason: str) -> None:
    async with speaking_robot(Hum()) as robot:
        said = await robot.speaker.say("12345")
        await robot.begins(said.task_id)
        with pytest.raises(SettingsError, match=reason):
            await robot.speaker.say(**arguments, interrupt=True)
        await robot.is_over(said.task_id)
        assert robot.story_of(said.task_id)[-1] == "TtsComplete"


async def test_a_missing_engine_is_reported_once_at_start_and_refuses_to_speak(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with speaking_robot(EspeakEngine(program="espeak-ng-that-is-not-there")) as robot:
        await robot.speaker.check()
        assert "sudo apt install espeak-ng" in robot.state.snapshot.fault("voice")
        with pytest.raises(DeviceError, match="sudo apt install espeak-ng"):
            await robot.speaker.say("Hello")
        assert robot.messages == []
        assert caplog.text.count("The robot cannot speak") == 1


async def test_an_engine_that_fails_midway_ends_the_text_and_the_next_one_is_said() -> None:
    async with speaking_robot(Hum(fails_at="broken")) as robot:
        errors: list[str] = []
        robot.state.listen(lambda snapshot: errors.append(snapshot.fault("voice")))
        bad = await robot.speaker.say("Fine. This is broken. Never.")
        good = await robot.speaker.say("Good")
        await robot.is_over(bad.task_id)
        assert "The hum is broken." in errors
        assert robot.story_of(bad.task_id) == ["TtsBegin", "TtsText", "TtsTerminate"]
        assert robot.text_of(bad.task_id) == "Fine. "
        await robot.is_over(good.task_id)
        assert robot.story_of(good.task_id)[-1] == "TtsComplete"
        assert robot.state.snapshot.fault("voice") == ""


async def test_a_robot_that_leaves_falls_silent_and_says_so() -> None:
    async with speaking_robot() as robot:
        task_id = await speaks_loudly(robot)
    assert robot.messages[-1] == TtsTerminate(task_id)
    assert not robot.pi.loudspeaker.open
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("speech")]
