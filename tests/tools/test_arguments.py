"""Wrong arguments, of every tool that a robot may have: refused, in words that a model can act upon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import pytest
import pytest_asyncio
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.server.mcpserver.tools import Tool as ServerTool
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, Tool
from pydantic import BaseModel, Field

from robot_node import hardware
from robot_node.apps.demo_buttons import PIN_SETTINGS
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from robot_node.settings.access import TOOLS, AccessSettings
from robot_node.settings.loading import load_settings
from robot_node.tools.access import guarded
from robot_node.tools.arguments import unknown_tool, wrong_arguments
from tests.devices.pins.rig import robot
from tests.robots import online_robot

SERVER_ID, SERVER_NAME = "robot", "tests/robot"
# What the demo's robot has on its pins, and whatever else gives a robot one more tool.
EVERYTHING: dict[str, Any] = {
    **PIN_SETTINGS,
    "pins": {
        "outputs": {
            "lamp": {"kind": "led", "pin": 5},
            "eyes": {"kind": "rgb_led", "pins": [13, 19, 26]},
            "horn": {"kind": "buzzer", "pin": 16},
            "neck": {"kind": "servo", "pin": 18},
            "nod": {"kind": "servo", "pin": 12},
            "wheel": {"kind": "motor", "pins": [20, 21]},
        },
        "inputs": PIN_SETTINGS["pins"]["inputs"],
        "pan": "neck",
        "tilt": "nod",
    },
    "access": {
        "roles": {"everybody": {"allowed_tools": list(TOOLS), "allowed_resources": "all"}},
        "default_role": "everybody",
    },
    "camera": {"width": 320, "height": 240, "adjustable": True},
    "motion": {"enabled": True},
    "recording": {"enabled": True, "min_free_mb": 0},
    "audio": {"microphone": "default", "loudspeaker": "default"},
    "hearing": {"engine": "pocketsphinx", "phrases": ["hello robot"]},
    "voice": {"engine": "espeak-ng"},
    "dialer": {"enabled": True, "call_at_start": False},
    "publish": {"url": "http://127.0.0.1:9/whip", "when": "on_demand"},
}
OF_PYDANTIC = ("validation error", "pydantic", "http", "input_value", "type=", "Arguments")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everything(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    """The broker of a robot that has every tool."""
    async with PrivateBroker() as broker:
        sections = {"robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME}, "broker": {"url": broker.url}}
        clips = {"recording": {**EVERYTHING["recording"], "folder": str(tmp_path_factory.mktemp("clips"))}}
        settings = load_settings(None, {**sections, **EVERYTHING, **clips})
        async with online_robot(settings, hardware.choose(settings, simulated=True)):
            yield Broker.from_url(broker.url)


def visiting(broker: Broker) -> Client:
    """A client of that robot, to be entered."""
    return Client(mqtt_transport(broker, SERVER_ID, SERVER_NAME))


async def tool_of(client: Client, name: str) -> Tool:
    return next(tool for tool in (await client.list_tools()).tools if tool.name == name)


async def refusal(client: Client, tool: str, arguments: dict[str, Any]) -> str:
    """What a model reads of a call that is refused."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, f"{tool} took {arguments}"
    said = text(result)
    assert not [word for word in OF_PYDANTIC if word in said], said
    assert "\n" not in said
    return said


def text(result: CallToolResult) -> str:
    return "".join(getattr(part, "text", "") for part in result.content)


@pytest.mark.parametrize("name", TOOLS)
async def test_an_argument_that_a_tool_does_not_have_is_refused(everything: Broker, name: str) -> None:
    async with visiting(everything) as client:
        properties = (await tool_of(client, name)).input_schema["properties"]
        said = await refusal(client, name, {"surprise": True})
        if not properties:
            assert said == f"{name} takes no arguments; 'surprise' was given."
        else:
            assert said.startswith(f"{name} has no argument 'surprise'. It takes {', '.join(properties)}.")
        for argument in properties:
            said = await refusal(client, name, {argument + "x": True})
            assert f"{name} has no argument '{argument}x'. Did you mean {argument}?" in said


@pytest.mark.parametrize("name", TOOLS)
async def test_an_argument_of_the_wrong_kind_is_named_with_what_is_allowed(everything: Broker, name: str) -> None:
    async with visiting(everything) as client:
        tool = await tool_of(client, name)
        needed = tool.input_schema.get("required", [])
        for argument in tool.input_schema["properties"]:
            said = await refusal(client, name, {argument: {"an": ["object"]}})
            assert f"{argument} of {name} must be " in said
            assert "; an object is not." in said
            assert all(f"{name} needs {other}: " in said for other in needed if other != argument)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("take_photo", {"quality": 5}, "quality of take_photo must be a number from 0 to 1; 5 is not."),
        (
            "take_photo",
            {"qualty": 0.5},
            "take_photo has no argument 'qualty'. Did you mean quality? It takes quality, max_side, max_bytes.",
        ),
        ("take_photo", {"source": "moon"}, "source of take_photo must be one of local, remote; 'moon' is not."),
        ("control_camera", {}, "control_camera needs enabled: true or false."),
        (
            "control_camera",
            {"enabled": "perhaps"},
            "enabled of control_camera must be true or false; 'perhaps' is not.",
        ),
        (
            "set_led",
            {"name": "lamp", "colour": "red"},
            "colour of set_led must be a text of the form ^#[0-9a-fA-F]{6}$ or null; 'red' is not.",
        ),
        ("set_led", {"name": "lmap"}, "name of set_led must be one of lamp, eyes; 'lmap' is not. Did you mean lamp?"),
        (
            "beep",
            {"name": "horn", "times": 11},
            "times of beep must be a whole number from 1 to 10; 11 is not.",
        ),
        (
            "show_text",
            {"text": "x", "duration": 0},
            "duration of show_text must be a number above 0 and of at most 600 or null; 0 is not.",
        ),
        ("stop_all", {"now": True}, "stop_all takes no arguments; 'now' was given."),
    ],
)
async def test_one_sentence_says_which_what_and_what_is_allowed(
    everything: Broker, name: str, arguments: dict[str, Any], said: str
) -> None:
    async with visiting(everything) as client:
        assert await refusal(client, name, arguments) == said


