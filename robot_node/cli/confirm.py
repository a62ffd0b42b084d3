"""``robot-node confirm``: a person answers a robot's open questions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from robot_node.cli.options import BrokerOption, ClientIdOption, JsonOption, RobotArgument, broker_from_url, run_command
from robot_node.cli.output import print_json, print_line
from robot_node.core.question_states import NO, YES, YES_NO, choice_in
from robot_node.core.text import escaped
from robot_node.errors import SettingsError
from robot_node.logs.setup import configure_logging
from robot_node.settings.logs import LogSettings

if TYPE_CHECKING:
    from robot_node.tools.ask import OpenQuestion

_SHORT = {"y": YES, "n": NO}


def confirm(
    robot: RobotArgument,
    yes: Annotated[str | None, typer.Option("--yes", metavar="ID", help="Say yes to this question.")] = None,
    no: Annotated[str | None, typer.Option("--no", metavar="ID", help="Say no to this question.")] = None,
    broker: BrokerOption = None,
    client_id: ClientIdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a robot's open questions: calls of agents to confirm, and what agents ask.

    Asks them in order in a terminal; otherwise, and with --json, lists them.
    """
    from robot_node.apps import confirm as app

    configure_logging(LogSettings(level="error"))
    address = broker_from_url(broker)
    if yes is not None and no is not None:
        raise SettingsError("--yes and --no together answer nothing.", remedy="Use one of them.")
    if (question_id := yes if yes is not None else no) is not None:
        from robot_node.apps import tool_results

        answer = YES if yes is not None else NO
        result = run_command(app.answer(address, robot, question_id, answer, client_id=client_id))
        if as_json:
            print_json(tool_results.as_json(result))
        elif result.is_error:
            for line in tool_results.as_lines(result, robot):
                print_line(line, err=True)
        else:
            print_line(f"Answered: {answer}.")
        if result.is_error:
            raise typer.Exit(1)
    elif as_json or not sys.stdin.isatty():
        questions = run_command(app.open_questions(address, robot, client_id=client_id))
        if as_json:
            print_json([question.model_dump() for question in questions])
        for question in () if as_json else questions:
            print_line(f"{question.id}  {_line(question)}")
    else:
        asked = run_command(app.ask_person(address, robot, decide=_decide, report=_report, client_id=client_id))
        print_line("No further question is open." if asked else "No question is open.")


def _line(question: OpenQuestion) -> str:
    choices = f" [{' / '.join(question.choices)}]" if question.choices else ""
    return f"{question.asked_by}: {question.text}{choices}"


def _decide(question: OpenQuestion) -> str | None:
    """Ask the person; None: the answer was empty, or stdin is closed."""
    print_line(_line(question))
    what = "y or n" if question.choices == YES_NO else "Answer"
    while True:
        try:
            text = typer.prompt(
                escaped(f"{what} (Enter: leave it to others)"), default="", show_default=False, err=True
            )
        except typer.Abort:
            return None
        if not text.strip():
            return None
        text = _SHORT.get(text.strip().casefold(), text) if question.choices == YES_NO else text
        if (answer := choice_in(text, question.choices)) is not None:
            return answer
        print_line(f"The answer must be one of: {', '.join(question.choices)}.", err=True)


def _report(question: OpenQuestion, error: str) -> None:
    del question
    print_line(error or "Answered.", err=bool(error))
