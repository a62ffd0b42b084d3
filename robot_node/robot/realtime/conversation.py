"""A conversation in the protocol OpenAI Realtime, by text or by sound: events in, actions out. Pure.

The events are those of OpenAI's published schema (``openai.types.realtime`` of its Python package), of which the tests
check each message that is made here.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from robot_node.robot.realtime.actions import (
    Action,
    AnswerEnd,
    CallTool,
    Caption,
    Ended,
    Failed,
    Play,
    Say,
    Send,
    Transcribed,
    Used,
)
from robot_node.robot.realtime.messages import (
    MAY_FAIL,
    SESSION,
    SessionOptions,
    is_beta,
    item,
    message_of,
    output_of,
    reason_of,
    response_id,
    samples,
    text_in,
    text_of,
)
from robot_node.robot.realtime.states import TRANSITIONS, Event, State

MOST_CALLS = 8
"""Calls of tools for one thing that a person said: a model that calls on and on is stopped."""

LONGEST_ANSWER = 1500
"""Characters of an answer that are spoken."""

_LONGEST_OUTPUT = 8000
_REMEMBERED = 16
_SENTENCE = re.compile(r".+?[.!?\u2026](?=\s)|.+?[\u3002\uff01\uff1f]", re.DOTALL)


class Conversation:
    """One session with a server.

    Args:
        options: How it is held.
    """

    def __init__(self, options: SessionOptions) -> None:
        self._options = options
        self._names = {name for name, _, _ in options.tools}
        self._is_beta = False  # the server is one of the protocol's beta
        self._response = ""  # id of the answer that is being made, if the server says it
        self._ended: deque[str] = deque(maxlen=_REMEMBERED)  # ids of those that were cancelled
        self._cancels = 0
        self._text = ""
        self._said = 0
        self._calls: dict[str, str] = {}  # by id: the result; empty before it is there
        self._calls_made = 0
        self._without_tools = False  # too many calls: the next answer is to be one without
        self._wanted = False  # an answer, once the one before is done
        self._hearing = False  # a person speaks: what has come of it is with the server
        self._resumes = False  # an answer was called off for that
        self._items: set[str] = set()  # of the answer
        self._with_text: set[str] = set()  # of these, those whose text has come
        self._understood: deque[bool] = deque(maxlen=_REMEMBERED)  # of what was said: by the robot itself
        self._known: deque[str] = deque(maxlen=_REMEMBERED)  # ids of what the robot itself understood
        self.state = State.WAITING

    def begin(self) -> Iterator[Action]:
        """What the server gets first."""
        yield self._options.update()

    @property
    def is_idle(self) -> bool:
        """Nobody speaks to the model, and it is not to answer."""
        return self.state is State.WAITING and not self._hearing

    def person_said(self, text: str) -> Iterator[Action]:
        """A person said or wrote something: the answer before it is not wanted any more."""
        yield text_of("user", text)
        yield from self._want()

    def person_speaks(self, sound: str) -> Iterator[Action]:
        """A person speaks: an answer that has not come yet is called off, so that nobody is talked over.

        Args:
            sound: What comes next of it, as base64.
        """
        if not self._hearing:
            self._hearing = True
            self._resumes = self._wanted or self.state in {State.ANSWERING, State.CALLING}
            yield from self.stop()
        yield Send({"type": "input_audio_buffer.append", "audio": sound})

    def speech_ended(self, *, complete: bool, understood: bool = False, silence: bool = False) -> Iterator[Action]:
        """What a person said has ended.

        Args:
            complete: It is meant for the model; else the server forgets it.
            understood: The robot itself has understood it: no transcription of it is needed.
            silence: No answer is wanted, not even the one that was called off.
        """
        if not self._hearing:
            return
        resumes, self._hearing, self._resumes = self._resumes, False, False
        if complete:
            self._understood.append(understood)
            yield Send({"type": "input_audio_buffer.commit"})
        else:
            yield Send({"type": "input_audio_buffer.clear", "event_id": MAY_FAIL})
        if complete or (resumes and not silence):
            yield from self._want()

    def cut(self, item_id: str, index: int, heard_s: float) -> Iterator[Action]:
        """An answer was cut short: the model learns how many seconds of it were heard, and the rest is not made."""
        if self.state is State.ANSWERING and item_id in self._items:
            self._turn(Event.STOP)
            yield self._cancel()
        place = {"item_id": item_id, "content_index": index, "audio_end_ms": int(1000 * heard_s)}
        yield Send({"type": "conversation.item.truncate", **place, "event_id": MAY_FAIL})

    def stop(self, said: str = "") -> Iterator[Action]:
        """A person wants silence.

        Args:
            said: What had been said of the answer by then; the model gets it.
        """
        before = self.state
        self._wanted = False
        self._turn(Event.STOP)
        if said:
            told = f"The person interrupted you. Of your last answer only this was heard: {said}"
            yield text_of("system", told)
        if before is State.ANSWERING:
            yield self._cancel()

    def received(self, event: Mapping[str, Any]) -> Iterator[Action]:
        """The server sent an event; unknown ones are ignored."""
        if event.get("response_id") in self._ended:  # nobody wants more of that answer
            return
        # The second name of an event is that of the protocol's beta.
        match event:
            case {"type": "session.created" | "session.updated", "session": {} as session}:
                yield from self._begun(session)
            case {"type": "response.created"}:
                self._response = response_id(event)
            case {"type": "response.output_text.delta" | "response.text.delta", "delta": str(delta)}:
                self._with_text.add(str(_item_id(event)))
                yield from self._hear(delta)
            case {"type": "response.output_text.done" | "response.text.done", "text": str(text)}:
                yield from self._hear_whole(str(_item_id(event)), text)
            case {"type": "response.output_item.done", "item": {"type": "function_call"} as call}:
                yield from self._call(call)
            case {"type": "response.function_call_arguments.done", "name": str()}:
                yield from self._call(event)
            case {"type": "response.done"}:
                response = event.get("response")
                yield from self._done(response if isinstance(response, Mapping) else {})
            case {"type": "response.cancelled"}:  # in the place of the former, or before it
                yield from self._done({"id": response_id(event) or self._response, "status": "cancelled"})
            case {"type": "error"}:
                yield from self._failed(event.get("error", event))
            case _:
                yield from self._received_sound(event)

    def _received_sound(self, event: Mapping[str, Any]) -> Iterator[Action]:
        item_id, index = _item_id(event), event.get("content_index", 0)
        if not isinstance(item_id, str) or not isinstance(index, int):
            return
        match event:
            case {"type": "response.output_audio.delta" | "response.audio.delta", "delta": str(delta)} if (
                self.state is State.ANSWERING
            ):
                self._items.add(item_id)
                yield Play(item_id, index, samples(delta))
            case {
                "type": "response.output_audio_transcript.delta" | "response.audio_transcript.delta",
                "delta": str(delta),
            } if self.state is State.ANSWERING:
                self._with_text.add(item_id)
                yield Caption(item_id, index, delta)
            case {
                "type": "response.output_audio_transcript.done" | "response.audio_transcript.done",
                "transcript": str(text),
            } if self.state is State.ANSWERING and item_id not in self._with_text:
                yield Caption(item_id, index, text)  # of a server that sends it in one piece
            case {"type": "input_audio_buffer.committed"} if self._understood:
                if self._understood.popleft():
                    self._known.append(item_id)
            case {"type": "conversation.item.input_audio_transcription.completed", "transcript": str(text)}:
                if item_id not in self._known:
                    yield Transcribed(text)

    def _begun(self, session: Mapping[str, Any]) -> Iterator[Action]:
        if not self._is_beta and is_beta(session):
            self._is_beta = True
            yield self._options.beta_update()

    def _failed(self, error: object) -> Iterator[Action]:
        code, event_id = (error.get("code"), error.get("event_id")) if isinstance(error, Mapping) else (None, None)
        match code:
            case "response_cancel_not_active":
                # It has ended before. Who never says so says it now.
                if self.state is State.CANCELLING and event_id in {None, self._cancel_id}:
                    yield from self._done({"id": self._response, "status": "cancelled"})
            case "conversation_already_has_active_response" | "input_audio_buffer_commit_empty":
                pass  # the server answers, or takes what was said, without being asked to
            case "session_expired":
                yield Ended(message_of(error))
            case _:
                is_of_no_consequence = (
                    str(event_id).startswith(MAY_FAIL)
                    or (event_id == SESSION and self._is_beta)
                    or (event_id is None and self.state in {State.WAITING, State.CANCELLING})
                )
                if not is_of_no_consequence:
                    yield Failed(message_of(error))

    def tool_answered(self, call_id: str, text: str) -> Iterator[Action]:
        """A tool has returned; what it returned goes to the model."""
        if call_id not in self._calls:  # a person has said more meanwhile
            return
        self._calls[call_id] = text or "Done."
        yield item(
            {"type": "function_call_output", "call_id": call_id, "output": self._calls[call_id][:_LONGEST_OUTPUT]}
        )
        if self.state is State.CALLING and all(self._calls.values()):
            yield from self._continue()

    def _hear(self, delta: str) -> Iterator[Action]:
        if self.state is not State.ANSWERING:
            return
        self._text = (self._text + delta)[:LONGEST_ANSWER]
        # The first sentence at once; the rest in one piece, which is spoken without a pause.
        if self._said == 0 and (first := _SENTENCE.match(self._text)):
            self._said = first.end()
            yield Say(self._text[: self._said].strip())

    def _hear_whole(self, item_id: str, text: str) -> Iterator[Action]:
        """Take a text that ends; a server that did not send it piece by piece sends it here alone."""
        if item_id not in self._with_text:
            self._with_text.add(item_id)
            yield from self._hear(text)

    def _call(self, call: Mapping[str, Any]) -> Iterator[Action]:
        """Call a tool; a server may say it several times."""
        call_id, name = call.get("call_id"), call.get("name")
        if (
            self.state is not State.ANSWERING
            or not isinstance(call_id, str)
            or call_id in self._calls
            or not isinstance(name, str)
        ):
            return
        self._calls[call_id] = ""
        self._calls_made += 1
        try:
            arguments = json.loads(call.get("arguments") or "{}")
        except (ValueError, RecursionError):
            arguments = None
        if name not in self._names:
            yield from self.tool_answered(call_id, f"There is no tool {name!r}.")
        elif not isinstance(arguments, dict):
            yield from self.tool_answered(call_id, "The arguments are no JSON object.")
        elif self._calls_made > MOST_CALLS:
            yield from self.tool_answered(call_id, "Too many calls: answer the person now.")
        else:
            yield CallTool(call_id, name, arguments)

    def _done(self, response: Mapping[str, Any]) -> Iterator[Action]:
        usage, name = response.get("usage"), response.get("id")
        if isinstance(usage, Mapping) and isinstance(tokens := usage.get("total_tokens"), int):
            yield Used(tokens)
        if name in self._ended:  # it was said already, in another way
            return
        if isinstance(name, str) and name and response.get("status") == "cancelled":
            self._ended.append(name)
        nothing_came = not self._with_text and not self._items
        for part in output_of(response):
            if part.get("type") == "function_call":
                yield from self._call(part)
            elif nothing_came and (text := text_in(part)):
                yield from self._hear(text)
        if self.state is State.ANSWERING and (rest := self._text[self._said :].strip()):
            yield Say(rest)
        self._text, self._said = "", 0
        if self._options.sound is not None:
            yield AnswerEnd()
        if response.get("status") == "failed":
            self._calls.clear()
            yield Failed(reason_of(response))
        self._turn(Event.DONE_WITH_CALLS if self._calls else Event.DONE)
        if self.state is State.CALLING:
            if all(self._calls.values()):
                yield from self._continue()
        elif self._wanted and self.state is State.WAITING:
            self._turn(Event.PERSON)
            yield from self._ask()

    def _continue(self) -> Iterator[Action]:
        if self._without_tools:  # it calls although it has been given none: there is nothing to be had from it
            self._turn(Event.STOP)
            return
        self._turn(Event.RESULTS)
        self._without_tools = self._calls_made > MOST_CALLS
        yield from self._ask()

    def _ask(self) -> Iterator[Action]:
        self._wanted = False
        self._calls.clear()
        self._items.clear()
        self._with_text.clear()
        limits = {"response": {"tool_choice": "none"}} if self._without_tools else {}
        yield Send({"type": "response.create", **limits})

    def _want(self) -> Iterator[Action]:
        """Have the model answer, as soon as it can and nobody speaks."""
        self._calls_made, self._without_tools = 0, False
        if self._hearing:
            self._resumes = True
            return
        before = self.state
        self._wanted = True
        self._turn(Event.PERSON)
        if before is State.ANSWERING:
            yield self._cancel()
        elif before is not State.CANCELLING:
            yield from self._ask()

    def _turn(self, event: Event) -> None:
        self.state = TRANSITIONS.get((self.state, event), self.state)
        if self.state is not State.ANSWERING and self.state is not State.CALLING:
            self._calls.clear()

    def _cancel(self) -> Send:
        self._cancels += 1
        return Send({"type": "response.cancel", "event_id": self._cancel_id})

    @property
    def _cancel_id(self) -> str:
        return f"{MAY_FAIL}-{self._cancels}"


def _item_id(event: Mapping[str, Any]) -> object:
    """Return of which part of an answer an event is; a server that does not say it has one for each answer."""
    return event.get("item_id", response_id(event))
