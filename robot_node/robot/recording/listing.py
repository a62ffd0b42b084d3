"""The newest recordings of a folder, and what each says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robot_node.errors import ArgumentError
from robot_node.robot.recording.contents import Contents, contents_of
from robot_node.robot.recording.library import Library, StoredFile

MOST_LISTED = 200
"""Of each, some kilobytes are read."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Recordings of a folder.

    Attributes:
        newest: The newest :data:`MOST_LISTED` with what they say of themselves, the newest last.
        all: How many there are.
    """

    newest: Sequence[tuple[StoredFile, Contents]]
    all: int


def listing_of(library: Library) -> Listing:
    """List the newest recordings. Blocks.

    Raises:
        OSError: The folder cannot be read.
    """
    files = library.files()
    return Listing([(file, _contents(library, file)) for file in files[-MOST_LISTED:]], len(files))


def _contents(library: Library, listed: StoredFile) -> Contents:
    try:
        with library.open(listed.name) as file:
            return contents_of(file)
    except (ArgumentError, OSError):  # deleted meanwhile
        return Contents(None, "")
