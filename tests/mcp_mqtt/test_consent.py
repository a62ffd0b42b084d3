"""The question before a call that a person must confirm, and the answers that count."""

from __future__ import annotations

import pytest

from robot_node.mcp_mqtt.consent import MAX_SHOWN_ARGUMENTS, Asked, Consents, question


def test_a_long_argument_pushes_no_other_one_out_and_shows_that_it_was_cut() -> None:
    asked = question("control_camera", {"why": "x" * 600, "enabled": True}, ["enabled"])
    assert asked.startswith("May the robot carry out control_camera with enabled: true, why: ")
    assert asked.endswith('x"... (520 more characters)?')
    assert question("move", {"way": list(range(1000))}).endswith(" more characters)?")
    assert question("move", {"n" * 600: 1}).endswith('n"... (520 more characters): 1?')
    assert len(question("move", {f"{number} " * 600: "\u202e" * 600 for number in range(1000)})) < 20_000


def test_known_arguments_come_first_in_their_order_and_those_not_shown_are_counted() -> None:
    many = {f"extra{number}": number for number in range(MAX_SHOWN_ARGUMENTS)} | {"speed": 1, "way": "left"}
    asked = question("move", many, ["way", "speed", "absent"])
    assert asked.startswith('May the robot carry out move with way: "left", speed: 1, extra0: 0, ')
    assert asked.endswith(", and 2 more arguments that are not shown?")


@pytest.mark.parametrize("char", ["\n", "\r", "\x1b", "\x9b", "\u2028", "\u202e", "\u2066", "\ud800", "\x00"])
def test_names_and_values_stay_on_one_line_without_control_and_bidirectional_characters(char: str) -> None:
    asked = question("move", {f"a{char}b": f"c{char}d", "list": [char], "object": {char: char}})
    assert asked.isprintable()
    assert char not in asked


def test_a_name_cannot_pass_for_another_argument() -> None:
    assert question("move", {"speed: 1, far": 2}) == 'May the robot carry out move with "speed: 1, far": 2?'
    assert question("move", {}) == "May the robot carry out move?"


def test_an_answer_counts_once_and_for_the_client_that_was_asked() -> None:
    consents = Consents()
    consents.ask("token", Asked("anna", 7.0))
    assert consents.take("mallory", "token") is None
    assert consents.take("anna", "another") is None
    assert consents.take("anna", None) is None
    assert consents.take("anna", "token") == Asked("anna", 7.0)
    assert consents.take("anna", "token") is None


def test_open_questions_are_bounded_and_a_client_loses_its_own_first() -> None:
    consents = Consents()
    consents.ask("hers", Asked("anna", 1.0))
    for number in range(100):
        consents.ask(f"m{number}", Asked("mallory", 1.0))
    assert [number for number in range(100) if consents.take("mallory", f"m{number}")] == [*range(92, 100)]
    assert consents.take("anna", "hers")
    for number in range(1025):
        consents.ask(f"c{number}", Asked(f"client-{number}", 1.0))
    assert not consents.take("client-0", "c0")
    assert consents.take("client-1", "c1")
