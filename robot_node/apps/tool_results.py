"""Formats the result of a tool call for the command ``call``; saves its image."""

from __future__ import annotations

import binascii
from pathlib import Path
from typing import Any

from mcp_types import CallToolResult, ImageContent, TextContent

from robot_node.core.text import escaped, shown
from robot_node.errors import RemoteError


def as_json(result: CallToolResult) -> dict[str, Any]:
    """Format a tool result for ``call --json``: as on the wire."""
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


def as_lines(result: CallToolResult, robot: str, saved: Path | None = None) -> list[str]:
    """Format a tool result for people; of an image only type and size.

    Args:
        result: The result.
        robot: Who returned it.
        saved: Where its first image was saved.

    Raises:
        RemoteError: The data of an image is malformed.
    """
    lines = []
    for block in result.content:
        if isinstance(block, TextContent):
            lines += [escaped(line) for line in block.text.splitlines() or [""]]
        elif isinstance(block, ImageContent):
            where = f"saved as {escaped(str(saved))}" if saved else "save it with --output FILE"
            lines.append(f"{shown(block.mime_type)}, {len(_image_data(block, robot))} bytes; {where}")
        else:
            lines.append(f"({block.type})")
    return lines


def save_image(result: CallToolResult, robot: str, output: Path) -> Path:
    """Write the first image of a result to a file.

    Args:
        result: The result.
        robot: Who returned it.
        output: The file.

    Raises:
        RemoteError: The result contains no image, its data is malformed, or the file cannot be written.
    """
    image = next((block for block in result.content if isinstance(block, ImageContent)), None)
    if image is None:
        raise RemoteError("The result contains no image to save.", remedy="Omit --output.")
    data = _image_data(image, robot)
    try:
        output.write_bytes(data)
    except OSError as error:
        raise RemoteError(
            f"{output} cannot be written: {error.strerror}.", remedy="Choose another --output."
        ) from error
    return output


def _image_data(image: ImageContent, robot: str) -> bytes:
    try:
        return binascii.a2b_base64(image.data, strict_mode=True)
    except ValueError as error:
        raise RemoteError(f"{robot} returned an image whose data is not base64.") from error
