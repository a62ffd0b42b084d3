"""Interactive questions of setup; the current answer is the default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import typer

from robot_node.apps.setup.answers import DISPLAY_DRIVERS, DISPLAY_INTERFACES, Answers
from robot_node.errors import SettingsError

_NO_USER = "none"


def ask(defaults: Answers) -> Answers:
    """Ask for the name, the broker, the display and the camera.

    Args:
        defaults: Answers that Enter accepts.

    Raises:
        typer.Abort: The user pressed Ctrl-C or Ctrl-D.
    """
    answers = _ask("Name of the robot?", defaults.name, defaults.with_name, defaults)
    answers = _ask("MQTT broker?", answers.url, answers.with_broker, answers)
    answers = _ask_credentials(answers)
    driver = _choose("Display?", answers.driver, DISPLAY_DRIVERS)
    answers = replace(answers, driver=driver)
    if driver != "none":
        answers = replace(answers, interface=_choose("Bus of the display?", answers.interface, DISPLAY_INTERFACES))
    question = "Camera: its number in 'rpicam-hello --list-cameras', usb, or its device?"
    answers = _ask(question, answers.camera, answers.with_camera, answers)
    upside_down = typer.confirm("Is the camera mounted upside down?", default=answers.upside_down)
    return replace(answers, upside_down=upside_down)


def _ask(question: str, default: str, apply: Callable[[str], Answers], unchanged: Answers) -> Answers:
    """Ask until the answer is valid."""
    answers = unchanged

    def parse(text: str) -> str:
        nonlocal answers
        try:
            answers = unchanged if text == default else apply(text)
        except SettingsError as error:
            raise typer.BadParameter(str(error)) from error
        return text

    typer.prompt(question, default=default, value_proc=parse)
    return answers


def _ask_credentials(answers: Answers) -> Answers:
    username = typer.prompt("User name for the broker, or none?", default=answers.username or _NO_USER)
    if username == _NO_USER:
        return answers.with_credentials(None, None)
    current = answers.password if username == answers.username else None
    question = "Password (Enter: unchanged)?" if current else "Password?"
    password = typer.prompt(question, default="", show_default=False, hide_input=True)
    return answers.with_credentials(username, password or current)


def _choose(question: str, default: str, choices: tuple[str, ...]) -> str:
    def parse(text: str) -> str:
        if text not in choices:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(choices)}.")
        return text

    answer: str = typer.prompt(f"{question} ({', '.join(choices)})", default=default, value_proc=parse)
    return answer
