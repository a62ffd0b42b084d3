"""Length and cause of a recording, read out of its MP4 file. Reads some kilobytes at both ends, and needs no PyAV."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_HEAD_BYTES = 16_384
_MAX_BOX_BYTES = 1_000_000
_MFRO_BYTES = 16
_VIDEO_TRACK = 1
_VIDEO_CLOCK_HZ = 90_000
_COMMENT = b"\xa9cmt"

# Flags of ISO/IEC 14496-12, 8.8.7 (tfhd) and 8.8.8 (trun): which fields are there.
_BASE_OFFSET, _DESCRIPTION, _DEFAULT_DURATION = 0x1, 0x2, 0x8
_DATA_OFFSET, _FIRST_FLAGS, _DURATION, _OTHER_FIELDS = 0x1, 0x4, 0x100, (0x200, 0x400, 0x800)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file says of its recording.

    Attributes:
        seconds: Length of its video; None: the file is not complete.
        cause: What caused it, e.g. ``by agent-1`` or ``when motion door``; empty: not known.
    """

    seconds: float | None
    cause: str


def contents_of(file: BinaryIO) -> Contents:
    """Read length and cause of a file of ours; whatever is in it, it raises no error but that of reading. Blocks.

    Raises:
        OSError: It cannot be read.
    """
    cause = _comment(file.read(_HEAD_BYTES))
    try:
        return Contents(_seconds(file), cause)
    except struct.error:
        return Contents(None, cause)


def _comment(head: bytes) -> str:
    """The item ``©cmt`` of iTunes' metadata, as PyAV writes it: a box ``data`` of a type, a locale, and UTF-8."""
    at = head.find(_COMMENT)
    if at < 0 or head[at + 8 : at + 12] != b"data":
        return ""
    length = int.from_bytes(head[at + 4 : at + 8], "big") - 16
    return head[at + 20 : at + 20 + max(0, length)].decode(errors="replace")


def _seconds(file: BinaryIO) -> float | None:
    """When the last fragment ends, by the index of the fragments, which is the last box of a complete file."""
    size = os.fstat(file.fileno()).st_size
    file.seek(max(0, size - _MFRO_BYTES))
    last = file.read(_MFRO_BYTES)
    index_bytes = int.from_bytes(last[-4:], "big")
    if last[4:8] != b"mfro" or not _MFRO_BYTES < index_bytes <= min(size, _MAX_BOX_BYTES):
        return None
    file.seek(size - index_bytes)
    for kind, tfra in _boxes(file.read(index_bytes)[8:]):
        if kind != b"tfra":
            continue
        track, sizes, count = struct.unpack_from(">III", tfra, 4)
        # Version 1: a time and an offset of 8 bytes each, and three numbers whose sizes the header tells.
        entry = 16 + 3 + sum(sizes >> shift & 3 for shift in (0, 2, 4))
        if track == _VIDEO_TRACK and tfra[0] == 1 and count:
            time, offset = struct.unpack_from(">QQ", tfra, 16 + (count - 1) * entry)
            file.seek(min(offset, size))
            return float(round((time + _duration(file.read(_MAX_BOX_BYTES))) / _VIDEO_CLOCK_HZ, 3))
    return None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes in a row, each by its type and what is in it."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8:
            return
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def _duration(fragment: bytes) -> int:
    """The duration of the video in a fragment, in its clock's units."""
    _, moof = next(_boxes(fragment), (b"", b""))
    for kind, traf in _boxes(moof):
        parts = list(_boxes(traf)) if kind == b"traf" else []
        header = next((content for kind, content in parts if kind == b"tfhd"), bytes(8))
        flags, track = struct.unpack_from(">II", header)
        if track == _VIDEO_TRACK:
            at = 8 + (8 if flags & _BASE_OFFSET else 0) + (4 if flags & _DESCRIPTION else 0)
            default = struct.unpack_from(">I", header, at)[0] if flags & _DEFAULT_DURATION else 0
            return sum(_run_duration(content, default) for kind, content in parts if kind == b"trun")
    return 0


def _run_duration(trun: bytes, default: int) -> int:
    flags, count = struct.unpack_from(">II", trun)
    if not flags & _DURATION:
        return int(count * default)
    first = 8 + (4 if flags & _DATA_OFFSET else 0) + (4 if flags & _FIRST_FLAGS else 0)
    sample = 4 + sum(4 for each in _OTHER_FIELDS if flags & each)
    if count > len(trun):
        return 0
    return sum(struct.unpack_from(">I", trun, first + number * sample)[0] for number in range(count))
