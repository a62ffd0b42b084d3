"""Passwords out of the list of processes, which every user of the machine can read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

_BROKER, _ICE_SERVER = "--broker", "--ice-server"
_OPTIONS = dict.fromkeys(("run", "robots", "call", "bridge", "doctor", "setup"), (_BROKER,)) | {
    "watch": (_BROKER, _ICE_SERVER)
}
"""The options of each command in which a password may stand. They are settings, too: broker.url, webrtc.ice_servers."""


def hide_password(arguments: Sequence[str], whole_command: Sequence[str]) -> None:
    """Start ourselves anew, as the same process, when an address on the command line has a password.

    It goes into the environment, which the process's owner and root alone can read. Nothing else is different. Until
    then, for the time in which Python starts, it can be seen.

    Args:
        arguments: ``sys.argv``.
        whole_command: ``sys.orig_argv``.
    """
    kept, settings = without_passwords(arguments[1:])
    if not settings:
        return
    python = whole_command[: len(whole_command) - (len(arguments) - 1)]
    os.execve(sys.executable, [*python, *kept], {**os.environ, **settings})  # noqa: S606  # it is ourselves


def without_passwords(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Take the addresses with a user in them out of a command's arguments.

    Returns:
        The other arguments; and what was taken out, as environment variables.
    """
    kept = list(arguments)
    settings: dict[str, str] = {}
    for option in _OPTIONS.get(kept[0], ()) if kept else ():
        others, values = _taken_out(kept, option)
        if any("@" in value for value in values):
            kept = others
            if option == _BROKER:
                settings["ROBOT_NODE_BROKER__URL"] = values[-1]
            else:
                settings["ROBOT_NODE_WEBRTC__ICE_SERVERS"] = json.dumps(values)
    return kept, settings


def _taken_out(arguments: Sequence[str], option: str) -> tuple[list[str], list[str]]:
    """The arguments without an option, and the values that it had."""
    kept: list[str] = []
    values: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            kept += [argument, *rest]
        elif argument == option:
            values += [value for value in (next(rest, None),) if value is not None]
        elif argument.startswith(f"{option}="):
            values.append(argument.removeprefix(f"{option}="))
        else:
            kept.append(argument)
    return kept, values