async def test_an_emotion_that_there_is_not_is_refused_with_those_there_are(everything: Broker) -> None:
    async with visiting(everything) as client:
        said = await refusal(client, "change_emotion", {"emotion": "hapy"})
        assert said.startswith("emotion of change_emotion must be one of neutral, happy, ")
        assert said.endswith("; 'hapy' is not. Did you mean happy?")


@pytest.mark.parametrize("source", ["local", "remote"])
async def test_the_sources_of_the_protocol_are_taken_without_effect(everything: Broker, source: str) -> None:
    async with visiting(everything) as client:
        await client.call_tool("control_camera", {"enabled": True})
        result = await client.call_tool("take_photo", {"source": source})
        assert not result.is_error
        assert result.content[0].type == "image"


async def test_the_spelling_of_one_document_is_taken(everything: Broker) -> None:
    async with visiting(everything) as client:
        assert (await client.call_tool("change_emotion", {"emotion": "laug"})).structured_content == {
            "emotion": "laugh"
        }


async def test_a_tool_that_there_is_not_is_answered_with_those_there_are() -> None:
    offered = ("take_photo", "stop_all", "control_camera")
    assert unknown_tool("take_foto", offered) == (
        "Unknown tool 'take_foto'. Did you mean take_photo? The robot has: control_camera, stop_all, take_photo."
    )
    assert unknown_tool("x" * 500, ()) == f"Unknown tool '{'x' * 40}... (460 more characters)'."
    async with robot() as it, Client(it.server) as client:
        said = await refusal(client, "take_foto", {})
    assert said.startswith("Unknown tool 'take_foto'. Did you mean take_photo? The robot has: ask, change_emotion, ")


class Target(BaseModel):
    """Of a tool that a device's package brings."""

    place: Literal["kitchen", "hall"]
    speed: Annotated[float, Field(le=2)] = 1.0


def tool_of_a_package() -> ServerTool:
    async def drive(target: Target, stops: Annotated[list[int], Field(max_length=3)] = []) -> str:  # noqa: B006  # read only
        """Drive somewhere."""
        return f"{target.place} {stops}"

    return ServerTool.from_function(drive)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"target": {"place": "kitchen"}}, ""),
        ({"target": '{"place": "kitchen"}', "stops": "[1]"}, ""),  # as some clients write what is no text
        (
            {"target": {"place": "kitchn"}},
            "target.place of drive must be one of kitchen, hall; 'kitchn' is not. Did you mean kitchen?",
        ),
        (
            {"target": {"place": "hall", "speed": 9}},
            "target.speed of drive must be a number of at most 2; 9 is not.",
        ),
        ({"target": {}}, "drive needs target.place: one of kitchen, hall."),
        (
            {"target": {"place": "hall"}, "stops": [1, "two"]},
            "stops[1] of drive must be a whole number; 'two' is not.",
        ),
        ({}, "drive needs target: an object."),
        ({"target": "[" * 200}, "target of drive is too large: Its lists and objects are nested more than 100 deep."),
        (
            {"target": {"place": "hall"}, "stops": "[" + "[]," * 20_000 + "[]]"},
            "stops of drive is too large: It holds more than 10000 values.",
        ),
    ],
)
async def test_tools_of_packages_are_explained_too(arguments: dict[str, Any], said: str) -> None:
    assert wrong_arguments(tool_of_a_package(), arguments) == said


async def test_a_refusal_stays_short_whatever_it_is_about() -> None:
    many = {f"n{number}": 0 for number in range(5_000)}
    said = wrong_arguments(tool_of_a_package(), {"x" * 100_000: 1, "target": 10**4_000, "stops": "y" * 100_000, **many})
    assert len(said) < 1_000
    assert said.endswith("There is more.")


async def test_a_tool_that_was_added_later_is_checked_as_well() -> None:
    async with robot() as it:
        it.server.add_tool(lambda: "done", name="water_flowers")
        async with Client(it.server) as client:
            assert await refusal(client, "water_flowers", {"much": True}) == (
                "water_flowers takes no arguments; 'much' was given."
            )
            assert text(await client.call_tool("water_flowers", {})) == "done"


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_nobody_is_asked_to_confirm_what_will_be_refused(mode: str) -> None:
    asked: list[str] = []

    async def agree(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context
        asked.append(params.message)
        return ElicitResult(action="accept", content={})

    async with robot() as it:
        await guarded(it.server, AccessSettings(confirm_tools=("control_camera",)))
        async with Client(it.server, mode=mode, elicitation_callback=agree) as client:
            await client.list_tools()
            for arguments in ({}, {"enabled": "perhaps"}, {"enabled": True, "why": "a reason that hides the rest"}):
                assert "control_camera" in await refusal(client, "control_camera", arguments)
            assert asked == []
            assert not (await client.call_tool("control_camera", {"enabled": True})).is_error
            assert asked == ["May the robot carry out control_camera with enabled: true?"]
