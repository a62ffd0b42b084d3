"""Keeps passwords out of the process list, which every user of the machine can read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

_BROKER, _ICE_SERVER = "--broker", "--ice-server"
_OPTIONS = dict.fromkeys(
    ("run", "robots", "tools", "events", "call", "bridge", "console", "doctor", "setup"), (_BROKER,)
) | {"watch": (_BROKER, _ICE_SERVER)}
"""Options whose value may contain a password, per command; each is also a setting: broker.url, webrtc.ice_servers."""


def hide_password(arguments: Sequence[str], whole_command: Sequence[str]) -> None:
    """Re-execute this process with any password moved from the command line to the environment.

    Only the process's owner and root can read the environment. The password is visible until then, while Python starts.

    Args:
        arguments: ``sys.argv``.
        whole_command: ``sys.orig_argv``.
    """
    remaining, settings = without_passwords(arguments[1:])
    if not settings:
        return
    python = whole_command[: len(whole_command) - (len(arguments) - 1)]
    os.execve(sys.executable, [*python, *remaining], {**os.environ, **settings})  # noqa: S606  # this program itself


def without_passwords(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Remove the options whose URL contains credentials from a command's arguments.

    Returns:
        The remaining arguments, and the removed options as environment variables.
    """
    remaining = list(arguments)
    settings: dict[str, str] = {}
    for option in _OPTIONS.get(remaining[0], ()) if remaining else ():
        others, values = _extract_option(remaining, option)
        if any("@" in value for value in values):
            remaining = others
            if option == _BROKER:
                settings["ROBOT_NODE_BROKER__URL"] = values[-1]
            else:
                settings["ROBOT_NODE_WEBRTC__ICE_SERVERS"] = json.dumps(values)
    return remaining, settings


def _extract_option(arguments: Sequence[str], option: str) -> tuple[list[str], list[str]]:
    """Return the arguments without an option, and the option's values."""
    remaining: list[str] = []
    values: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            remaining += [argument, *rest]
        elif argument == option:
            values += [value for value in (next(rest, None),) if value is not None]
        elif argument.startswith(f"{option}="):
            values.append(argument.removeprefix(f"{option}="))
        else:
            remaining.append(argument)
    return remaining, values
