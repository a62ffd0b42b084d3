"""What a JSON text holds is known before it is parsed, and never underestimated."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_node.core.json_limits import MAX_DEPTH, check_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab"\\,:[]{}\n', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(alphabet='ab"\\,:[]{}', max_size=5), inner, max_size=5)
    ),
    max_leaves=40,
)


def held(value: object) -> int:
    """Values and keys, as the limit means them."""
    match value:
        case list():
            return 1 + sum(held(each) for each in value)
        case dict():
            return 1 + len(value) + sum(held(each) for each in value.values())
        case _:
            return 1


@given(json_values, st.booleans())
def test_no_value_is_overlooked_whatever_stands_in_texts(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert check_json(text, max_values=10_000) >= held(value)
    with pytest.raises(ValueError, match="more than"):
        check_json(text, max_values=held(value) - 1)


@pytest.mark.parametrize(
    "text",
    [
        "[" + "[]," * 349_524 + "[]]",
        "[" + "{}," * 349_524 + "{}]",
        "[" + "0," * 524_287 + "0]",
        "[" + '"",' * 349_524 + '""]',
        "{" + ",".join(f'"{n}":0' for n in range(90_000)) + "}",
    ],
)
def test_a_legal_message_of_a_mebibyte_that_is_all_structure_is_refused(text: str) -> None:
    assert len(text) < 1_060_000
    with pytest.raises(ValueError, match=r"^It holds more than 20000 values\.$"):
        check_json(text.encode(), max_values=20_000)


@pytest.mark.parametrize("text", [",:[]{}" * 170_000, '"' * 500_000, "\\" * 500_001, "\\\\," * 300_000, "é" * 500_000])
def test_a_long_text_is_one_value_whatever_it_says(text: str) -> None:
    assert check_json(json.dumps({"say": text}).encode(), max_values=20) <= 20


def test_the_limit_is_met_exactly() -> None:
    assert check_json(b"[1,2,3]", max_values=4) == 4
    with pytest.raises(ValueError, match="more than 3 values"):
        check_json(b"[1,2,3]", max_values=3)


def test_lists_may_be_many_but_not_within_one_another() -> None:
    check_json(b"[" + b"[]," * 500 + b"[]]", max_values=5_000)
    check_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, max_values=5_000)
    with pytest.raises(ValueError, match="nested more than 100 deep"):
        check_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), max_values=5_000)
    with pytest.raises(ValueError, match="nested more than 100 deep"):
        check_json(b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), max_values=5_000)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_json_do_no_harm(text: bytes) -> None:
    assert check_json(text, max_values=1000) <= 1000
