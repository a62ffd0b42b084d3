"""The recorder's states as one table. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType


class RecorderState(enum.StrEnum):
    """What is being recorded."""

    IDLE = "idle"  # nothing; the ring buffer may run
    CLIP = "clip"  # ends by itself, some seconds after the last save_clip
    RECORDING = "recording"  # until it is stopped


class RecorderEvent(enum.StrEnum):
    """What happens to the recorder."""

    SAVE_CLIP = "save clip"
    START = "start"
    STOP = "stop"
    TIME_UP = "time up"  # of the clip, or the longest time of a recording
    NO_PICTURES = "no pictures"  # camera off, privacy, or the encoder gives nothing
    WRITER_ENDED = "writer ended"  # by itself: the disk


class RecorderAction(enum.StrEnum):
    """What the recorder does then."""

    NOTHING = "nothing"
    BEGIN = "begin"  # a new file
    EXTEND = "extend"  # the file goes on for longer
    END = "end"  # complete the file
    DROP = "drop"  # it is complete already
    REFUSE = "refuse"  # nothing is being recorded


_S, _E, _A = RecorderState, RecorderEvent, RecorderAction

TABLE: Mapping[tuple[RecorderState, RecorderEvent], tuple[RecorderState, RecorderAction]] = MappingProxyType(
    {
        (_S.IDLE, _E.SAVE_CLIP): (_S.CLIP, _A.BEGIN),
        (_S.IDLE, _E.START): (_S.RECORDING, _A.BEGIN),
        (_S.IDLE, _E.STOP): (_S.IDLE, _A.REFUSE),
        (_S.IDLE, _E.TIME_UP): (_S.IDLE, _A.NOTHING),
        (_S.IDLE, _E.NO_PICTURES): (_S.IDLE, _A.NOTHING),
        (_S.IDLE, _E.WRITER_ENDED): (_S.IDLE, _A.NOTHING),
        # One file for two moments that are close together.
        (_S.CLIP, _E.SAVE_CLIP): (_S.CLIP, _A.EXTEND),
        (_S.CLIP, _E.START): (_S.RECORDING, _A.EXTEND),
        (_S.CLIP, _E.STOP): (_S.IDLE, _A.END),
        (_S.CLIP, _E.TIME_UP): (_S.IDLE, _A.END),
        (_S.CLIP, _E.NO_PICTURES): (_S.IDLE, _A.END),
        (_S.CLIP, _E.WRITER_ENDED): (_S.IDLE, _A.DROP),
        # The moment is in the recording anyway.
        (_S.RECORDING, _E.SAVE_CLIP): (_S.RECORDING, _A.NOTHING),
        (_S.RECORDING, _E.START): (_S.RECORDING, _A.NOTHING),
        (_S.RECORDING, _E.STOP): (_S.IDLE, _A.END),
        (_S.RECORDING, _E.TIME_UP): (_S.IDLE, _A.END),
        (_S.RECORDING, _E.NO_PICTURES): (_S.IDLE, _A.END),
        (_S.RECORDING, _E.WRITER_ENDED): (_S.IDLE, _A.DROP),
    }
)
"""For each state and event the next state, and what to do."""
