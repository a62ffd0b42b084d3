"""A robot talks with a model behind a server: what people say goes there, its answers are spoken, tools called."""

from __future__ import annotations

from datetime import date

import pytest

from robot_node.core.question_states import QuestionState
from robot_node.errors import SettingsError
from robot_node.robot.realtime.backend import FAULT
from robot_node.robot.realtime.budget import DailyBudget
from robot_node.settings.loading import load_settings
from tests.robot.realtime.stand_in import KEY, StandIn, stand_in
from tests.robot.realtime.talker import STOP_PHRASE, talker
from tests.waiting import eventually


def said_to(server: StandIn) -> list[str]:
    """What people said, as the model got it."""
    return [item["content"][0]["text"] for item in server.items("message") if item["role"] == "user"]


async def test_what_a_person_says_is_answered_by_the_robots_voice() -> None:
    async with stand_in("Good morning! It is nine o'clock.", "You are welcome.") as server, talker(server.url) as it:
        it.hears("what time is it")
        await eventually(lambda: len(it.says) == 2 and not it.robot.is_speaking())
        assert it.says == ["Good morning!", "It is nine o'clock."]
        it.hears("thank you", kind="chat")
        await eventually(lambda: len(it.says) == 3)
        assert server.sessions == 1, "one conversation"
        assert said_to(server) == ["what time is it", "thank you"]
        assert not it.fault


async def test_the_model_calls_tools_as_the_client_of_the_settings() -> None:
    async with stand_in([("set_led", {"name": "lamp"})], "The light is on.") as server, talker(server.url) as it:
        it.hears("turn on the light")
        await eventually(lambda: it.says == ["The light is on."])
        assert it.called == [("set_led", {"name": "lamp"}, "realtime")]
        (output,) = server.items("function_call_output")
        assert output["output"] == "The lamp is lit."


@pytest.mark.parametrize("kind", ["heard", "chat"])
async def test_the_answer_to_a_question_goes_to_who_asked_and_not_to_the_model(kind: str) -> None:
    async with stand_in("You are welcome.") as server, talker(server.url) as it:
        pending = it.asks("Tea or coffee?", "tea", "coffee")
        it.hears("tea", kind=kind)
        await eventually(lambda: pending.question.state is QuestionState.ANSWERED)
        it.hears("thank you", kind=kind)  # no answer: it is for the model, and comes after the other
        await eventually(lambda: it.says == ["You are welcome."])
        assert said_to(server) == ["thank you"]


async def test_while_a_question_is_open_all_that_is_said_is_for_who_asked_and_what_is_typed_may_be_for_the_model() -> (
    None
):
    async with stand_in("It is nine o'clock.") as server, talker(server.url) as it:
        pending = it.asks("Tea or coffee?", "tea", "coffee")
        it.hears("what do you have")
        it.hears("what time is it", kind="chat")
        await eventually(lambda: it.says == ["It is nine o'clock."])
        assert said_to(server) == ["what time is it"]
        assert pending.question.state is QuestionState.OPEN


async def test_what_is_said_while_an_agent_listens_is_for_the_agent_and_what_is_said_next_for_the_model() -> None:
    async with stand_in("You are welcome.") as server, talker(server.url) as it:
        with it.claims.claim():
            it.hears("my name is Anna")
            it.hears("thank you")
        await eventually(lambda: it.says == ["You are welcome."])
        assert said_to(server) == ["thank you"]


async def test_an_agent_that_listens_is_not_talked_over_by_an_answer_that_comes_meanwhile() -> None:
    async with stand_in(None, "You are welcome.") as server, talker(server.url) as it:
        it.hears("tell me a story")
        await eventually(it.robot.is_speaking)
        with it.claims.claim():
            it.robot.speaker.stop()  # as the tool does
            await eventually(lambda: server.count("response.cancel") == 1)
            it.hears("my name is Anna")
        it.hears("thank you")
        await eventually(lambda: it.says[-1] == "You are welcome.")
        assert it.says == ["Once upon a time there was a robot.", "You are welcome."]


async def test_a_stop_phrase_ends_the_answer_and_gets_none() -> None:
    async with stand_in(None, "You are welcome.") as server, talker(server.url) as it:
        it.hears(STOP_PHRASE)
        it.hears("tell me a story")
        await eventually(it.robot.is_speaking)
        it.hears(STOP_PHRASE)
        await eventually(lambda: server.count("response.cancel") == 1)
        it.hears("thank you")
        await eventually(lambda: it.says[-1] == "You are welcome.")
        assert STOP_PHRASE not in said_to(server)
        assert server.sessions == 1


async def test_who_stops_the_voice_does_not_hear_the_rest_of_the_answer_and_the_model_knows_what_was_heard() -> None:
    async with stand_in(None, "You are welcome.") as server, talker(server.url) as it:
        it.hears("tell me a story")
        await eventually(lambda: it.robot.heard_s > 1)
        it.robot.speaker.stop()  # by the tool stop_speaking, stop_all, a wake word, or a button
        await eventually(lambda: server.count("response.cancel") == 1)
        (known,) = (item for item in server.items("message") if item["role"] == "system")
        assert "heard: Once upon" in known["content"][0]["text"]
        it.hears("thank you")
        await eventually(lambda: it.says[-1] == "You are welcome.")
        assert len(it.says) == 2


