"""The face without a robot: in a terminal, and in files."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from robot_node.cli import face as face_command
from robot_node.errors import SettingsError
from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.renderer import Size
from tests.command import command


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("size", "lines"), [((128, 64), 16), ((128, 32), 8)])
async def test_a_terminal_shows_it_moving_in_its_place(size: Size, lines: int) -> None:
    terminal = Terminal()
    await face_command.play("laughing", size=size, seconds=1.0, output=terminal)
    pictures = terminal.getvalue().split(f"\x1b[{lines}A\r")
    assert len(pictures) >= 3
    assert all(picture.count("\n") == lines for picture in pictures)
    assert terminal.getvalue().endswith("\x1b[?25h"), "the cursor stays hidden"


def test_what_is_no_terminal_gets_one_picture(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[face.expressions.wide]\nlike = "serious"\nmouth = { width = 60 }\n')
    own = command("face", "wide", "--config", str(file))
    assert own.status == 0
    assert [len(line) for line in own.stdout.splitlines()] == [64] * 16
    serious = command("face", "serious")
    assert serious.stdout != own.stdout
    assert serious.stdout.splitlines()[:11] == own.stdout.splitlines()[:11]


def test_files_are_drawn_instead(tmp_path: Path) -> None:
    drawn = command("face", "--gallery", str(tmp_path / "all.png"), "--gif", "laug", str(tmp_path / "laugh.gif"))
    assert (drawn.status, drawn.stdout) == (0, "")
    with Image.open(tmp_path / "all.png") as drawing, Image.open(tmp_path / "laugh.gif") as film:
        assert drawing.width > 5 * 2 * 128
        assert getattr(film, "n_frames", 1) > 20


def test_the_gallery_has_expressions_of_ones_own(tmp_path: Path) -> None:
    twice = {**EXPRESSIONS, **{f"{name}-too": expression for name, expression in EXPRESSIONS.items()}}
    face_command.save_gallery(tmp_path / "one.png")
    face_command.save_gallery(tmp_path / "two.png", expressions=twice)
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        assert two.height > 1.5 * one.height


def test_an_unknown_emotion_is_one_line_with_the_known_ones() -> None:
    failed = command("face", "nobody")
    assert (failed.status, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)
    assert all(emotion in failed.stderr for emotion in Emotion)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    for file in (tmp_path / "nowhere" / "all.png", tmp_path / "all.unknown"):
        with pytest.raises(SettingsError, match=file.name):
            face_command.save_gallery(file)
    with pytest.raises(SettingsError, match=r"laugh\.gif"):
        face_command.save_gif("laugh", tmp_path / "nowhere" / "laugh.gif")
