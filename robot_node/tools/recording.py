"""The tools and resources of recording; only a robot that may record has them."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError
from pydantic import BaseModel, Field

from robot_node.errors import ArgumentError
from robot_node.robot.recording.library import Library
from robot_node.robot.recording.listing import listing_of
from robot_node.robot.recording.recorder import Recorder
from robot_node.robot.recording.states import RecorderState
from robot_node.tools.common import ACTS, SETS, readable_errors
from robot_node.tools.resources import CLIPS, JSON

CHUNK_BYTES = 750_000
"""Of a clip in one message: a megabyte in base64, as of photos."""

_LONGEST_BEFORE_S = 120
_LONGEST_AFTER_S = 40  # hosts give a call up after 60 s
_WRITING_S = 15.0


class ClipResult(BaseModel):
    """Result of the tools of recording."""

    name: str = Field(description="File in the robot's folder of recordings.")
    uri: str = Field(description="Resource to read it by.")
    recording: bool = Field(description="It is still being recorded.")
    seconds: float | None = Field(default=None, description="Its length; null while it is being recorded.")
    bytes: int | None = Field(default=None, description="Its size; null while it is being recorded.")
    ended_early: str = Field(default="", description="Why it is shorter than it was to be; empty: it is not.")


class ListedClip(BaseModel):
    """A recording in ``robot://clips``."""

    name: str = Field(description="File in the robot's folder of recordings.")
    uri: str = Field(description="Resource to read it by, or with ?chunk=0 and so on its chunks.")
    began: str = Field(description="When it was begun, by the robot's clock, in UTC.")
    bytes: int = Field(description="Its size; it grows while it is being recorded.")
    chunks: int = Field(description="How many chunks it has; one can be read as a whole.")
    seconds: float | None = Field(default=None, description="Its length; null while it is being recorded, or cut off.")
    cause: str = Field(default="", description="'by' a client id, or 'when' and the event of a rule; empty: not known.")
    recording: bool = Field(default=False, description="It is still being recorded.")


class Clips(BaseModel):
    """Content of ``robot://clips``."""

    clips: tuple[ListedClip, ...] = Field(description="The newest 200, the newest last.")
    all: int = Field(description="How many there are.")
    folder: str = Field(description="Where they are on the robot.")


def offer_recording(server: MCPServer, recorder: Recorder) -> None:
    """Let agents record, and read what was recorded."""
    _offer_resources(server, recorder)

    async def saved(name: str, within_s: float) -> ClipResult:
        clip = await recorder.saved(name, within_s=within_s)
        return ClipResult(
            name=name, uri=_uri(name), recording=False, seconds=clip.seconds, bytes=clip.size, ended_early=clip.error
        )

    def being_recorded(name: str) -> ClipResult:
        return ClipResult(name=name, uri=_uri(name), recording=True)

    @server.tool(title="Save a clip", annotations=ACTS)
    async def save_clip(
        before_s: Annotated[float, Field(ge=0, le=_LONGEST_BEFORE_S)] = recorder.settings.before_s,
        after_s: Annotated[float, Field(ge=0, le=_LONGEST_AFTER_S)] = min(recorder.settings.after_s, _LONGEST_AFTER_S),
    ) -> ClipResult:
        """Save a video of the last and the next seconds. The camera must be on."""
        with readable_errors():
            name = recorder.save_clip(before_s, after_s)
            if recorder.state is RecorderState.RECORDING:
                return being_recorded(name)
            return await saved(name, after_s + _WRITING_S)

    @server.tool(title="Record", annotations=SETS)
    async def start_recording() -> ClipResult:
        """Record video until stop_recording. The camera must be on; people see that it records."""
        with readable_errors():
            return being_recorded(recorder.start())

    @server.tool(title="Stop recording", annotations=SETS)
    async def stop_recording() -> ClipResult:
        """Stop recording, or end a clip now."""
        with readable_errors():
            return await saved(recorder.stop(), _WRITING_S)


def _offer_resources(server: MCPServer, recorder: Recorder) -> None:
    library = recorder.library

    @server.resource(CLIPS, name="clips", title="Recordings", mime_type=JSON)
    async def clips() -> str:
        """The newest recordings: name, URI, when it began, length, size, chunks to read it in, and what caused it."""
        try:
            listing = await asyncio.to_thread(listing_of, library)
        except OSError as error:
            raise ResourceError(f"{library.folder} cannot be read: {error.strerror}.") from error
        listed = tuple(
            ListedClip(
                name=file.name,
                uri=_uri(file.name),
                began=file.began.isoformat(timespec="seconds"),
                bytes=file.size,
                chunks=_chunks(file.size),
                seconds=each.seconds,
                cause=each.cause,
                recording=recorder.is_unfinished(file.name),
            )
            for file, each in listing.newest
        )
        return Clips(clips=listed, all=listing.all, folder=str(library.folder)).model_dump_json()

    @server.resource(f"{CLIPS}/{{name}}{{?chunk}}", name="clip", title="A recording", mime_type="video/mp4")
    async def clip(name: str, chunk: int | None = None) -> bytes:
        """A recording as MP4; one of more than 750 000 bytes in chunks, ?chunk=0 and so on, to be joined."""
        try:
            return await asyncio.to_thread(read_chunk, library, name, chunk)
        except ArgumentError as error:
            raise ResourceError(str(error)) from error


def read_chunk(library: Library, name: str, chunk: int | None) -> bytes:
    """Read a clip, or a chunk of it. Blocks.

    Args:
        library: Where it is.
        name: Its file.
        chunk: Which one, from 0; None: the whole file.

    Raises:
        ArgumentError: There is no such file or chunk, or it is too large to be read as a whole.
    """
    with library.open(name) as file:
        size = os.fstat(file.fileno()).st_size
        if chunk is None and size > CHUNK_BYTES:
            raise ArgumentError(
                f"{name} has {size} bytes: more than the {CHUNK_BYTES} of one message.",
                remedy=f"Read its {_chunks(size)} chunks, {_uri(name)}?chunk=0 and so on, and join them; or copy the "
                f"file from the robot: {library.folder / name}.",
            )
        if chunk is not None and not 0 <= chunk < max(1, _chunks(size)):
            raise ArgumentError(f"{name} has {_chunks(size)} chunks: there is no chunk {chunk}.")
        file.seek((chunk or 0) * CHUNK_BYTES)
        return file.read(CHUNK_BYTES)


def _chunks(size: int) -> int:
    return -(-size // CHUNK_BYTES)


def _uri(name: str) -> str:
    return f"{CLIPS}/{name}"
