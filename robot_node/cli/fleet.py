"""What ``robots --where`` and ``call --all`` print, and ask before they act on several robots."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from robot_node.cli.options import run_command
from robot_node.cli.output import confirm, print_json, print_progress
from robot_node.core.asyncio_tools import run_until_signal
from robot_node.core.text import bounded, json_line, one_line, shown
from robot_node.errors import RemoteError
from robot_node.mqtt import Broker

if TYPE_CHECKING:
    from mcp_types import CallToolResult

    from robot_node.apps.fleet import Answer, Limits, Selection

NONE_MATCHED = 3
"""Exit status when there is no robot to call."""
_SHORT = 120
_NAMED = 5


def select(
    broker: Broker, names: Sequence[str], where: Sequence[str], *, limits: Limits, client_id: str | None = None
) -> Selection:
    """Return the robots that match, and name those that could not be asked on stderr.

    Raises:
        SettingsError: A condition is invalid.
        BrokerError: The broker cannot be reached.
    """
    from robot_node.apps import conditions, fleet

    parsed = [conditions.parse_condition(each) for each in where]
    selection = run_command(fleet.select(broker, names, parsed, limits=limits, log=print_progress, client_id=client_id))
    for answer in selection.unknown:
        print_progress(f"{shown(answer.robot.server_id)} did not tell its status: {answer.outcome}. {answer.error}")
    return selection


def call(
    broker: Broker,
    selection: Selection,
    tool: str,
    arguments: dict[str, Any],
    *,
    limits: Limits,
    client_id: str | None,
    as_json: bool,
    yes: bool,
) -> None:
    """Call a tool of all selected robots and print what became of it: a table, or a line of JSON for each robot.

    Raises:
        RemoteError: The call needs a confirmation.
        BrokerError: The broker cannot be reached.
        typer.Exit: With status 1 when a robot failed, 3 when there is none, 130 after Ctrl-C.
    """
    from robot_node.apps import fleet

    robots = selection.robots
    answers: list[Answer[CallToolResult]] = []

    def take(answer: Answer[CallToolResult]) -> None:
        answers.append(answer)
        if as_json:
            print_json(_as_json(answer))

    for name in selection.missing:
        take(fleet.offline(name))
    if not robots and not answers and not selection.unknown:
        print_progress(f"No robot matches at {broker}.")
        raise typer.Exit(NONE_MATCHED)
    if robots and not yes and len(robots) > 1 and tool not in fleet.HARMLESS:
        _confirm(tool, [robot.server_id for robot in robots])
    completed = not robots or asyncio.run(
        run_until_signal(
            _call(
                fleet.call_each(
                    broker,
                    robots,
                    tool,
                    arguments,
                    take,
                    limits=limits,
                    log=print_progress,
                    client_id=client_id,
                )
            )
        )
    )
    answered = {answer.robot for answer in answers}
    for robot in robots:
        if robot not in answered:
            take(fleet.Answer(robot, fleet.Outcome.INTERRUPTED, error="Ctrl-C came before its answer."))
    if not as_json:
        _print_answers(answers)
    if not completed:
        raise typer.Exit(130)
    if selection.unknown or any(answer.outcome is not fleet.Outcome.OK for answer in answers):
        raise typer.Exit(1)


async def _call(calls: Any) -> bool:
    await calls
    return True


def _confirm(tool: str, robots: Sequence[str]) -> None:
    names = ", ".join(map(shown, robots[:_NAMED])) + (", ..." if len(robots) > _NAMED else "")
    if not sys.stdin.isatty():
        raise RemoteError(
            f"{tool} would be called of {len(robots)} robots: {names}.", remedy="Add --yes if that is meant."
        )
    if not confirm(f"Call {tool} of {len(robots)} robots ({names})?"):
        raise typer.Exit(1)


def _as_json(answer: Answer[CallToolResult]) -> dict[str, Any]:
    from robot_node.apps import tool_results

    line: dict[str, Any] = {
        "server_id": answer.robot.server_id,
        "server_name": answer.robot.server_name,
        "outcome": answer.outcome.value,
        "seconds": round(answer.seconds, 3),
    }
    if answer.result is not None:
        line["result"] = tool_results.as_json(answer.result)
    if answer.error:
        line["error"] = answer.error
    return line


def _print_answers(answers: Sequence[Answer[CallToolResult]]) -> None:
    from robot_node.apps import fleet

    ordered = sorted(answers, key=lambda answer: (answer.robot.server_name, answer.robot.server_id))
    print_table(
        ("SERVER ID", "SERVER NAME", "OUTCOME", "RESULT"),
        ((each.robot.server_id, each.robot.server_name, each.outcome.value, _short(each)) for each in ordered),
    )
    counts = {outcome: sum(each.outcome is outcome for each in answers) for outcome in fleet.Outcome}
    print_progress(", ".join(f"{count} {outcome.value}" for outcome, count in counts.items() if count))


def _short(answer: Answer[CallToolResult]) -> str:
    """A result in a cell of a table."""
    from robot_node.apps import tool_results

    if answer.result is None:
        text = answer.error
    elif not answer.result.is_error and answer.result.structured_content is not None:
        text = json_line(answer.result.structured_content)
    else:
        text = " ".join(tool_results.as_lines(answer.result, answer.robot.server_id))
    return bounded(" ".join(text.split()), _SHORT)


def print_robots(selection: Selection, *, as_json: bool) -> None:
    """Print the selected robots, each with the values of the fields that were asked for."""
    from robot_node.apps import remote

    fields = list(next(iter(selection.values.values()), {}))
    shown_twice = {"server_id", "server_name", "description"}
    extra = [name for name in fields if name not in shown_twice]
    if as_json:
        print_json(
            [
                {**remote.as_json(robot), **({"values": dict(selection.values[robot])} if fields else {})}
                for robot in selection.robots
            ]
        )
        return
    rows = []
    for robot in selection.robots:
        server_id, name, description = remote.table_row(robot)
        rows.append((server_id, name, *(_value(selection.values[robot][each]) for each in extra), description))
    print_table(("SERVER ID", "SERVER NAME", *(name.upper() for name in extra), "DESCRIPTION"), rows)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json_line(value)


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print texts of robots in columns: each row is one line, and where stdout is no terminal, never wrapped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*titles, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(one_line(text)) for text in row))  # a text has no markup
    console = Console()
    # Not a terminal: never wrap, so that grep and cut get one robot per line.
    console.print(table) if console.is_terminal else Console(width=1000).print(table)
