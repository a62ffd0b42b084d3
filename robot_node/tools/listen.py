"""The tool by which an agent has the robot listen: what a person says next, without a wake word."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from pydantic import Field

from robot_node.core.changes import Changes
from robot_node.core.events import Event, EventLog
from robot_node.core.long_waits import PROGRESS_EVERY_S, LongWait
from robot_node.core.state import Device, RobotSnapshot, RobotState
from robot_node.speech.recognition import TURN, SpeechRecognition
from robot_node.speech.recognition_messages import TurnEnd
from robot_node.speech.turn_claims import is_speech
from robot_node.tools.common import ACTS

_LONGEST_S = 60.0
_UTTERANCE_S = 20.0
"""How long somebody who has begun within the time may speak, and recognition may take."""

_REASONS = {
    "silence": "Nothing was understood within {seconds:g} s.",
    "too_long": "What was heard did not end: it was no speech.",
    "interrupted": "The robot or a viewer spoke.",
    "switched_off": "The microphone was closed.",
    "stopped": "A stop phrase was said.",
}


def offer_listen(
    server: MCPServer,
    recognition: SpeechRecognition,
    state: RobotState,
    events: EventLog,
    *,
    progress_every_s: float = PROGRESS_EVERY_S,
) -> None:
    """Let agents have the robot listen.

    Args:
        server: Gets the tool.
        recognition: Recognises what is said.
        state: Says whether it can.
        events: Get what is said.
        progress_every_s: How often a wait tells its client that it goes on.
    """

    @server.tool(title="Listen to people", annotations=ACTS)
    async def listen(
        ctx: Context[Any, Any],
        seconds: Annotated[float, Field(ge=1, le=_LONGEST_S, description="how long somebody may take to begin")] = 10.0,
    ) -> dict[str, Any]:
        """Fall silent and listen, without wake word; return what a person says next. null: nothing was understood."""
        if reason := _deaf(recognition, state.snapshot):
            return {"text": None, "reason": reason}
        after, longest_s = events.last, seconds + (_UTTERANCE_S if recognition.has_turns else 0.0)
        recognition.push_to_talk(seconds)
        wait = LongWait(lambda so_far: ctx.report_progress(so_far, longest_s, "Listening."), every_s=progress_every_s)
        with recognition.claims.claim(), Changes(events.listen) as changes:
            while True:
                for event in events.after(after):
                    after = event.sequence
                    if _was_not_understood(event):
                        recognition.expect_speech(max(0.0, seconds - wait.seconds))
                    elif (result := _result(event, seconds)) is not None:
                        return result
                if wait.seconds >= longest_s:
                    return {"text": None, "reason": _REASONS["silence"].format(seconds=seconds)}
                await wait.next(changes, longest_s=longest_s - wait.seconds)


def _result(event: Event, seconds: float) -> dict[str, Any] | None:
    if is_speech(event):
        return {"text": event.text, **({"by": event.by} if event.by else {}), **event.details}
    if event.kind == TURN and event.details.get("state") == "ended":
        return {"text": None, "reason": _REASONS[str(event.details["reason"])].format(seconds=seconds)}
    return None


def _was_not_understood(event: Event) -> bool:
    """A turn has ended with speech, and no text of it came: it can be said again."""
    return event.kind == TURN and event.details.get("reason") == TurnEnd.HEARD


def _deaf(recognition: SpeechRecognition, now: RobotSnapshot) -> str:
    """Return why nothing can be heard; empty when it can."""
    if not recognition.ready:
        return now.fault(Device.HEARING) or "The speech recognition is still being loaded."
    if now.microphone_privacy or now.microphone_enabled is False:
        return "The microphone is switched off."
    return now.fault(Device.MICROPHONE)
