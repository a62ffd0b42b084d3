"""States of a question to a person: one table, and the choice that words mean. Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType


class QuestionState(enum.StrEnum):
    """States of a question. The last three are final: the first answer wins."""

    WAITING = "waiting"
    OPEN = "open"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"
    TIMED_OUT = "timed out"


class QuestionEvent(enum.StrEnum):
    """What happens to a question."""

    OPEN = "open"
    ANSWER = "answer"
    WITHDRAW = "withdraw"
    TIME_OUT = "time out"


_S, _E = QuestionState, QuestionEvent

TRANSITIONS: Mapping[tuple[QuestionState, QuestionEvent], QuestionState] = MappingProxyType(
    {
        (_S.WAITING, _E.OPEN): _S.OPEN,
        (_S.WAITING, _E.WITHDRAW): _S.WITHDRAWN,
        (_S.WAITING, _E.TIME_OUT): _S.TIMED_OUT,
        (_S.OPEN, _E.ANSWER): _S.ANSWERED,
        (_S.OPEN, _E.WITHDRAW): _S.WITHDRAWN,
        (_S.OPEN, _E.TIME_OUT): _S.TIMED_OUT,
    }
)
"""The next state. What is not here changes nothing: a question that waits cannot be answered, and none is twice."""

FINAL = frozenset({_S.ANSWERED, _S.WITHDRAWN, _S.TIMED_OUT})
"""States that a question never leaves."""

YES, NO = "yes", "no"
YES_NO = (YES, NO)
"""The choices of a confirmation."""

_PUNCTUATION = " .,!?。\uff0c\uff01\uff1f"
_YES_NO_PAIRS = frozenset({YES_NO, ("是", "否"), ("好", "不好")})


def yes_of(choices: Sequence[str]) -> str | None:
    """Return the choice that means yes, if there are only yes and no, in this order; None: there are others."""
    return choices[0] if tuple(choice.casefold() for choice in choices) in _YES_NO_PAIRS else None


def choice_in(text: str, choices: Sequence[str]) -> str | None:
    """Return what a person's words answer.

    Args:
        text: What was said or typed.
        choices: The answers that count; none: the words themselves are the answer.

    Returns:
        The only choice that is all of the text, or is part of it as words of its own; None when it is not clear.
    """
    if not choices:
        return text.strip() or None
    plain = text.strip().casefold()
    found = [choice for choice in choices if choice.casefold() == plain.strip(_PUNCTUATION)]
    found = found or [choice for choice in choices if _stands_in(choice.casefold(), plain)]
    return found[0] if len(found) == 1 else None


def _stands_in(choice: str, text: str) -> bool:
    if choice.isascii():
        return re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", text) is not None
    return choice in text  # Chinese has no spaces between words
