"""What a person is asked before a call is carried out, and which answers count. Pure."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from robot_node.core.questions import Answer, Pending, Way
from robot_node.core.text import SHOWN_CHARACTERS, quoted, shown

MAX_SHOWN_ARGUMENTS = 12

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_MAX_OPEN = 1024
_MAX_OPEN_OF_A_CLIENT = 8


def question(tool: str, arguments: Mapping[str, object], known: Iterable[str] = ()) -> str:
    """Ask whether a tool may be called: one line, bounded, in which no argument can hide another or pass for one.

    Args:
        tool: Its name.
        arguments: Of the call, as parsed from JSON.
        known: The arguments that the tool has: they come first, in this order.
    """
    names = dict.fromkeys([*(name for name in known if name in arguments), *arguments])
    parts = [f"{_name(name)}: {quoted(arguments[name])}" for name in [*names][:MAX_SHOWN_ARGUMENTS]]
    if missing := len(names) - len(parts):
        parts.append(f"and {missing} more arguments that are not shown")
    return f"May the robot carry out {tool}{' with ' if parts else ''}{', '.join(parts)}?"


def _name(name: str) -> str:
    """A name in quotation marks, unless it cannot be mistaken for more than a name."""
    plain = _PLAIN_NAME.fullmatch(name) and len(name) <= SHOWN_CHARACTERS
    return name if plain else quoted(name)


def not_confirmed(tool: str, outcome: str, elsewhere: str) -> str:
    """Tell a model why a call was not carried out, and what a person can do.

    Args:
        tool: Its name.
        outcome: What came back: see :func:`answered`, :func:`failed` and :func:`unanswered`.
        elsewhere: Where a person can confirm it instead; may be empty.
    """
    return f"{tool} was not carried out: a person must confirm it. {outcome} {elsewhere}".rstrip()


def answered(action: object, after_s: float) -> str:
    """Describe an answer other than ``accept``."""
    match action:
        case "decline":
            return f"The client declined after {after_s:.1f} s (some clients do so without asking a person)."
        case "cancel":
            return f"The client cancelled after {after_s:.1f} s (some clients do so without asking a person)."
        case _:
            return f"The client's answer, after {after_s:.1f} s, is not valid: it has no known action."


def failed(code: int, message: str, after_s: float) -> str:
    """Describe a JSON-RPC error that came instead of an answer."""
    return f"The client did not ask one: after {after_s:.1f} s it returned the error {code}, {quoted(message)}."


def unanswered(after_s: float) -> str:
    """Describe that no answer came in time."""
    return f"No answer came within {after_s:g} s."


def refused(answer: Answer) -> str:
    """Describe a person's no that came another way than by the agent's client."""
    return f"A person said no: {said_by(answer)}."


def said_by(answer: Answer) -> str:
    """Say who answered, and how."""
    match answer.way:
        case Way.BUTTON:
            return f"the button {answer.device} was pressed"
        case Way.ELICITATION:
            return f"by the program of {shown(answer.by)}"
        case _:
            return f"{shown(answer.by)}, by answer_question"


UNSUPPORTED = "The client cannot ask one: it does not declare MCP's elicitation capability for forms."
NOT_ASKED = "The robot's settings don't let the agent's own client ask one."
WITHDRAWN = "The question was withdrawn."
TOO_LATE = "It was confirmed, but the client called again too late."


@dataclass(frozen=True, slots=True)
class Asked:
    """A question whose answer the client brings with its next call.

    Attributes:
        client_id: Who is asked.
        at: When, in seconds.
        pending: The question where it can also be answered another way; None: only the client can.
    """

    client_id: str
    at: float
    pending: Pending | None = None


class Consents:
    """Questions whose answer the client brings with its next call: each counts once, for the client that was asked."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Asked] = OrderedDict()

    def ask(self, token: str, asked: Asked) -> None:
        """Remember a question. Beyond 8 of a client, or 1024 in all, the oldest one of them is forgotten.

        Args:
            token: What nobody can guess.
            asked: The question.
        """
        of_client = [token for token, before in self._open.items() if before.client_id == asked.client_id]
        if len(of_client) >= _MAX_OPEN_OF_A_CLIENT:
            del self._open[of_client[0]]
        elif len(self._open) >= _MAX_OPEN:
            self._open.popitem(last=False)
        self._open[token] = asked

    def take(self, client_id: str, token: object) -> Asked | None:
        """Return the question; None if the answer does not count. No further answer to it does."""
        if not isinstance(token, str) or token not in self._open:
            return None
        asked = self._open[token]
        if asked.client_id != client_id:
            return None
        del self._open[token]
        return asked
