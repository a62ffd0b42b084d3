"""Servers that others wrote, which differ from the published schema: in names, in what they leave out, in their end."""

from __future__ import annotations

from typing import Any

import pytest

from robot_node.robot.realtime.actions import AnswerEnd, CallTool, Caption, Ended, Failed, Play, Say, Send, Used
from robot_node.robot.realtime.backend import FAULT
from robot_node.robot.realtime.messages import SessionOptions, SoundOptions
from robot_node.robot.realtime.states import State
from tests.robot.realtime.schema import check_server_event
from tests.robot.realtime.stand_in import Spoken, stand_in
from tests.robot.realtime.talker import talker
from tests.robot.realtime.test_conversation import LAMP, Talk, call, delta, done
from tests.robot.realtime.test_conversation_by_sound import SOUND, SoundTalk
from tests.waiting import eventually

ARGUMENTS_DONE = {"type": "response.function_call_arguments.done", "item_id": "i", "response_id": "r"}
CALL = {"type": "function_call", "call_id": "c1", "name": "set_led", "arguments": '{"name": "lamp"}'}


def cancelled_talk() -> Talk:
    """A person has said more in the middle of an answer: it is cancelled, and another is wanted."""
    talk = Talk()
    talk.does(talk.conversation.person_said("Tell me a story"))
    talk.hears({"type": "response.created", "response": {"id": "old"}})
    talk.does(talk.conversation.person_said("No, the time"))
    assert talk.kinds[-1] == "response.cancel"
    return talk


def error(code: str, **more: Any) -> dict[str, Any]:
    event = {
        "type": "error",
        "event_id": "e",
        "error": {"type": "x", "message": f"It is {code}.", "code": code, **more},
    }
    check_server_event(event)
    return event


@pytest.mark.parametrize(
    "name", [{}, {"response_id": "old"}, {"response": {"id": "old"}}], ids=["no id", "id", "whole"]
)
def test_a_cancel_is_confirmed_by_an_event_of_its_own(name: dict[str, Any]) -> None:
    talk = cancelled_talk()
    assert talk.hears({"type": "response.cancelled", **name}) == []
    assert talk.kinds[-1] == "response.create"
    assert talk.conversation.state is State.ANSWERING


def test_a_cancel_that_is_confirmed_twice_does_not_end_the_next_answer() -> None:
    talk = cancelled_talk()
    talk.hears({"type": "response.cancelled", "response_id": "old"})
    late = {**delta("Once upon a time. "), "response_id": "old"}
    assert talk.hears(late, done(3, id="old", status="cancelled")) == [Used(3)]
    assert talk.conversation.state is State.ANSWERING
    assert talk.hears({**delta("It is nine. "), "response_id": "new"}) == [Say("It is nine.")]
    other = cancelled_talk()
    other.hears(done(3, id="old", status="cancelled"), {"type": "response.cancelled", "response_id": "old"})
    assert other.conversation.state is State.ANSWERING


def test_a_cancel_of_what_is_not_being_answered_is_its_end() -> None:
    talk = cancelled_talk()
    assert talk.hears(error("response_cancel_not_active", event_id=talk.sent[-1]["event_id"])) == []
    assert talk.kinds[-1] == "response.create"


def test_the_answer_to_an_older_cancel_does_not_end_the_newer_answer() -> None:
    talk = cancelled_talk()
    first = talk.sent[-1]["event_id"]
    talk.hears(done(id="old", status="cancelled"), {"type": "response.created", "response": {"id": "new"}})
    talk.does(talk.conversation.person_said("No, the date"))
    talk.hears(error("response_cancel_not_active", event_id=first))
    assert talk.conversation.state is State.CANCELLING
    assert talk.kinds.count("response.create") == 2


@pytest.mark.parametrize(
    "events",
    [
        [{**ARGUMENTS_DONE, "call_id": "c1", "name": "set_led", "arguments": '{"name": "lamp"}'}, done()],
        [done(output=[CALL])],
        [
            {**ARGUMENTS_DONE, "call_id": "c1", "name": "set_led", "arguments": '{"name": "lamp"}'},
            call("set_led", {"name": "lamp"}),
            done(output=[CALL]),
        ],
    ],
    ids=["its arguments alone", "at the end alone", "three times"],
)
def test_a_tool_is_called_once_wherever_the_server_says_so(events: list[dict[str, Any]]) -> None:
    talk = Talk()
    talk.does(talk.conversation.person_said("Light!"))
    actions = talk.hears(*events)
    assert [action for action in actions if isinstance(action, CallTool)] == [
        CallTool("c1", "set_led", {"name": "lamp"})
    ]
    talk.does(talk.conversation.tool_answered("c1", "lit"))
    assert talk.kinds[-2:] == ["conversation.item.create", "response.create"]


@pytest.mark.parametrize(
    "events",
    [
        [{"type": "response.output_text.done", "item_id": "i", "text": "It is nine."}, done()],
        [{"type": "response.text.done", "text": "It is nine."}, done()],
        [
            done(
                output=[
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": "It is nine."}],
                    }
                ]
            )
        ],
    ],
    ids=["at its end", "as in the beta", "at the end of all"],
)
def test_a_text_that_comes_in_one_piece_is_spoken(events: list[dict[str, Any]]) -> None:
    talk = Talk()
    talk.does(talk.conversation.person_said("Time?"))
    assert Say("It is nine.") in talk.hears(*events)


