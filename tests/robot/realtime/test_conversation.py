"""What the model is told, and what is made of its events; each message is checked against the published schema."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest

from robot_node.robot.realtime.actions import Action, CallTool, Failed, Say, Send, Used
from robot_node.robot.realtime.conversation import LONGEST_ANSWER, MOST_CALLS, Conversation
from robot_node.robot.realtime.messages import SessionOptions, SoundOptions
from robot_node.robot.realtime.states import TRANSITIONS, Event, State
from tests.robot.realtime.schema import check_client_event, check_server_event

_S, _E = State, Event
CELLS: dict[State, dict[Event, State]] = {
    _S.WAITING: {_E.PERSON: _S.ANSWERING},
    _S.ANSWERING: {
        _E.PERSON: _S.CANCELLING,
        _E.STOP: _S.CANCELLING,
        _E.DONE: _S.WAITING,
        _E.DONE_WITH_CALLS: _S.CALLING,
    },
    _S.CALLING: {_E.PERSON: _S.ANSWERING, _E.STOP: _S.WAITING, _E.RESULTS: _S.ANSWERING},
    _S.CANCELLING: {_E.DONE: _S.WAITING, _E.DONE_WITH_CALLS: _S.WAITING},
}
"""What follows, written down a second time; what is not here changes nothing."""

LAMP = ("set_led", "Switch a light.", {"type": "object", "properties": {"name": {"type": "string"}}})


def delta(text: str) -> dict[str, Any]:
    event = {
        "type": "response.output_text.delta",
        "event_id": "e",
        "response_id": "r",
        "item_id": "i",
        "output_index": 0,
        "content_index": 0,
        "delta": text,
    }
    check_server_event(event)
    return event


def call(name: str, arguments: object, call_id: str = "c1") -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    item = {"type": "function_call", "call_id": call_id, "name": name, "arguments": text}
    event = {"type": "response.output_item.done", "event_id": "e", "response_id": "r", "output_index": 0, "item": item}
    check_server_event(event)
    return event


def done(tokens: int = 12, **response: Any) -> dict[str, Any]:
    event = {
        "type": "response.done",
        "event_id": "e",
        "response": {"id": "r", "status": "completed", "usage": {"total_tokens": tokens}, **response},
    }
    check_server_event(event)
    return event


class Talk:
    """A conversation, and all that it sent."""

    def __init__(self, sound: SoundOptions | None = None) -> None:
        self.conversation = Conversation(SessionOptions("Be brief.", [LAMP], sound))
        self.sent: list[dict[str, Any]] = []
        self.does(self.conversation.begin())

    def does(self, actions: Iterable[Action]) -> list[Action]:
        """Keep what is sent, and return what else is to be done."""
        others: list[Action] = []
        for action in actions:
            if isinstance(action, Send):
                check_client_event(action.message)
                self.sent.append(dict(action.message))
            else:
                others.append(action)
        return others

    def hears(self, *events: dict[str, Any]) -> list[Action]:
        return [action for event in events for action in self.does(self.conversation.received(event))]

    def items(self, kind: str) -> list[dict[str, Any]]:
        """The items of a kind that were sent."""
        items = (each["item"] for each in self.sent if each["type"] == "conversation.item.create")
        return [item for item in items if item["type"] == kind]

    @property
    def kinds(self) -> list[str]:
        return [each["type"] for each in self.sent]


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)), ids=str)
def test_each_cell(state: State, event: Event) -> None:
    assert TRANSITIONS.get((state, event)) == CELLS[state].get(event)


def test_the_session_begins_with_instructions_and_the_tools_that_are_allowed() -> None:
    (update,) = Talk().sent
    assert update["session"]["instructions"] == "Be brief."
    assert update["session"]["output_modalities"] == ["text"]
    assert [tool["name"] for tool in update["session"]["tools"]] == ["set_led"]


def test_a_person_is_answered_the_first_sentence_at_once_and_the_rest_in_one_piece() -> None:
    talk = Talk()
    assert talk.does(talk.conversation.person_said("Hello")) == []
    assert talk.kinds == ["session.update", "conversation.item.create", "response.create"]
    assert talk.sent[1]["item"]["content"] == [{"type": "input_text", "text": "Hello"}]
    assert talk.hears(delta("Good mor"), delta("ning!"), delta(" It is")) == [Say("Good morning!")]
    assert talk.hears(delta(" nine. Bye."), done(40)) == [Used(40), Say("It is nine. Bye.")]
    assert talk.conversation.state is State.WAITING


def test_chinese_sentences_end_without_a_space_and_numbers_end_none() -> None:
    talk = Talk()
    talk.does(talk.conversation.person_said("\u4f60\u597d"))
    assert talk.hears(delta("\u4f60\u597d\u3002\u518d")) == [Say("\u4f60\u597d\u3002")]
    other = Talk()
    other.does(other.conversation.person_said("Pi?"))
    assert other.hears(delta("It is 3.14"), done()) == [Used(12), Say("It is 3.14")]


def test_the_beta_names_of_the_events_are_understood() -> None:
    talk = Talk()
    talk.does(talk.conversation.person_said("Hello"))
    assert talk.hears({"type": "response.text.delta", "delta": "Hi."}, done()) == [Used(12), Say("Hi.")]


def test_a_tool_is_called_and_its_result_gets_an_answer() -> None:
    talk = Talk()
    talk.does(talk.conversation.person_said("Light!"))
    assert talk.hears(call("set_led", {"name": "lamp"}), done()) == [
        CallTool("c1", "set_led", {"name": "lamp"}),
        Used(12),
    ]
    talk.does(talk.conversation.tool_answered("c1", "The lamp is lit."))
    assert talk.kinds[-2:] == ["conversation.item.create", "response.create"]
    assert talk.sent[-2]["item"] == {
        "type": "function_call_output",
        "call_id": "c1",
        "output": "The lamp is lit.",
    }
    assert talk.hears(delta("It is on."), done()) == [Used(12), Say("It is on.")]


def test_several_tools_get_one_answer_also_when_one_is_quicker_than_the_end_of_the_response() -> None:
    talk = Talk()
    talk.does(talk.conversation.person_said("Light!"))
    talk.hears(call("set_led", {}, "a"), call("set_led", {}, "b"))
    talk.does(talk.conversation.tool_answered("a", "lit"))
    talk.hears(done())
    assert talk.kinds.count("response.create") == 1
    talk.does(talk.conversation.tool_answered("b", ""))
    assert talk.kinds.count("response.create") == 2


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("take_photo", {}, "There is no tool 'take_photo'."),
        ("set_led", "{", "The arguments are no JSON object."),
        ("set_led", "[1]", "The arguments are no JSON object."),
        ("set_led", "[" * 50_000, "The arguments are no JSON object."),
    ],
    ids=["not allowed", "no JSON", "a list", "nested"],
)
def test_a_call_that_cannot_be_carried_out_is_explained_to_the_model(name: str, arguments: object, told: str) -> None:
    talk = Talk()
    talk.does(talk.conversation.person_said("Photo!"))
    assert talk.hears(call(name, arguments), done()) == [Used(12)]
    assert talk.sent[-2]["item"]["output"] == told
    assert talk.kinds[-1] == "response.create"


def test_a_model_that_calls_on_and_on_gets_no_tools_and_then_no_turn() -> None:
    talk = Talk()
    talk.does(talk.conversation.person_said("Light!"))
    called = 0
    for number in range(3 * MOST_CALLS):
        call_id = f"c{number}"
        actions = talk.hears(call("set_led", {}, call_id), done())
        called += any(isinstance(action, CallTool) for action in actions)
        talk.does(talk.conversation.tool_answered(call_id, "lit"))
        if talk.conversation.state is State.WAITING:
            break
    assert called == MOST_CALLS
    assert talk.conversation.state is State.WAITING, "nothing more is asked of it, nor paid for"
    assert any("Too many calls" in item["output"] for item in talk.items("function_call_output"))
    asked = [message for message in talk.sent if message["type"] == "response.create"]
    assert [message.get("response") for message in asked[-2:]] == [None, {"tool_choice": "none"}]
    talk.does(talk.conversation.person_said("Stop that"))
    assert talk.sent[-1] == {"type": "response.create"}, "with tools again"


def test_an_interruption_cancels_the_answer_and_tells_the_model_what_was_heard() -> None:
    talk = Talk()
    talk.does(talk.conversation.person_said("Tell me a story"))
    talk.hears(delta("Once upon a time. There"))
    talk.does(talk.conversation.stop("Once upon"))
    assert talk.kinds[-2:] == ["conversation.item.create", "response.cancel"]
    assert "Once upon" in talk.sent[-2]["item"]["content"][0]["text"]
    assert talk.hears(delta(" was a robot."), done(status="cancelled")) == [Used(12)]
    assert talk.kinds[-1] == "response.cancel", "nobody asked for another answer"
    talk.does(talk.conversation.person_said("What time is it?"))
    assert talk.kinds[-1] == "response.create"


def test_a_person_who_goes_on_is_answered_once_the_server_has_stopped() -> None:
    talk = Talk()
    talk.does(talk.conversation.person_said("Tell me a story"))
    talk.does(talk.conversation.person_said("No, the time"))
    assert talk.kinds[-2:] == ["conversation.item.create", "response.cancel"]
    talk.hears(done(status="cancelled"))
    assert talk.kinds[-1] == "response.create"
    assert talk.conversation.state is State.ANSWERING


def test_a_result_that_nobody_waits_for_any_more_goes_nowhere() -> None:
    talk = Talk()
    talk.does(talk.conversation.person_said("Light!"))
    talk.hears(call("set_led", {}), done())
    talk.does(talk.conversation.person_said("Never mind"))
    sent = len(talk.sent)
    talk.does(talk.conversation.tool_answered("c1", "lit"))
    assert len(talk.sent) == sent


def test_what_goes_wrong_is_said() -> None:
    talk = Talk()
    talk.does(talk.conversation.person_said("Hello"))
    error = {"type": "error", "event_id": "e", "error": {"type": "invalid_request_error", "message": "No such model."}}
    check_server_event(error)
    assert talk.hears(error) == [Failed("No such model.")]
    late = {"type": "error", "error": {"message": "Cancellation failed.", "code": "response_cancel_not_active"}}
    assert talk.hears(late) == []
    details = {"type": "failed", "error": {"type": "insufficient_quota"}}
    assert talk.hears(done(status="failed", status_details=details)) == [Used(12), Failed("insufficient_quota")]


@pytest.mark.parametrize(
    "event", [{}, {"type": "session.created"}, {"type": "response.done"}, {"type": "error"}, {"type": 3}]
)
def test_unknown_events_are_ignored(event: dict[str, Any]) -> None:
    assert Talk().hears(event) == []


def test_an_endless_answer_is_cut() -> None:
    talk = Talk()
    talk.does(talk.conversation.person_said("Count"))
    says = talk.hears(*(delta("one and ") for _ in range(1000)), done())
    assert sum(len(action.text) for action in says if isinstance(action, Say)) <= LONGEST_ANSWER
