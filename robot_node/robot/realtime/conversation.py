"""A conversation in the protocol OpenAI Realtime, by text or by sound: events in, actions out. Pure.

The events are those of OpenAI's published schema (``openai.types.realtime`` of its Python package), of which the tests
check each message that is made here.
"""

from __future__ import annotations

import base64
import enum
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from robot_node.robot.realtime.actions import (
    SOUND_RATE,
    Action,
    AnswerEnd,
    CallTool,
    Caption,
    Failed,
    Play,
    Say,
    Send,
    Transcribed,
    Used,
)

MOST_CALLS = 8
"""Calls of tools for one thing that a person said: a model that calls on and on is stopped."""

LONGEST_ANSWER = 1500
"""Characters of an answer that are spoken."""

_LONGEST_OUTPUT = 8000
_MAY_FAIL = "may-fail"
"""Event id of messages that may come too late: their errors are of no consequence."""

_REMEMBERED = 16
_SENTENCE = re.compile(r".+?[.!?\u2026](?=\s)|.+?[\u3002\uff01\uff1f]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SoundOptions:
    """How a conversation by sound is held.

    Attributes:
        voice: The model's, by its name; empty: as the server likes.
        transcription_model: Makes text of what people say; empty: none.
    """

    voice: str = ""
    transcription_model: str = ""


class State(enum.StrEnum):
    """What the conversation waits for."""

    WAITING = "waiting"  # a person
    ANSWERING = "answering"  # the model's answer
    CALLING = "calling"  # results of tools
    CANCELLING = "cancelling"  # the end of an answer that nobody wants any more


class Event(enum.StrEnum):
    """What happens."""

    PERSON = "person"  # says something
    STOP = "stop"  # a person wants silence
    DONE = "done"  # the answer is complete
    DONE_WITH_CALLS = "done_with_calls"  # and tools are to be called
    RESULTS = "results"  # of all tools are there


_S, _E = State, Event

TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (_S.WAITING, _E.PERSON): _S.ANSWERING,
        (_S.ANSWERING, _E.PERSON): _S.CANCELLING,
        (_S.ANSWERING, _E.STOP): _S.CANCELLING,
        (_S.ANSWERING, _E.DONE): _S.WAITING,
        (_S.ANSWERING, _E.DONE_WITH_CALLS): _S.CALLING,
        (_S.CALLING, _E.PERSON): _S.ANSWERING,
        (_S.CALLING, _E.STOP): _S.WAITING,
        (_S.CALLING, _E.RESULTS): _S.ANSWERING,
        (_S.CANCELLING, _E.DONE): _S.WAITING,
        (_S.CANCELLING, _E.DONE_WITH_CALLS): _S.WAITING,
    }
)
"""The next state. What is not here changes nothing."""


