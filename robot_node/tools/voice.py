"""The tools of the voice: say something, and stop speaking."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel, Field

from robot_node.core.long_waits import PROGRESS_EVERY_S
from robot_node.core.state import Device, RobotState
from robot_node.errors import DeviceError
from robot_node.speech.speaker import QUEUE, Speaker, SpeechEnd, SpeechTask
from robot_node.speech.text_chunks import LONGEST_TEXT
from robot_node.tools.common import ACTS, SETS, readable_errors


class SayResult(BaseModel):
    """Result of say."""

    task_id: str = Field(description="What this speech is called in the messages on $message/<client id>.")
    waiting: int = Field(description="How many texts are said before this one.")
    loudspeaker_error: str = Field(description="Why it is not heard; empty otherwise.")
    spoken: bool | None = Field(default=None, description="With wait: all was said.")
    said: str | None = Field(default=None, description="With wait: what was said.")


class StopSpeakingResult(BaseModel):
    """Result of stop_speaking."""

    stopped: int = Field(description="How many texts are not, or not wholly, said.")


def offer_voice(
    server: MCPServer, speaker: Speaker, state: RobotState, *, progress_every_s: float = PROGRESS_EVERY_S
) -> None:
    """Let agents speak with the robot's voice.

    Args:
        server: Gets the tools.
        speaker: The voice.
        state: Has the loudspeaker's fault.
        progress_every_s: How often a wait tells its client that it goes on.
    """

    @server.tool(
        title="Say something",
        description=(f"Say a text aloud, with mouth and subtitles. At most {QUEUE} texts wait."),
        annotations=ACTS,
    )
    async def say(  # noqa: PLR0917  # the arguments of a tool have names
        ctx: Context[Any, Any],
        text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT, description="Plain text, no markup.")],
        emotion: Annotated[str | None, Field(max_length=64, description="As for change_emotion.")] = None,
        language: Annotated[
            str | None, Field(max_length=64, description='Such as "en"; left out: the robot\'s, or by the text.')
        ] = None,
        interrupt: Annotated[  # noqa: FBT002  # an argument of a tool has a name
            bool, Field(description="true: instead of what is said or waits.")
        ] = False,
        wait: Annotated[  # noqa: FBT002
            bool, Field(description="true: return when said or stopped.")
        ] = False,
    ) -> SayResult:
        with readable_errors():
            task = await speaker.say(text, emotion=emotion or "", language=language or "", interrupt=interrupt)
            result = SayResult(task_id=task.task_id, waiting=speaker.texts_ahead, loudspeaker_error="")
            if wait:
                end = await _ended(task, ctx, progress_every_s)
                if end.error:
                    raise DeviceError(end.error)
                result.spoken, result.said = end.whole, end.said
        result.loudspeaker_error = state.snapshot.fault(Device.LOUDSPEAKER)
        return result

    @server.tool(title="Stop speaking", annotations=SETS)
    async def stop_speaking() -> StopSpeakingResult:
        """Fall silent at once, and forget what waits."""
        return StopSpeakingResult(stopped=speaker.stop())


async def _ended(task: SpeechTask, ctx: Context[Any, Any], progress_every_s: float) -> SpeechEnd:
    """Wait for the end of a text, and report progress."""
    began = asyncio.get_running_loop().time()
    while not (await asyncio.wait({task.ended}, timeout=progress_every_s))[0]:
        seconds = asyncio.get_running_loop().time() - began
        await ctx.report_progress(seconds, message="Speaking.")
    return task.ended.result()
