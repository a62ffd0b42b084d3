"""The tools of the voice: say something, and stop speaking."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel, Field

from robot_node.core.state import Device, RobotState
from robot_node.speech.speaker import QUEUE, Speaker
from robot_node.speech.text_chunks import LONGEST_TEXT
from robot_node.tools.common import ACTS, SETS, readable_errors


class SayResult(BaseModel):
    """Result of say."""

    task_id: str = Field(description="What this speech is called in the messages on $message/<client id>.")
    waiting: int = Field(description="How many texts are said before this one.")
    loudspeaker_error: str = Field(description="Why it is not heard from the loudspeaker; empty otherwise.")


class StopSpeakingResult(BaseModel):
    """Result of stop_speaking."""

    stopped: int = Field(description="How many texts are not, or not wholly, said.")


def offer_voice(server: MCPServer, speaker: Speaker, state: RobotState) -> None:
    """Let agents speak with the robot's voice."""

    @server.tool(
        title="Say something",
        description=(
            "Say a text aloud, with mouth and subtitles. Returns at once; get_status tells whether it still speaks. "
            f"At most {QUEUE} texts wait."
        ),
        annotations=ACTS,
    )
    async def say(
        text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT, description="Plain text, no markup.")],
        emotion: Annotated[str | None, Field(max_length=64, description="As for change_emotion.")] = None,
        language: Annotated[
            str | None, Field(max_length=64, description='Such as "en"; left out: the robot\'s.')
        ] = None,
        interrupt: Annotated[  # noqa: FBT002  # an argument of a tool has a name
            bool, Field(description="true: at once, instead of what is being said or waits.")
        ] = False,
    ) -> SayResult:
        with readable_errors():
            task = await speaker.say(text, emotion=emotion or "", language=language or "", interrupt=interrupt)
        error = state.snapshot.fault(Device.LOUDSPEAKER)
        return SayResult(task_id=task.task_id, waiting=speaker.texts_ahead, loudspeaker_error=error)

    @server.tool(title="Stop speaking", annotations=SETS)
    async def stop_speaking() -> StopSpeakingResult:
        """Fall silent at once, and forget what waits to be said."""
        return StopSpeakingResult(stopped=speaker.stop())