class Conversation:
    """One session with a server.

    Args:
        instructions: What the model gets first.
        tools: Name, description and JSON schema of each tool that it may call.
        sound: How it is held by sound; None: by text.
    """

    def __init__(
        self,
        instructions: str,
        tools: Sequence[tuple[str, str, Mapping[str, Any]]],
        sound: SoundOptions | None = None,
    ) -> None:
        self._instructions = instructions
        self._sound = sound
        self._tools = tools
        self._names = {name for name, _, _ in tools}
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
        tools = [
            {"type": "function", "name": name, "description": description, "parameters": dict(schema)}
            for name, description, schema in self._tools
        ]
        session: dict[str, Any] = {
            "type": "realtime",
            "output_modalities": ["text"],
            "instructions": self._instructions,
            "tools": tools,
            "tool_choice": "auto",
        }
        if self._sound is not None:
            session |= {"output_modalities": ["audio"], "audio": _audio(self._sound)}
        yield Send({"type": "session.update", "session": session})

    def person_said(self, text: str) -> Iterator[Action]:
        """A person said or wrote something: the answer before it is not wanted any more."""
        yield _item({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
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
            yield Send({"type": "input_audio_buffer.clear", "event_id": _MAY_FAIL})
        if complete or (resumes and not silence):
            yield from self._want()

    def cut(self, item_id: str, index: int, heard_s: float) -> Iterator[Action]:
        """An answer was cut short: the model learns how many seconds of it were heard, and the rest is not made."""
        if self.state is State.ANSWERING and item_id in self._items:
            self._turn(Event.STOP)
            yield _cancel()
        place = {"item_id": item_id, "content_index": index, "audio_end_ms": int(1000 * heard_s)}
        yield Send({"type": "conversation.item.truncate", **place, "event_id": _MAY_FAIL})

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
            yield _item({"type": "message", "role": "system", "content": [{"type": "input_text", "text": told}]})
        if before is State.ANSWERING:
            yield _cancel()

    def received(self, event: Mapping[str, Any]) -> Iterator[Action]:
        """The server sent an event; unknown ones are ignored."""
        match event:
            # The second name is that of servers which follow the protocol's beta.
            case {"type": "response.output_text.delta" | "response.text.delta", "delta": str(delta)}:
                yield from self._hear(delta)
            case {"type": "response.output_item.done", "item": {"type": "function_call"}}:
                self._note_call(event["item"])
                yield from self._call(event["item"])
            case {"type": "response.done", "response": {}}:
                yield from self._done(event["response"])
            case {"type": "error", "error": {"message": str(message)}}:
                error = event["error"]
                too_late = error.get("code") == "response_cancel_not_active"  # it ended before it was cancelled
                if not too_late and error.get("event_id") != _MAY_FAIL:
                    yield Failed(message)
            case {"item_id": str()}:
                yield from self._received_sound(event)

    def _received_sound(self, event: Mapping[str, Any]) -> Iterator[Action]:
        match event:
            case {
                "type": "response.output_audio.delta" | "response.audio.delta",
                "content_index": int(index),
                "delta": str(delta),
            } if self.state is State.ANSWERING:
                self._items.add(event["item_id"])
                yield Play(event["item_id"], index, _samples(delta))
            case {
                "type": "response.output_audio_transcript.delta" | "response.audio_transcript.delta",
                "content_index": int(index),
                "delta": str(delta),
            } if self.state is State.ANSWERING:
                self._with_text.add(event["item_id"])
                yield Caption(event["item_id"], index, delta)
            case {
                "type": "response.output_audio_transcript.done" | "response.audio_transcript.done",
                "content_index": int(index),
                "transcript": str(text),
            } if self.state is State.ANSWERING and event["item_id"] not in self._with_text:
                yield Caption(event["item_id"], index, text)  # of a server that sends it in one piece
            case {"type": "input_audio_buffer.committed"} if self._understood:
                if self._understood.popleft():
                    self._known.append(event["item_id"])
            case {"type": "conversation.item.input_audio_transcription.completed", "transcript": str(text)}:
                if event["item_id"] not in self._known:
                    yield Transcribed(text)

    def tool_answered(self, call_id: str, text: str) -> Iterator[Action]:
        """A tool has returned; what it returned goes to the model."""
        if call_id not in self._calls:  # a person has said more meanwhile
            return
        self._calls[call_id] = text or "Done."
        yield _item(
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

    def _note_call(self, item: Mapping[str, Any]) -> None:
        if self.state is State.ANSWERING and isinstance(call_id := item.get("call_id"), str):
            self._calls[call_id] = ""

    def _call(self, item: Mapping[str, Any]) -> Iterator[Action]:
        call_id, name = item.get("call_id"), item.get("name")
        if call_id not in self._calls or not isinstance(name, str):
            return
        self._calls_made += 1
        try:
            arguments = json.loads(item.get("arguments") or "{}")
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
        usage = response.get("usage")
        if isinstance(usage, Mapping) and isinstance(tokens := usage.get("total_tokens"), int):
            yield Used(tokens)
        if self.state is State.ANSWERING and (rest := self._text[self._said :].strip()):
            yield Say(rest)
        self._text, self._said = "", 0
        if self._sound is not None:
            yield AnswerEnd()
        if response.get("status") == "failed":
            self._calls.clear()
            yield Failed(_reason(response))
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
            yield _cancel()
        elif before is not State.CANCELLING:
            yield from self._ask()

    def _turn(self, event: Event) -> None:
        self.state = TRANSITIONS.get((self.state, event), self.state)
        if self.state is not State.ANSWERING and self.state is not State.CALLING:
            self._calls.clear()


def _item(item: Mapping[str, Any]) -> Send:
    return Send({"type": "conversation.item.create", "item": item})


def _cancel() -> Send:
    return Send({"type": "response.cancel", "event_id": _MAY_FAIL})


def _audio(options: SoundOptions) -> dict[str, Any]:
    pcm = {"type": "audio/pcm", "rate": SOUND_RATE}
    # The robot itself finds the end of what is said: the server gets nothing but that.
    given: dict[str, Any] = {"format": pcm, "turn_detection": None}
    if options.transcription_model:
        given["transcription"] = {"model": options.transcription_model}
    made: dict[str, Any] = {"format": pcm}
    if options.voice:
        made["voice"] = options.voice
    return {"input": given, "output": made}


def _samples(delta: str) -> bytes:
    try:
        return base64.b64decode(delta, validate=True)
    except ValueError:
        return b""


def _reason(response: Mapping[str, Any]) -> str:
    match response:
        case {"status_details": {"error": {"message": str(message)}}}:
            return message
        case {"status_details": {"error": {"type": str(kind)}}}:
            return kind
    return "The model did not answer."
