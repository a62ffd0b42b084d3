"""Passwords out of the list of processes, which every user of the machine can read."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_COMMANDS = frozenset({"run", "robots", "call", "watch", "bridge", "doctor"})
"""Those whose ``--broker`` is the setting ``broker.url``."""
_OPTION = "--broker"
_VARIABLE = "ROBOT_NODE_BROKER__URL"


def hide_password(arguments: Sequence[str], whole_command: Sequence[str]) -> None:
    """Start ourselves anew, as the same process, when the broker's address has a password and is on the command line.

    It goes into the environment, which the process's owner and root alone can read. Nothing else is different. Until
    then, for the time in which Python starts, it can be seen.

    Args:
        arguments: ``sys.argv``.
        whole_command: ``sys.orig_argv``.
    """
    found = without_password(arguments[1:])
    if found is None:
        return
    kept, url = found
    python = whole_command[: len(whole_command) - (len(arguments) - 1)]
    os.execve(sys.executable, [*python, *kept], {**os.environ, _VARIABLE: url})  # noqa: S606  # it is ourselves


def without_password(arguments: Sequence[str]) -> tuple[list[str], str] | None:
    """Take the broker's address out of a command's arguments.

    Returns:
        The other arguments, and the address; None when there is none with a user in it.
    """
    if not arguments or arguments[0] not in _COMMANDS:
        return None
    kept: list[str] = []
    found = ""
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            kept += [argument, *rest]
        elif argument == _OPTION:
            found = next(rest, "")
        elif argument.startswith(f"{_OPTION}="):
            found = argument.removeprefix(f"{_OPTION}=")
        else:
            kept.append(argument)
    return (kept, found) if "@" in found else None
