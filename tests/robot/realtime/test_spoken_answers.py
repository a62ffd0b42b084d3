"""What a server sends of answers is kept within bounds, however much it sends."""

from __future__ import annotations

from robot_node.robot.realtime.actions import SOUND_RATE
from robot_node.robot.realtime.spoken_answers import SpokenAnswers
from robot_node.speech.spoken_stream import LONGEST_S, SpokenStream

MINUTE = bytes(2 * 60 * SOUND_RATE)


def test_no_more_than_five_minutes_wait_to_be_heard_in_all_parts_of_all_answers() -> None:
    played: list[SpokenStream] = []
    answers = SpokenAnswers(played.append)
    for answer in range(3):
        for part in range(3):
            answers.add_sound(f"{answer} {part}", 0, MINUTE)
        answers.complete()
    assert sum(stream.waiting_s for stream in played) == LONGEST_S
    assert answers.is_speaking


def test_of_more_parts_than_a_model_makes_the_rest_is_not_played() -> None:
    played: list[SpokenStream] = []
    answers = SpokenAnswers(played.append)
    for part in range(50):
        answers.add_text(f"{part}", 0, "Hello.")
        answers.add_sound(f"{part}", 0, bytes(480))
    assert [stream.text for stream in played] == ["Hello."] * 8
