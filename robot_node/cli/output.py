"""What the commands print. All of it goes through here: parts of any text may come from a robot or a broker."""

from __future__ import annotations

import typer

from robot_node.core.text import escaped, json_line


def print_line(text: str, *, err: bool = False) -> None:
    """Print one line: control and bidirectional characters are shown as escape sequences."""
    typer.echo(escaped(text), err=err)


def print_progress(text: str) -> None:
    """Print one line on stderr."""
    print_line(text, err=True)


def print_lines(text: str, *, err: bool = False) -> None:
    """Print a text of our own with several lines, each as :func:`print_line` does."""
    typer.echo("\n".join(map(escaped, text.split("\n"))), err=err)


def print_json(value: object) -> None:
    """Print a JSON document on one line, with the same characters as JSON escapes."""
    typer.echo(json_line(value))


def confirm(question: str) -> bool:
    """Ask a question on stderr, as one line; a closed stdin means no."""
    try:
        return typer.confirm(escaped(question), err=True)
    except typer.Abort:
        return False
