"""A conversation from the first word to the last: spoken to, answered by an agent, interrupted, and gone on with.

The room is simulated: the microphone hears the loudspeaker, too. Time is real: sound from the loudspeaker is.
"""

from __future__ import annotations

import asyncio

import pytest

from hw_mocks.platform import SimulatedPi
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.mixer import ECHO_S
from robot_node.mqtt import Broker
from tests.end_to_end.agents import agent, structured
from tests.end_to_end.conversation import (
    ANSWER,
    GOES_ON,
    LEARNT_S,
    RECORDED,
    WAKE,
    Lips,
    ScriptedAgent,
    conversing_robot,
    lit,
    of_kind,
    played_s,
    scripted_agent,
    speaking,
    texts,
)
from tests.end_to_end.robot_process import SERVER_ID
from tests.speech.sounds import silence
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.peer import peer
from tests.webrtc.test_audio import SpokenTrack, offer

ASKED, NOT_MEANT, PERSON, THEN = "rear left", "front center", "front left", "side right"
SCRIPT = {ASKED: ANSWER, THEN: GOES_ON}


async def asked(pi: SimulatedPi, scripted: ScriptedAgent) -> None:
    """A person says something that is not meant for the robot, then wakes it and asks."""
    pi.microphone.hear(RECORDED[NOT_MEANT] + WAKE + RECORDED[ASKED])
    await eventually(lambda: scripted.was_told("speech"), "the agent answers")
    assert [event["text"] for event in scripted.was_told("heard")] == [ASKED]
    assert [event["device"] for event in scripted.was_told("wake_word")] == ["okay_nabu"]


async def interrupted(pi: SimulatedPi, scripted: ScriptedAgent) -> str:
    """A person speaks in the middle of the answer; what the robot had said by then."""
    await eventually(lambda: played_s(pi) > LEARNT_S)
    assert scripted.was_told("interrupted") == [], "its own voice is no person"

    async def told() -> bool:
        if await speaking(scripted.client):
            pi.microphone.hear(RECORDED[PERSON])  # who is not heard on a busy machine says it again
            await eventually(lambda: not pi.microphone._once, "the person has said it")
        return bool(scripted.was_told("interrupted"))

    await eventually(told, "the agent is told")
    (event,) = scripted.was_told("interrupted")
    return str(event["details"]["said"])


async def goes_on(pi: SimulatedPi, scripted: ScriptedAgent) -> None:
    """The person says something else, without a wake word, and the agent answers that to its end."""
    pi.microphone.hear(silence(ECHO_S) + RECORDED[THEN])
    await eventually(lambda: GOES_ON in scripted.was_told("speech")[-1]["text"], "the agent goes on")
    while await speaking(scripted.client):
        await asyncio.sleep(0.05)
    assert GOES_ON in scripted.was_told("speech")[-1]["text"], "it was said to its end"


async def answered_with_lips_until_interrupted_and_again(pi: SimulatedPi, scripted: ScriptedAgent) -> None:
    """The answer is heard and seen, a person interrupts it, asks something else, and is answered that."""
    lips = Lips(pi)
    watching = asyncio.create_task(lips.watch())
    said = await interrupted(pi, scripted)
    watching.cancel()
    assert lips.follow_the_sound()
    assert said.startswith("The sun rose over the hills")
    assert ANSWER.startswith(said)
    assert len(said) < len(ANSWER)
    assert not await speaking(scripted.client)
    resting = played_s(pi)
    await eventually(lambda: lips.height() < 4, "the mouth is closed")
    await goes_on(pi, scripted)
    assert played_s(pi) - resting < 5, "nothing of the first answer comes after the interruption"


@pytest.mark.slow  # it says and hears in real time
async def test_from_the_wake_word_to_an_answer_that_is_interrupted_and_gone_on_with(broker: PrivateBroker) -> None:
    async with conversing_robot(broker) as pi, scripted_agent(broker, SCRIPT) as scripted, asyncio.timeout(DEADLINE_S):
        await asked(pi, scripted)
        await answered_with_lips_until_interrupted_and_again(pi, scripted)


@pytest.mark.slow
async def test_a_viewer_who_speaks_through_the_loudspeaker_is_no_person_in_the_room(broker: PrivateBroker) -> None:
    hears_viewers = {"webrtc": {"addresses": ["127.0.0.1"]}, "audio": {"viewer_may_speak": True}}
    voice = SpokenTrack()
    async with (
        conversing_robot(broker, **hears_viewers) as pi,
        scripted_agent(broker, SCRIPT) as scripted,
        peer(Broker.from_url(broker.url), "visitor", answerer=SERVER_ID) as viewer,
        asyncio.timeout(2 * DEADLINE_S),
    ):
        await offer(viewer, voice, direction="sendrecv")
        voice.say(WAKE + RECORDED[NOT_MEANT])
        await eventually(lambda: voice.has_said_all, "the viewer has spoken")
        await eventually(lambda: played_s(pi) > 3, "the loudspeaker has played it")
        assert [scripted.was_told(kind) for kind in ("wake_word", "turn", "heard")] == [[], [], []]
        # The viewer is still there, and says nothing.
        await asked(pi, scripted)
        voice.say(RECORDED[NOT_MEANT] * 60)  # as long as the answer: the robot's voice comes first
        await interrupted(pi, scripted)
        assert not voice.has_said_all
        voice.be_quiet()
        await goes_on(pi, scripted)


@pytest.mark.slow
async def test_without_network_the_robot_listens_stops_and_reacts_and_tells_later() -> None:
    async with PrivateBroker() as broker, conversing_robot(broker, hearing={"stop_words": ["alexa"]}) as pi:
        async with scripted_agent(broker, SCRIPT) as scripted, asyncio.timeout(DEADLINE_S):
            await asked(pi, scripted)
            last = scripted.told[-1]["sequence"]
        await broker.stop()  # the agent has left: its subscription would end with an error
        await eventually(lambda: played_s(pi) > LEARNT_S)
        while not lit(pi):  # the lamp shows that it listens
            pi.microphone.hear(RECORDED[PERSON])
            await eventually(lambda: lit(pi) or not pi.microphone._once)
        before = played_s(pi)
        pi.microphone.hear(silence(1) + RECORDED[THEN])
        await eventually(lambda: not pi.microphone._once, "it was said")
        await eventually(lambda: not lit(pi), "and that the turn has ended")
        assert played_s(pi) - before < 1, "it has stopped speaking"
        await broker.start()
        async with asyncio.timeout(DEADLINE_S), agent(broker) as client:
            assert [event["sequence"] > last for event in await of_kind(client, "interrupted")] == [True]
            assert (await texts(client))[-1] == THEN
            link = [event["text"] for event in await of_kind(client, "link")]
            assert any("lost" in text for text in link)
            assert (await structured(client, "get_status"))["speaking"] is False
