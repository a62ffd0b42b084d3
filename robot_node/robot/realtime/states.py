"""What a conversation with a model waits for, and what follows what. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType


class State(enum.StrEnum):
    """What the conversation waits for."""

    WAITING = "waiting"  # a person
    ANSWERING = "answering"  # the model's answer
    CALLING = "calling"  # results of tools
    CANCELLING = "cancelling"  # the end of an answer that nobody wants any more


class Event(enum.StrEnum):
    """What happens."""

    PERSON = "person"  # says something
    STOP = "stop"  # a person wants silence
    DONE = "done"  # the answer is complete
    DONE_WITH_CALLS = "done_with_calls"  # and tools are to be called
    RESULTS = "results"  # of all tools are there


_S, _E = State, Event

TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (_S.WAITING, _E.PERSON): _S.ANSWERING,
        (_S.ANSWERING, _E.PERSON): _S.CANCELLING,
        (_S.ANSWERING, _E.STOP): _S.CANCELLING,
        (_S.ANSWERING, _E.DONE): _S.WAITING,
        (_S.ANSWERING, _E.DONE_WITH_CALLS): _S.CALLING,
        (_S.CALLING, _E.PERSON): _S.ANSWERING,
        (_S.CALLING, _E.STOP): _S.WAITING,
        (_S.CALLING, _E.RESULTS): _S.ANSWERING,
        (_S.CANCELLING, _E.DONE): _S.WAITING,
        (_S.CANCELLING, _E.DONE_WITH_CALLS): _S.WAITING,
    }
)
"""The next state. What is not here changes nothing."""
