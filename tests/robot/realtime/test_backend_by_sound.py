"""A robot talks with a model by sound: what is said in turns goes out and no more, the model's voice is the robot's."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from robot_node.core.question_states import QuestionState
from robot_node.errors import SettingsError
from robot_node.robot.realtime.backend import FAULT
from robot_node.settings.loading import load_settings
from robot_node.speech.recognition_messages import TurnEnd
from tests.robot.realtime.sounds import RATE, at_24_khz, in_base64, said, share_found
from tests.robot.realtime.stand_in import Spoken, StandIn, stand_in
from tests.robot.realtime.talker import Talker, talker
from tests.speech.speaking_robot import clock
from tests.waiting import eventually

QUESTION = said("what is the capital of France")
PARIS = Spoken("Paris. It is a fine city.", said("Paris. It is a fine city."))
STORY = "Once upon a time there was a robot that told a very long story to everybody who came by."
LONG = Spoken(STORY, said(STORY))


def speaks(it: Talker, samples: bytes = QUESTION, end: TurnEnd | None = TurnEnd.HEARD) -> None:
    """Somebody says something in a turn."""
    for piece in in_base64(samples):
        it.backend.speech_input.hear(piece)
    if end is not None:
        it.backend.speech_input.end(end)


def heard(it: Talker) -> bytes:
    """What the loudspeaker has played, at 24 kHz."""
    return at_24_khz(it.robot.pi.loudspeaker.played)


async def is_silent(it: Talker, server: StandIn) -> None:
    """Wait until the robot has told the server all, and speaks no more."""
    await eventually(lambda: not it.robot.state.snapshot.speaking and server.count("response.create") > 0)


async def test_what_is_said_reaches_the_model_whole_and_its_voice_is_heard_with_lips_and_text() -> None:
    async with stand_in(PARIS) as server, talker(server.url, sound=True, sound_voice="marin") as it:
        began = clock()
        speaks(it)
        await eventually(lambda: it.says == ["Paris. It is a fine city."])
        await is_silent(it, server)
        assert server.heard == [QUESTION]
        assert server.session["audio"]["output"]["voice"] == "marin"
        assert share_found(heard(it), PARIS.samples) == pytest.approx(1.0, abs=0.02)
        assert max(it.robot.openings(began, clock())) > 0.3, "the lips move"
        (task,) = it.robot.tasks
        assert it.robot.text_of(task).strip() == "Paris. It is a fine city."
        assert not it.fault
        assert server.truncated == {}


@pytest.mark.parametrize("goes_on", [False, True], ids=["the server has made all of it", "it is still being made"])
async def test_a_person_who_interrupts_is_answered_and_the_model_knows_how_much_was_heard(goes_on: bool) -> None:
    story = Spoken(STORY, LONG.samples, goes_on=goes_on)
    async with stand_in(story, PARIS) as server, talker(server.url, sound=True) as it:
        speaks(it)
        await eventually(lambda: it.robot.heard_s > 2)
        it.robot.speaker.interrupt()
        played_ms = 1000 * it.robot.heard_s
        speaks(it)
        await eventually(lambda: it.says == ["Paris. It is a fine city."])
        ((_, truncated_ms),) = server.truncated.items()
        assert truncated_ms == pytest.approx(played_ms, abs=250)  # what waits to be played is not heard any more
        assert server.count("response.cancel") == goes_on
        (interrupted,) = [event for event in it.robot.events.after() if event.kind == "interrupted"]
        words = str(interrupted.details["said"])
        assert words.startswith("Once upon")
        assert STORY.startswith(words)
        assert "everybody" not in words
        assert not it.fault


async def test_stop_speaking_silences_it_and_the_conversation_goes_on() -> None:
    async with (
        stand_in(Spoken(STORY, LONG.samples, goes_on=True), PARIS) as server,
        talker(server.url, sound=True) as it,
    ):
        speaks(it)
        await eventually(lambda: it.robot.heard_s > 0.5)
        assert it.robot.speaker.stop() == 1
        await eventually(lambda: len(server.truncated) == 1 and server.count("response.cancel") == 1)
        speaks(it)
        await eventually(lambda: it.says == ["Paris. It is a fine city."])
        assert server.sessions == 1


@pytest.mark.parametrize("reason", [TurnEnd.SWITCHED_OFF, TurnEnd.STOPPED, TurnEnd.TOO_LONG, TurnEnd.INTERRUPTED])
async def test_what_is_not_complete_is_not_kept_by_the_server_and_not_answered(reason: TurnEnd) -> None:
    async with stand_in(PARIS) as server, talker(server.url, sound=True) as it:
        speaks(it, end=None)
        await eventually(lambda: len(server.buffer) == len(QUESTION))
        it.backend.speech_input.end(reason)
        await eventually(lambda: server.count("input_audio_buffer.clear") == 1)
        assert server.heard == []
        speaks(it)
        await eventually(lambda: it.says == ["Paris. It is a fine city."])
        assert server.heard == [QUESTION]


async def test_what_waits_when_the_microphone_is_switched_off_does_not_go_out() -> None:
    async with stand_in(PARIS) as server, talker(server.url, sound=True) as it:
        speaks(it, end=TurnEnd.SWITCHED_OFF)
        it.hears("hello", kind="chat")
        await eventually(lambda: it.says == ["Paris. It is a fine city."])
        assert server.count("input_audio_buffer.append") == 0


async def test_while_a_question_is_open_what_is_said_goes_to_who_asked() -> None:
    async with stand_in(PARIS) as server, talker(server.url, sound=True) as it:
        pending = it.asks("Tea or coffee?", "tea", "coffee")
        speaks(it, said("tea"), end=None)
        it.hears("tea")  # as the robot itself recognises it
        it.backend.speech_input.end(TurnEnd.HEARD)
        await eventually(lambda: pending.question.state is QuestionState.ANSWERED)
        speaks(it)
        await eventually(lambda: it.says == ["Paris. It is a fine city."])
        assert server.heard == [QUESTION]
        assert server.count("input_audio_buffer.append") == len(in_base64(QUESTION)), "not even for a while"
        assert server.items("message") == []


async def test_a_question_that_is_asked_while_somebody_speaks_gets_the_answer_too() -> None:
    async with stand_in(PARIS) as server, talker(server.url, sound=True) as it:
        speaks(it, said("tea"), end=None)
        await eventually(lambda: server.buffer)
        pending = it.asks("Tea or coffee?", "tea", "coffee")
        it.hears("tea")
        it.backend.speech_input.end(TurnEnd.HEARD)
        await eventually(lambda: server.count("input_audio_buffer.clear") == 1)
        assert pending.question.state is QuestionState.ANSWERED
        assert server.heard == []


@pytest.mark.parametrize("understood", [True, False], ids=["the robot understands it", "the robot does not"])
async def test_while_an_agent_listens_the_model_gets_no_sound_and_no_text(*, understood: bool) -> None:
    async with stand_in(PARIS) as server, talker(server.url, sound=True) as it:
        with it.claims.claim():
            speaks(it, said("tea"), end=None)
            if understood:
                it.hears("tea")
            it.backend.speech_input.end(TurnEnd.HEARD)
        speaks(it)
        await eventually(lambda: it.says == ["Paris. It is a fine city."])
        assert server.heard == [QUESTION]
        assert server.count("input_audio_buffer.append") == len(in_base64(QUESTION)), "not even for a while"
        assert server.items("message") == []


@pytest.mark.parametrize("understood", [True, False], ids=["the robot understands it", "the robot does not"])
async def test_an_agent_that_begins_to_listen_gets_all_of_what_is_being_said(*, understood: bool) -> None:
    async with stand_in(PARIS) as server, talker(server.url, sound=True) as it:
        speaks(it, said("tea"), end=None)
        await eventually(lambda: server.buffer)
        with it.claims.claim():
            for piece in in_base64(said("tea")):
                it.backend.speech_input.hear(piece)
            await eventually(lambda: server.count("input_audio_buffer.clear") == 1)
            assert not server.buffer
            if understood:
                it.hears("tea")
            it.backend.speech_input.end(TurnEnd.HEARD)
        speaks(it)
        await eventually(lambda: it.says == ["Paris. It is a fine city."])
        assert server.heard == [QUESTION]
        assert server.items("message") == []


async def test_what_the_robot_itself_understands_does_not_go_out_as_text_too() -> None:
    async with stand_in(PARIS) as server, talker(server.url, sound=True) as it:
        speaks(it, end=None)
        it.hears("what is the capital of France")
        it.backend.speech_input.end(TurnEnd.HEARD)
        await eventually(lambda: it.says == ["Paris. It is a fine city."])
        assert server.items("message") == []


async def test_without_network_what_is_said_is_lost_with_a_fault_and_what_is_said_next_is_not() -> None:
    async with stand_in() as server:
        url = server.url
    async with talker(url, sound=True) as it:
        speaks(it)
        await eventually(lambda: "cannot be reached" in it.fault)
        it.robot.state.set_fault(FAULT, "")
        speaks(it)
        await eventually(lambda: "cannot be reached" in it.fault)


@pytest.mark.slow
async def test_a_server_that_goes_away_in_the_middle_of_an_answer_is_heard_as_far_as_it_came() -> None:
    async with (
        stand_in(Spoken(STORY, LONG.samples, goes_on=True), PARIS) as server,
        talker(server.url, sound=True) as it,
    ):
        speaks(it)
        await eventually(lambda: it.robot.heard_s > 0.5)
        assert server.connection is not None
        await server.connection.close(1011, "overloaded")
        await eventually(lambda: "overloaded" in it.fault)
        await eventually(lambda: it.says == [STORY])
        assert share_found(heard(it), LONG.samples) == pytest.approx(1.0, abs=0.02)
        speaks(it)
        await eventually(lambda: len(it.says) == 2)
        assert server.sessions == 2
        assert not it.fault


async def test_the_sound_of_a_day_is_limited() -> None:
    minutes = (len(QUESTION) + len(PARIS.samples)) / 2 / RATE / 60
    async with stand_in(PARIS, PARIS) as server, talker(server.url, sound=True, sound_minutes_per_day=minutes) as it:
        speaks(it)
        await eventually(lambda: "sound_minutes_per_day" in it.fault)
        speaks(it)
        await asyncio.sleep(0)
        await eventually(lambda: it.says == ["Paris. It is a fine city."])
        assert server.heard == [QUESTION]


async def test_of_what_could_not_be_sent_from_its_beginning_nothing_is_sent() -> None:
    async with stand_in(PARIS, PARIS) as server, talker(server.url, sound=True, tokens_per_day=100) as it:
        speaks(it)
        await eventually(lambda: it.says)
        it.robot.state.set_fault(FAULT, "")
        speaks(it, QUESTION[:48_000], end=None)
        await eventually(lambda: "tokens_per_day" in it.fault)
        it.day += timedelta(days=1)
        speaks(it, QUESTION[48_000:])
        speaks(it)
        await eventually(lambda: len(it.says) == 2)
        assert server.heard == [QUESTION, QUESTION]


async def test_a_conversation_does_not_end_while_its_answer_is_still_heard() -> None:
    async with stand_in(LONG) as server, talker(server.url, sound=True) as it:
        it.backend._settings = it.backend._settings.model_copy(update={"idle_s": 0.05})  # less than may be set
        speaks(it)
        await eventually(lambda: it.robot.heard_s > 3)
        it.robot.speaker.interrupt()
        await eventually(lambda: len(server.truncated) == 1)
        assert server.sessions == 1
        await eventually(lambda: server.open == 0)


def test_sound_needs_turns() -> None:
    wanted = {"url": "wss://example.org/v1/realtime", "sound": True}
    robot: dict[str, Any] = {"realtime": wanted, "voice": {"engine": "espeak-ng"}, "audio": {"microphone": "default"}}
    for hearing in ({}, {"engine": "pocketsphinx"}):
        with pytest.raises(SettingsError, match=r"realtime.sound"):
            load_settings(None, {**robot, "hearing": hearing})
    settings = load_settings(None, {**robot, "hearing": {"engine": "pocketsphinx", "voice_activity": "silero"}})
    assert settings.realtime.sends_sound
    assert not load_settings(None, {}).realtime.sound, "sound leaves the house only where its owner says so"
