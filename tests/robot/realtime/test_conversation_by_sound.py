"""A conversation by sound: what goes to the server and what is made of its events, by the published schema."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from robot_node.robot.realtime.actions import (
    AnswerEnd,
    CallTool,
    Caption,
    Failed,
    Play,
    Transcribed,
    Used,
)
from robot_node.robot.realtime.messages import SoundOptions
from robot_node.robot.realtime.states import State
from tests.robot.realtime.schema import check_server_event
from tests.robot.realtime.test_conversation import Talk, call, done

PCM = {"type": "audio/pcm", "rate": 24_000}
SOUND = base64.b64encode(bytes(4800)).decode()
PLACE = {"event_id": "e", "response_id": "r", "item_id": "item", "output_index": 0, "content_index": 0}


def of_answer(kind: str, delta: str, **place: Any) -> dict[str, Any]:
    """A piece of an answer: of its sound or of its text."""
    return checked({**PLACE, "type": f"response.{kind}.delta", "delta": delta, **place})


def checked(event: dict[str, Any]) -> dict[str, Any]:
    check_server_event(event)
    return event


def committed(item_id: str) -> dict[str, Any]:
    return checked({"type": "input_audio_buffer.committed", "event_id": "e", "item_id": item_id})


def transcribed(item_id: str, text: str) -> dict[str, Any]:
    usage = {"type": "duration", "seconds": 1.0}
    kind = "conversation.item.input_audio_transcription.completed"
    event = {"type": kind, "event_id": "e", "item_id": item_id, "content_index": 0, "transcript": text, "usage": usage}
    return checked(event)


class SoundTalk(Talk):
    """A conversation by sound, and all that it sent."""

    def __init__(self, **options: str) -> None:
        super().__init__(SoundOptions(**options))

    def person_speaks(self, *, complete: bool = True, **how: bool) -> None:
        for _ in range(2):
            self.does(self.conversation.person_speaks(SOUND))
        self.does(self.conversation.speech_ended(complete=complete, **how))

    @property
    def kinds(self) -> list[str]:
        return [each["type"].removeprefix("input_audio_buffer.") for each in self.sent[1:]]


SPOKEN = ["append", "append", "commit", "response.create"]


def test_the_session_is_by_sound_and_the_robot_itself_finds_the_end_of_what_is_said() -> None:
    (update,) = SoundTalk().sent
    session = update["session"]
    assert session["output_modalities"] == ["audio"]
    assert session["audio"] == {"input": {"format": PCM, "turn_detection": None}, "output": {"format": PCM}}
    (named,) = SoundTalk(voice="marin", transcription_model="gpt-transcribe").sent
    assert named["session"]["audio"]["output"]["voice"] == "marin"
    assert named["session"]["audio"]["input"]["transcription"] == {"model": "gpt-transcribe"}


def test_what_a_person_says_goes_out_as_it_is_said_and_is_answered_by_sound_with_its_text() -> None:
    talk = SoundTalk()
    talk.person_speaks()
    assert talk.kinds == SPOKEN
    assert talk.sent[1]["audio"] == SOUND
    assert talk.hears(of_answer("output_audio_transcript", "Hello"), of_answer("output_audio", SOUND), done(7)) == [
        Caption("item", 0, "Hello"),
        Play("item", 0, bytes(4800)),
        Used(7),
        AnswerEnd(),
    ]
    assert talk.conversation.state is State.WAITING


def test_a_text_that_comes_in_one_piece_is_shown_and_one_that_came_already_is_not_shown_again() -> None:
    talk = SoundTalk()
    talk.person_speaks()
    whole = {**PLACE, "type": "response.output_audio_transcript.done", "transcript": "Hello."}
    assert talk.hears(checked(whole)) == [Caption("item", 0, "Hello.")]
    talk.hears(of_answer("output_audio_transcript", "Hello.", item_id="next"))
    assert talk.hears(checked({**whole, "item_id": "next"})) == []


def test_what_was_no_speech_is_forgotten_by_the_server_and_not_answered() -> None:
    talk = SoundTalk()
    talk.person_speaks(complete=False)
    assert talk.kinds == ["append", "append", "clear"]
    talk.does(talk.conversation.speech_ended(complete=True))
    assert talk.kinds == ["append", "append", "clear"], "nobody has spoken since"


def test_an_interruption_cancels_the_answer_and_says_how_much_of_it_was_heard() -> None:
    talk = SoundTalk()
    talk.person_speaks()
    talk.hears(of_answer("output_audio", SOUND))
    talk.does(talk.conversation.stop())
    talk.does(talk.conversation.cut("item", 0, 1.2345))
    assert talk.kinds[4:] == ["response.cancel", "conversation.item.truncate"]
    assert talk.sent[-1].items() >= {"item_id": "item", "content_index": 0, "audio_end_ms": 1234}.items()
    assert talk.hears(of_answer("output_audio", SOUND)) == [], "nobody wants more of it"
    talk.person_speaks()
    assert talk.kinds[-1] == "commit"
    talk.hears(done(status="cancelled"))
    assert talk.kinds[-1] == "response.create"


def test_an_answer_that_is_cut_when_the_server_has_made_all_of_it_is_not_cancelled() -> None:
    talk = SoundTalk()
    talk.person_speaks()
    talk.hears(of_answer("output_audio", SOUND), done())
    talk.does(talk.conversation.cut("item", 0, 0.5))
    assert talk.kinds[4:] == ["conversation.item.truncate"]


def test_the_end_of_an_old_answer_does_not_cancel_the_new_one() -> None:
    talk = SoundTalk()
    talk.person_speaks()
    talk.hears(of_answer("output_audio", SOUND), done())
    talk.person_speaks()
    talk.does(talk.conversation.cut("item", 0, 0.5))
    assert "response.cancel" not in talk.kinds
    assert talk.hears(of_answer("output_audio", SOUND, item_id="next")) == [Play("next", 0, bytes(4800))]


def test_a_person_who_speaks_on_before_the_answer_is_not_talked_over() -> None:
    talk = SoundTalk()
    talk.person_speaks()
    talk.does(talk.conversation.person_speaks(SOUND))
    assert talk.kinds[4:] == ["response.cancel", "append"]
    talk.hears(done(status="cancelled"))
    assert talk.kinds[-1] == "append", "the person still speaks"
    talk.does(talk.conversation.speech_ended(complete=True))
    assert talk.kinds[-2:] == ["commit", "response.create"]


@pytest.mark.parametrize(("silence", "asks_again"), [(False, True), (True, False)], ids=["a cough", "a stop phrase"])
def test_an_answer_that_was_called_off_comes_after_all_unless_silence_is_wanted(
    silence: bool, asks_again: bool
) -> None:
    talk = SoundTalk()
    talk.person_speaks()
    talk.person_speaks(complete=False, silence=silence)
    talk.hears(done(status="cancelled"))
    assert (talk.kinds.count("response.create") == 2) is asks_again


def test_while_a_person_speaks_what_tools_return_and_what_others_type_waits() -> None:
    talk = SoundTalk()
    talk.person_speaks()
    assert CallTool("c1", "set_led", {}) in talk.hears(call("set_led", {}), done())
    talk.does(talk.conversation.person_speaks(SOUND))
    talk.does(talk.conversation.tool_answered("c1", "lit"))
    talk.does(talk.conversation.person_said("And the lamp?"))
    assert talk.kinds.count("response.create") == 1
    talk.does(talk.conversation.speech_ended(complete=True))
    assert talk.kinds.count("response.create") == 2


def test_a_transcription_is_told_unless_the_robot_itself_has_understood_it() -> None:
    talk = SoundTalk(transcription_model="gpt-transcribe")
    talk.person_speaks(understood=True)
    talk.hears(committed("one"), done())
    talk.person_speaks()
    assert talk.hears(committed("two"), transcribed("one", "Hello."), transcribed("two", "How are you?")) == [
        Transcribed("How are you?")
    ]


def test_what_comes_too_late_to_be_truncated_or_cancelled_is_no_failure() -> None:
    talk = SoundTalk()
    talk.person_speaks()
    talk.hears(of_answer("output_audio", SOUND))
    talk.does(talk.conversation.cut("item", 0, 9.0))
    for message in talk.sent[-2:]:
        error = {"type": "invalid_request_error", "message": "Too late.", "event_id": message["event_id"]}
        assert talk.hears(checked({"type": "error", "event_id": "e", "error": error})) == []
    talk.hears(done(status="cancelled"))
    talk.person_speaks()
    error = {"type": "invalid_request_error", "message": "No such voice."}
    assert talk.hears(checked({"type": "error", "event_id": "e", "error": error})) == [Failed("No such voice.")]


def test_the_beta_names_are_understood_and_what_is_no_sound_is_silence() -> None:
    talk = SoundTalk()
    talk.person_speaks()
    beta = {**PLACE, "type": "response.audio.delta", "delta": SOUND}
    assert talk.hears(beta, {**beta, "delta": "no base64!"}) == [Play("item", 0, bytes(4800)), Play("item", 0, b"")]
    assert talk.hears({**beta, "content_index": "first"}, {**beta, "item_id": 3}) == []
