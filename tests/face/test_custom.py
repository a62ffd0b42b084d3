"""Expressions of one's own."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_node.errors import SettingsError
from robot_node.face.animator import Animator
from robot_node.face.custom import MAX_EXPRESSIONS, _bounds, find, with_custom
from robot_node.face.expressions import ALIASES, EXPRESSIONS, Emotion
from robot_node.face.shapes import Brow, Expression, Eye, Lid, Mark, MarkShape, Motion, Mouth

HEART = {"shape": "heart", "anchor": "right_eye", "x": 26, "y": -12, "size": 9}


def test_a_new_expression_begins_with_another_one() -> None:
    known = with_custom({"in-love": {"like": "happy", "eyes": {"pupil": 5}, "marks": [HEART]}})
    assert list(known) == [*EXPRESSIONS, "in-love"]
    love, happy = known["in-love"], known["happy"]
    assert (love.left.pupil, love.right.pupil) == (5, 5)
    assert love.mouth == happy.mouth
    assert [mark.shape.value for mark in love.marks] == ["heart"]
    assert happy == EXPRESSIONS["happy"]


def test_a_known_expression_is_changed_where_one_says_so() -> None:
    changed = with_custom({"sad": {"left": {"brow": False}, "motion": {"blink": [1, 2]}}})["sad"]
    assert changed.left == replace(EXPRESSIONS["sad"].left, brow=None)
    assert changed.right == EXPRESSIONS["sad"].right
    assert [*changed.motion.blink] == [1, 2]
    assert changed.motion.transition == EXPRESSIONS["sad"].motion.transition


def test_without_more_an_expression_begins_with_neutral() -> None:
    assert with_custom({"mine": {}})["mine"] == EXPRESSIONS["neutral"]


def test_expressions_can_build_on_those_before() -> None:
    known = with_custom({"one": {"spacing": 48}, "two": {"like": "one", "gaze": [1, 0]}})
    assert known["two"].spacing == 48


@pytest.mark.parametrize("shape", MarkShape)
def test_every_mark_can_be_drawn(shape: MarkShape) -> None:
    mine = with_custom({"mine": {"marks": [{**HEART, "shape": shape.value, "sway": 2}]}})["mine"]
    animator, plain = Animator(expression=mine), Animator()
    assert animator.picture(1.0).crop((100, 0, 128, 30)).getbbox() is not None
    assert plain.picture(1.0).crop((110, 0, 128, 30)).getbbox() is None


@pytest.mark.parametrize(
    ("name", "table", "said"),
    [
        ("mine", {"eyes": {"width": 99}}, ["mine", "left.width", "99", "0 to 64"]),
        ("mine", {"gaze": [0, 2]}, ["mine", "gaze.1", "-1 to 1"]),
        ("mine", {"left": {"brow": {"lift": 99}}}, ["left.brow.lift", "-64 to 64"]),
        ("mine", {"eyes": {"widht": 3}}, ["left.widht", "width, height"]),
        ("mine", {"smile": 3}, ["smile", "mouth"]),
        ("mine", {"marks": [{**HEART, "shape": "car"}]}, ["marks.0.shape", "car", "heart"]),
        ("mine", {"marks": [HEART] * 7}, ["marks", "6"]),
        ("mine", {"mouth": {"curve": "much"}}, ["mouth.curve", "much"]),
        ("mine", {"mouth": {"width": float("nan")}}, ["mouth.width", "0 to 64"]),
        ("mine", {"motion": {"blink": [0, 5]}}, ["motion.blink.0", "0.5 to 60"]),
        ("mine", {"motion": {"glances": [4, 2]}}, ["motion.glances", "4", "2"]),
        ("mine", {"motion": 3}, ["mine", "motion"]),
        ("mine", {"shift": [4, 2]}, ["mine", "shift"]),
        ("mine", {"like": "nobody"}, ["mine", "nobody", "neutral, happy"]),
        ("mine", {"like": 3}, ["mine", "like"]),
        ("mine", 3, ["mine", "table"]),
        ("mine", {"eyes": {"height": 64}}, ["mine", "128x64", "-8"]),
        ("mine", {"motion": {"bounce": 8}, "like": "surprised"}, ["mine", "does not fit"]),
        ("Two words", {}, ["Two words"]),
        ("laughing", {}, ["laughing", "aliases"]),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(name: str, table: Any, said: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        with_custom({name: table})
    assert all(word in str(refused.value) for word in said), str(refused.value)


def test_too_many_are_refused() -> None:
    with pytest.raises(SettingsError, match="33"):
        with_custom({f"mine{number}": {} for number in range(MAX_EXPRESSIONS + 1)})


@pytest.mark.parametrize("name", [*Emotion, *ALIASES])
def test_every_known_name_is_found(name: str) -> None:
    assert find(f" {name.upper()} ") in EXPRESSIONS


def test_a_name_of_ones_own_is_found_and_an_unknown_one_lists_it() -> None:
    known = with_custom({"mine": {}})
    assert find("Mine", known) == "mine"
    with pytest.raises(SettingsError, match="yours") as refused:
        find("yours", known)
    assert refused.value.remedy.endswith("laugh, mine.")


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(
    st.dictionaries(
        st.sampled_from(["eyes", "left", "mouth", "gaze", "spacing", "marks", "motion", "other"]),
        values | st.dictionaries(st.sampled_from(["width", "brow", "upper", "blink", "curve"]), values, max_size=3),
        max_size=3,
    )
)
def test_whatever_is_in_the_file_it_is_used_or_refused(table: dict[str, Any]) -> None:
    try:
        mine = with_custom({"mine": table})["mine"]
    except SettingsError as refused:
        assert "mine" in str(refused)  # noqa: PT017  # either way is fine
    else:
        Animator(expression=mine).picture(1.0)


@pytest.mark.parametrize("part", [Expression, Eye, Lid, Brow, Mouth, Mark, Motion])
def test_the_documentation_has_every_key_with_its_range(part: type) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "face.md").read_text()
    for field in dataclasses.fields(part):
        if field.name == "shift":
            continue
        limits = _bounds(get_type_hints(part, include_extras=True)[field.name])
        assert f"`{field.name}`" in guide
        if limits is not None:
            assert f"| `{field.name}` | {limits[0]:g} to {limits[1]:g} |" in guide


def test_the_documented_example_can_be_used() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "face.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    known = with_custom(tomllib.loads(example)["face"]["expressions"])
    assert "in-love" in known
    assert known["sad"].left.brow is None
