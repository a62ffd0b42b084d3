"""Asks a person, with what is known as the answer that Enter gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import typer

from robot_node.apps.setup.answers import DISPLAY_DRIVERS, DISPLAY_INTERFACES, Answers
from robot_node.errors import SettingsError

_NOBODY = "none"


def ask(known: Answers) -> Answers:
    """Ask for the name, the broker, the display and the camera.

    Args:
        known: What Enter means.

    Raises:
        typer.Abort: the person has had enough (Ctrl-C, Ctrl-D).
    """
    answers = _asked("What is the robot called?", known.name, known.named, known)
    answers = _asked("Where is the MQTT broker?", answers.url, answers.at, answers)
    answers = _credentials(answers)
    driver = _choice("Which display has it?", answers.driver, DISPLAY_DRIVERS)
    answers = replace(answers, driver=driver)
    if driver != "none":
        answers = replace(answers, interface=_choice("How is it wired?", answers.interface, DISPLAY_INTERFACES))
    camera = typer.prompt("Which camera, as 'rpicam-hello --list-cameras' numbers them?", default=answers.camera)
    upside_down = typer.confirm("Is the camera mounted upside down?", default=answers.upside_down)
    return replace(answers, camera=camera, upside_down=upside_down)


def _asked(question: str, known: str, become: Callable[[str], Answers], unchanged: Answers) -> Answers:
    """Ask until the answer can be used."""
    answers = unchanged

    def use(said: str) -> str:
        nonlocal answers
        try:
            answers = unchanged if said == known else become(said)
        except SettingsError as error:
            raise typer.BadParameter(str(error)) from error
        return said

    typer.prompt(question, default=known, value_proc=use)
    return answers


def _credentials(answers: Answers) -> Answers:
    username = typer.prompt("Its user there (none: nobody)?", default=answers.username or _NOBODY)
    if username == _NOBODY:
        return answers.known_as(None, None)
    kept = answers.password if username == answers.username else None
    hint = "Its password (Enter: as it is)?" if kept else "Its password?"
    password = typer.prompt(hint, default="", show_default=False, hide_input=True)
    return answers.known_as(username, password or kept)


def _choice(question: str, known: str, choices: tuple[str, ...]) -> str:
    def use(said: str) -> str:
        if said not in choices:
            raise typer.BadParameter(f"{said!r} is none of {', '.join(choices)}.")
        return said

    answer: str = typer.prompt(f"{question} ({', '.join(choices)})", default=known, value_proc=use)
    return answer
