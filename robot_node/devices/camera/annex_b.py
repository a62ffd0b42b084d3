"""H.264 as a byte stream (H.264 annex B): keyframes, and the parameter sets that each needs in front. Pure."""

from __future__ import annotations

from collections.abc import Iterator

_START = b"\0\0\1"
_SLICE, _IDR, _SPS, _PPS = 1, 5, 7, 8
_PICTURE = (_SLICE, 2, _IDR)
"""NAL units with a part of the picture: what lies behind the first says nothing new."""


def units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of the NAL units in front of an access unit's picture, and of its first slice."""
    start = data.find(_START)
    while 0 <= start < len(data) - 3:
        kind = data[start + 3] & 0x1F
        if kind in _PICTURE:
            yield kind, b""
            return
        following = data.find(_START, start + 3)
        content = data[start + 3 : following if following >= 0 else len(data)]
        yield kind, content.rstrip(b"\0")
        start = following


class ParameterSets:
    """Remembers a stream's parameter sets, and puts them in front of keyframes that come without."""

    def __init__(self) -> None:
        self._sps = self._pps = b""

    def complete(self, data: bytes) -> tuple[bytes, bool]:
        """Return an access unit and whether it is a keyframe; a keyframe has SPS and PPS in front then.

        One whose parameter sets have never come is none: no decoder could use it.
        """
        keyframe = False
        has_sps = has_pps = False
        for kind, content in units(data):
            if kind == _SPS:
                self._sps, has_sps = content, True
            elif kind == _PPS:
                self._pps, has_pps = content, True
            elif kind == _IDR:
                keyframe = True
        if not keyframe or (has_sps and has_pps):
            return data, keyframe
        if not (self._sps and self._pps):
            return data, False
        return b"\0\0\0\1".join((b"", self._sps, self._pps)) + data, True
