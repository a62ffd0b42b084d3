"""JPEG files from the pictures of MJPEG cameras, which leave out what is always the same."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_DHT, _SOS = 0xC4, 0xDA


def complete_jpeg(data: bytes) -> bytes | None:
    """Return a camera's picture as a JPEG file that every program reads; None when it is damaged.

    Cameras of USB's video class leave out the Huffman tables, those of JPEG's annex K, and the end, or fill it up.
    """
    if not data.startswith(_SOI):
        return None
    end = data.rfind(_EOI)
    whole = data[:end] if end >= 0 else data
    has_tables = False
    for marker, start, _ in _segments(data):
        if marker == _DHT:
            has_tables = True
        if marker == _SOS:
            tables = b"" if has_tables else _standard_tables()
            return data[:start] + tables + whole[start:] + _EOI
    return None


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each segment up to the first scan."""
    start = len(_SOI)
    while start + 4 <= len(data) and data[start] == 0xFF:
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4])
        yield data[start + 1], start, end
        if data[start + 1] == _SOS:
            return
        start = end


@functools.cache
def _standard_tables() -> bytes:
    from PIL import Image  # its encoder writes them

    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    data = file.getvalue()
    return b"".join(data[start:end] for marker, start, end in _segments(data) if marker == _DHT)
