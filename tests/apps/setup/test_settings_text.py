"""Single settings change; all else that a person wrote stays."""

from __future__ import annotations

import tomllib

import pytest

from robot_node.apps.setup.settings_text import changes, edited
from robot_node.apps.setup.survey import read_template
from robot_node.errors import SettingsError

BY_HAND = """\
# Anna's robot.
[broker]
url = "mqtt://old:1883"   # in the cellar
keepalive_s = 30

[face]
# eyes like the cat's
expressions = { cat = { like = "happy" } }

[camera]
# rotate = 90 degrees would be nice
width = 640
"""


def test_a_value_changes_and_nothing_else_does() -> None:
    text = edited(BY_HAND, {("broker", "url"): "mqtt://new:1883"})
    assert text == BY_HAND.replace("mqtt://old:1883", "mqtt://new:1883")


def test_a_setting_that_stands_commented_out_is_set_in_its_place() -> None:
    text = '[robot]\n# its id\n# server_id = "x"   # unique\ndescription = "d"\n\n[broker]\n# username = "y"\n'
    assert edited(text, {("robot", "server_id"): "kitchen", ("broker", "username"): "anna"}) == (
        '[robot]\n# its id\nserver_id = "kitchen"   # unique\ndescription = "d"\n\n[broker]\nusername = "anna"\n'
    )


def test_in_the_file_that_comes_with_the_package_nothing_has_to_be_added() -> None:
    template = read_template("robot-node.toml")
    text = edited(template, {("robot", "server_id"): "kitchen", ("broker", "username"): "anna"})
    assert len(text.splitlines()) == len(template.splitlines())


def test_a_comment_that_only_looks_like_a_setting_stays() -> None:
    text = edited(BY_HAND, {("camera", "rotate"): 180})
    assert "# rotate = 90 degrees would be nice\n" in text
    assert tomllib.loads(text)["camera"] == {"width": 640, "rotate": 180}


def test_the_same_key_of_another_section_is_left_alone() -> None:
    text = edited("[display]\n# rotate = 0\n\n[camera]\n# rotate = 0\n", {("camera", "rotate"): 180})
    assert text == "[display]\n# rotate = 0\n\n[camera]\nrotate = 180\n"


def test_a_section_that_is_missing_is_added() -> None:
    assert tomllib.loads(edited("", {("camera", "rotate"): 180})) == {"camera": {"rotate": 180}}


def test_dotted_keys_and_inline_tables_are_understood() -> None:
    text = edited('broker.url = "mqtt://a"\ncamera = { number = 1 } # the left one\n', {("camera", "number"): 0})
    assert text == 'broker.url = "mqtt://a"\ncamera = { number = 0 } # the left one\n'


def test_a_setting_can_be_taken_away() -> None:
    assert edited('[broker]\nurl = "mqtt://a"\nusername = "b"\n', {("broker", "username"): None}) == (
        '[broker]\nurl = "mqtt://a"\n'
    )


def test_what_is_as_wanted_is_no_change() -> None:
    assert changes("[display]\naddress = 0x3C\n", {("display", "address"): 0x3C, ("broker", "password"): None}) == []
    assert edited("[display]\naddress = 0x3C\n", {("display", "address"): 0x3C}) == "[display]\naddress = 0x3C\n"


def test_a_change_is_shown_without_its_secrets() -> None:
    text = '[broker]\nurl = "mqtt://anna:hunter2@old:1883"\npassword = "hunter3"\n'
    shown = [
        str(change) for change in changes(text, {("broker", "url"): "mqtt://new:1883", ("broker", "password"): None})
    ]
    assert shown == [
        'broker.url: "mqtt://old:1883" -> "mqtt://new:1883"',
        "broker.password: (a password) -> (nothing)",
    ]


@pytest.mark.parametrize("text", ["[broker\n", "broker = 1\n"])
def test_a_file_that_cannot_be_changed_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"settings file.* Correct the file\."):
        edited(text, {("broker", "url"): "mqtt://a"})
