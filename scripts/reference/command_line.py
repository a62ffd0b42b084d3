"""The page of the command line: commands, arguments and options as ``robot-node --help`` knows them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer.main

from robot_node.cli.main import app
from scripts.reference.schema import table

_HEAD = """\
# Command line

The program `robot-node`, made from the code by `make reference`; `robot-node COMMAND --help` says the same. What went
wrong is one line on stderr that begins with `robot-node:` and ends with what to do about it, and the exit status is 1;
a command line that cannot be understood is status 2.

Settings that a command reads from the environment are called as on [the page of settings](settings.md).
"""


def command_line_page() -> str:
    """The page, as Markdown."""
    lines = [_HEAD]
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]  # it is a group
        lines += _command(name, command)
    return "\n".join(lines) + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    usage = " ".join(["robot-node", name, "[OPTIONS]", *(_argument(argument) for argument in arguments)])
    yield from ("", f"## robot-node {name}", "", inspect.cleandoc(command.help or ""), "", "```text", usage, "```")
    rows = [(f"`{argument.metavar or argument.name.upper()}`", _meaning(argument)) for argument in arguments]
    rows += [(f"`{_option(option)}`", _meaning(option)) for option in options]
    if rows:
        yield from ("", *table(("argument", "meaning"), rows))


def _argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _option(option: Any) -> str:
    names = ", ".join(sorted((*option.opts, *option.secondary_opts), key=len))
    return names if option.is_flag else f"{names} {option.metavar}"


def _meaning(parameter: Any) -> str:
    parts = [parameter.help or ""]
    if parameter.default not in {None, ""} and parameter.show_default and not getattr(parameter, "is_flag", False):
        parts.append(f"Default: `{parameter.default}`.")
    if parameter.envvar:
        parts.append(f"From the environment: `{parameter.envvar}`.")
    return " ".join(parts)
