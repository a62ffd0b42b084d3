"""The robot's Agent Card: of the published form, there while the robot is, and gone with it."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import SettingsError
from robot_node.settings.loading import load_settings
from tests.end_to_end.robot_process import is_retained, plain_client
from tests.guide import robot
from tests.waiting import DEADLINE_S

TOPIC = "$a2a/v1/discovery/robot-node/robots/demo-robot"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Interface(_Strict):
    """AgentInterface of A2A 1.0."""

    url: Annotated[str, Field(pattern=r"^[a-z]+://")]
    protocolBinding: Annotated[str, Field(min_length=1)]  # noqa: N815  # as the specification writes it
    protocolVersion: Annotated[str, Field(pattern=r"^\d+\.\d+$")]  # noqa: N815


class Extension(_Strict):
    """AgentExtension."""

    uri: str
    description: str = ""
    required: bool = False
    params: dict[str, Any] = {}


class Capabilities(_Strict):
    """AgentCapabilities."""

    streaming: bool = False
    pushNotifications: bool = False  # noqa: N815
    extensions: list[Extension] = []


class Skill(_Strict):
    """AgentSkill."""

    id: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(min_length=1)]
    tags: list[str]


class Card(_Strict):
    """AgentCard, with what is required by A2A 1.0 and by the schema of EMQX's registry."""

    name: str
    description: str
    version: str
    supportedInterfaces: Annotated[list[Interface], Field(min_length=1)]  # noqa: N815
    capabilities: Capabilities
    defaultInputModes: list[str]  # noqa: N815
    defaultOutputModes: list[str]  # noqa: N815
    skills: Annotated[list[Skill], Field(min_length=1)]


async def test_the_card_is_there_as_long_as_the_robot(broker: PrivateBroker) -> None:
    async with robot(broker, a2a={"enabled": True}), plain_client(broker, "org/unit/reader") as reader:
        await reader.subscribe("$a2a/v1/discovery/robot-node/+/+")
        async with asyncio.timeout(DEADLINE_S):
            message = await anext(aiter(reader.messages))
        assert message.topic.value == TOPIC
        properties = dict(getattr(message.properties, "UserProperty", ()))
        assert properties == {"a2a-status": "online", "a2a-status-source": "agent"}
        assert isinstance(message.payload, bytes)
        assert len(message.payload) < 65_536  # EMQX's max_card_size
        card = Card.model_validate_json(message.payload)
        assert card.name == "demo/robot"
        assert card.supportedInterfaces[0].url == broker.url
        (how,) = card.capabilities.extensions
        assert how.params == {"serverId": "demo-robot", "serverName": "demo/robot"}
        assert {"take_photo", "show_text", "wait_for_event"} <= {skill.id for skill in card.skills}
    assert not await is_retained(broker, TOPIC)


async def test_the_will_clears_the_card(broker: PrivateBroker) -> None:
    async with robot(broker, a2a={"enabled": True, "unit": "kitchen", "agent": "r2"}):
        topic = "$a2a/v1/discovery/robot-node/kitchen/r2"
        async with plain_client(broker, "reader") as reader, asyncio.timeout(DEADLINE_S):
            await reader.subscribe(topic)
            messages = aiter(reader.messages)
            assert (await anext(messages)).payload
            # Whoever connects with its client id throws it off the broker, which then publishes its will.
            async with plain_client(broker, "robot-node/kitchen/r2"):
                assert (await anext(messages)).payload == b""


async def test_there_is_no_card_unless_asked_for(broker: PrivateBroker) -> None:
    async with robot(broker):
        assert not await is_retained(broker, TOPIC)


@pytest.mark.parametrize("name", ["a/b", "a b", "+", ""])
def test_a_name_that_is_no_level_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=r"a2a\.unit"):
        load_settings(None, {"a2a": {"unit": name}})


def test_the_form_is_strict() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Card).validate_json(json.dumps({"name": "robot"}))