async def test_somebody_who_types_more_ends_an_answer_that_is_still_spoken() -> None:
    story = "Once upon a time there was a robot that told a very long story. Everybody who came by had to listen."
    async with stand_in(story, "You are welcome.") as server, talker(server.url) as it:
        it.hears("tell me a story")
        await eventually(lambda: it.robot.heard_s > 1)
        it.hears("thank you", kind="chat")
        await eventually(lambda: it.says[-1] == "You are welcome.")
        assert len(it.says) == 2, "the second sentence is not said"
        assert [item["role"] for item in server.items("message")] == ["user", "system", "user"]
        assert server.count("response.cancel") == 0, "there was nothing to cancel"


async def test_a_person_who_interrupts_ends_the_answer() -> None:
    async with stand_in(None, "All right.") as server, talker(server.url) as it:
        it.hears("tell me a story")
        await eventually(lambda: it.robot.state.snapshot.speaking)
        await eventually(lambda: it.robot.heard_s > 1)
        it.robot.speaker.interrupt()
        await eventually(lambda: server.count("response.cancel") == 1)
        it.hears("thank you")
        await eventually(lambda: "All right." in it.says)
        system = [item for item in server.items("message") if item["role"] == "system"]
        assert len(system) == 1
        assert "heard: Once upon" in system[0]["content"][0]["text"]


async def test_a_wrong_key_is_a_fault_with_a_remedy_that_goes_when_it_works() -> None:
    async with stand_in("Hello.") as server, talker(server.url, key="another-key") as it:
        it.hears("hello")
        await eventually(lambda: "HTTP 401" in it.fault)
        assert "realtime.key" in it.fault
        assert KEY not in it.fault
    async with stand_in("Hello.", "Hello again.") as server, talker(server.url) as it:
        it.robot.state.set_fault(FAULT, "It could not be reached.")
        it.hears("hello")
        await eventually(lambda: it.says == ["Hello."])
        assert not it.fault


async def test_without_network_the_robot_says_why_and_tries_again_with_the_next_word() -> None:
    async with stand_in("Hello.") as server:
        url = server.url
    async with talker(url) as it:
        it.hears("hello")
        await eventually(lambda: "cannot be reached" in it.fault)
        it.hears("hello")
        await eventually(lambda: "cannot be reached" in it.fault)


async def test_a_server_that_goes_away_ends_the_conversation_and_the_next_word_begins_another() -> None:
    async with stand_in(None, "I am back.") as server, talker(server.url) as it:
        it.hears("tell me a story")
        await eventually(lambda: bool(it.says))
        assert server.connection is not None
        await server.connection.close(1011, "overloaded")
        await eventually(lambda: "overloaded" in it.fault)
        it.hears("hello")
        await eventually(lambda: "I am back." in it.says)
        assert server.sessions == 2


async def test_tokens_of_a_day_are_limited_and_tomorrow_there_are_more() -> None:
    async with stand_in("One.", "Two.", "Three.") as server, talker(server.url, tokens_per_day=100) as it:
        it.hears("count")
        await eventually(lambda: "tokens_per_day" in it.fault)
        await eventually(lambda: server.open == 0)
        it.hears("count")
        it.day = date(2026, 11, 30)
        it.hears("count")
        await eventually(lambda: server.sessions == 2)


def test_the_budget_of_a_day() -> None:
    today, tomorrow = date(2026, 1, 1), date(2026, 1, 2)
    budget = DailyBudget(1.0, 1000)
    assert not budget.exhausted(today)
    budget.spend(today, seconds=45, tokens=999)
    assert not budget.exhausted(today)
    assert budget.seconds_left(today) == 15
    budget.spend(today, seconds=15)
    assert "minutes" in budget.exhausted(today)
    assert not budget.exhausted(tomorrow)
    budget.spend(tomorrow, tokens=1000)
    assert "tokens" in budget.exhausted(tomorrow)


@pytest.mark.parametrize("url", ["http://x", "ws://example.org", "wss://", "wss://user:pw@x/", "wss://x/ y"])
def test_a_url_that_would_send_words_in_clear_or_nowhere_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"realtime.url"):
        load_settings(None, {"realtime": {"url": url}, "voice": {"engine": "espeak-ng"}})


def test_the_camera_is_for_the_model_only_where_its_owner_says_so() -> None:
    wanted = {"url": "wss://example.org/v1/realtime", "tools": ["take_photo", "set_led"]}
    with pytest.raises(SettingsError, match=r"need realtime.camera = true: take_photo"):
        load_settings(None, {"realtime": wanted, "voice": {"engine": "espeak-ng"}})
    load_settings(None, {"realtime": {**wanted, "camera": True}, "voice": {"engine": "espeak-ng"}})
    with pytest.raises(SettingsError, match="set voice"):
        load_settings(None, {"realtime": {"url": "wss://example.org/v1/realtime"}})