def test_a_text_that_came_in_pieces_is_not_spoken_again_at_its_end() -> None:
    talk = Talk()
    talk.does(talk.conversation.person_said("Time?"))
    whole = {"type": "response.output_text.done", "item_id": "i", "text": "It is nine."}
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It is nine."}]}
    assert talk.hears(delta("It is nine."), whole, done(output=[message])) == [Used(12), Say("It is nine.")]


def test_sound_without_the_place_that_it_has_in_the_answer_is_played() -> None:
    talk = SoundTalk()
    talk.person_speaks()
    piece = {"type": "response.audio.delta", "response_id": "r", "delta": SOUND}
    text = {"type": "response.audio_transcript.delta", "response_id": "r", "delta": "Hello"}
    assert talk.hears(piece, text, {"type": "response.done"}) == [
        Play("r", 0, bytes(4800)),
        Caption("r", 0, "Hello"),
        AnswerEnd(),
    ]
    assert talk.conversation.state is State.WAITING


@pytest.mark.parametrize("kind", ["session.created", "session.updated"])
def test_a_server_of_the_beta_gets_its_own_form_of_the_session_once(kind: str) -> None:
    talk = SoundTalk(voice="alloy", transcription_model="whisper-1")
    beta = {"type": kind, "session": {"object": "realtime.session", "modalities": ["audio", "text"]}}
    # SessionUpdateEvent of openai 1.99, the last with types of the beta, takes it.
    assert list(talk.conversation.received(beta)) == [
        Send(
            {
                "type": "session.update",
                "session": {
                    "modalities": ["audio", "text"],
                    "instructions": "Be brief.",
                    "tools": [{"type": "function", "name": LAMP[0], "description": LAMP[1], "parameters": LAMP[2]}],
                    "tool_choice": "auto",
                    "turn_detection": None,
                    "input_audio_format": "pcm16",
                    "output_audio_format": "pcm16",
                    "input_audio_transcription": {"model": "whisper-1"},
                    "voice": "alloy",
                },
            }
        )
    ]
    assert talk.hears(beta, error("unknown_parameter", event_id=talk.sent[0]["event_id"])) == []


def test_by_text_a_server_of_the_beta_is_asked_for_text() -> None:
    (update,) = (action for action in [SessionOptions("", []).beta_update()])
    assert update.message["session"]["modalities"] == ["text"]
    assert "voice" not in update.message["session"]
    assert "voice" in SessionOptions("", [], SoundOptions("marin")).beta_update().message["session"]


def test_a_server_of_today_gets_no_other_form_and_says_what_it_refuses() -> None:
    talk = SoundTalk()
    created = {
        "type": "session.created",
        "event_id": "e",
        "session": {"type": "realtime", "output_modalities": ["audio"]},
    }
    check_server_event(created)
    assert talk.hears(created) == []
    refused = error("unknown_parameter", event_id=talk.sent[0]["event_id"])
    assert talk.hears(refused) == [Failed("It is unknown_parameter.")]
    assert len(talk.sent) == 1


@pytest.mark.parametrize("code", ["conversation_already_has_active_response", "input_audio_buffer_commit_empty"])
def test_a_server_that_takes_what_is_said_and_answers_by_itself_is_listened_to(code: str) -> None:
    talk = SoundTalk()
    talk.person_speaks()
    assert talk.hears(error(code)) == []
    assert talk.conversation.state is State.ANSWERING


def test_an_error_that_names_no_message_matters_while_an_answer_is_awaited() -> None:
    talk = Talk()
    assert talk.hears(error("invalid_value")) == [], "nobody waits for anything"
    talk.does(talk.conversation.person_said("Hello"))
    assert talk.hears({"type": "error", "error": {"code": "insufficient_quota"}}) == [Failed("insufficient_quota")]
    assert talk.hears({"type": "error", "error": "No credit."}) == [Failed("No credit.")]
    assert talk.hears({"type": "error", "message": "No credit."}) == [Failed("No credit.")]


def test_a_session_that_has_expired_is_no_failure_of_an_answer() -> None:
    assert Talk().hears(error("session_expired")) == [Ended("It is session_expired.")]


@pytest.mark.parametrize("says_so", [True, False], ids=["with an error", "without"])
async def test_a_server_that_ends_a_session_between_two_turns_is_no_fault_and_what_is_said_next_begins_another(
    *, says_so: bool
) -> None:
    faults: list[str] = []
    async with stand_in("Hello.", "Hello again.") as server, talker(server.url) as it:
        it.robot.state.listen(lambda now: faults.append(now.fault(FAULT)))
        it.hears("hello")
        await eventually(lambda: it.says == ["Hello."])
        assert server.connection is not None
        if says_so:
            await server._send(server.connection, error("session_expired"))
        else:
            await server.connection.close(1001, "Your session hit the maximum duration of 60 minutes.")
        await eventually(lambda: server.open == 0)
        it.hears("hello")
        await eventually(lambda: "Hello again." in it.says)
        assert not any(faults)
        assert server.sessions == 2
        states = [event.details["state"] for event in it.robot.events.after() if event.kind == "conversation"]
        assert states == ["began", "ended", "began"]


async def test_a_session_that_expires_while_an_answer_is_awaited_is_a_fault() -> None:
    async with stand_in(Spoken("", b"", goes_on=True)) as server, talker(server.url) as it:
        it.hears("hello")
        await eventually(lambda: server.count("response.create") == 1)
        assert server.connection is not None
        await server._send(server.connection, error("session_expired"))
        await eventually(lambda: "session_expired" in it.fault)
