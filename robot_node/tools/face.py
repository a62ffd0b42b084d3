"""The tools of the face: an emotion, and text below it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, BeforeValidator, Field

from robot_node.devices.face import Face
from robot_node.errors import SettingsError
from robot_node.face.text import MAX_CHARACTERS
from robot_node.tools.common import SETS


class EmotionResult(BaseModel):
    """Result of change_emotion."""

    emotion: str = Field(description="The emotion that the face turns to now.")


class TextResult(BaseModel):
    """Result of show_text."""

    seconds: float = Field(description="For how long the text shows.")


def offer_face(server: MCPServer, face: Face) -> None:
    """Let agents change what the face shows."""

    async def change_emotion(emotion: Any) -> EmotionResult:
        """Show an emotion on the robot's face."""
        return EmotionResult(emotion=face.show_emotion(emotion))

    # The emotions are known only at run time: the settings may add some.
    change_emotion.__annotations__["emotion"] = _emotion_argument(face)
    server.tool(title="Change the face", annotations=SETS)(change_emotion)

    @server.tool(title="Show a text", annotations=SETS)
    async def show_text(
        text: Annotated[str, Field(max_length=MAX_CHARACTERS, description="Empty takes away what shows.")],
        duration: Annotated[
            float | None, Field(gt=0, le=600, description="Seconds; left out: as long as it takes to read.")
        ] = None,
    ) -> TextResult:
        """Write a text below the robot's eyes; it replaces the one before."""
        if face.question:
            raise ToolError("The robot shows a question to a person now, which no other text hides. Try again later.")
        return TextResult(seconds=round(face.show_text(text, duration), 2))


def _emotion_argument(face: Face) -> Any:
    def canonical(value: object) -> object:
        """Accept other spellings of an emotion; leave what is no text to the schema's own error."""
        if not isinstance(value, str):
            return value
        try:
            return face.canonical_name(value)
        except SettingsError as error:
            raise ValueError(str(error)) from error

    return Annotated[
        Literal[face.names],
        BeforeValidator(canonical),
        Field(description="What the face shall show."),
    ]
