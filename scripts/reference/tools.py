"""The page of all tools and resources: what a robot that has everything says of itself, on simulated hardware."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from mcp import Client
from mcp_types import TextContent, Tool, ToolAnnotations
from pydantic import BaseModel

from robot_node import daemon, hardware
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.access import is_human_only
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.robot.status import CameraStatus, FaceStatus, Status
from robot_node.settings.access import BUILT_IN_ROLES, TOOLS
from robot_node.settings.loading import load_settings
from robot_node.tools import recording, resources, vision
from robot_node.tools.ask import QUESTIONS, OpenQuestions
from robot_node.tools.server import build_guarded_server
from scripts.reference.schema import Schema, named_below, properties, summary, table

_HEAD = """\
# Tools and resources

What an agent finds, made from a running robot by `make reference`. It has one of everything on its pins; on yours the
names, angles and durations are those of its settings, and the tools are those that it can carry out.

## For all tools

* Arguments that do not fit the schema or that the tool does not have, what the robot cannot do now, and what breaks,
  are answered with a tool error (`isError`): a text that names the reason and what to do about it. The examples below
  are what the robot answered.
* A role that may not use a tool gets the JSON-RPC error -32016; a call too many and one that a person refused are tool
  errors: [who may do what](../access.md).
* A tool returns when the hardware is done, or says below that it returns at once.
* `get_status` and the resources tell what is true; nobody need remember what a call did.
"""

_EVERYTHING: dict[str, Any] = {
    # some tools are offered only when a role names them
    "access": {
        "roles": {"everybody": {"allowed_tools": list(TOOLS), "allowed_resources": "all"}},
        "default_role": "everybody",
    },
    "camera": {"width": 320, "height": 240, "adjustable": True},
    "audio": {"microphone": "default", "loudspeaker": "default"},
    "voice": {"engine": "espeak-ng"},
    "hearing": {"engine": "pocketsphinx"},
    "publish": {"url": "https://sfu.example.org/whip", "when": "on_demand"},
    "dialer": {"enabled": True, "call_at_start": False},
    "motion": {"enabled": True, "zones": {"door": {"rectangle": [0.1, 0.2, 0.4, 1.0]}}},
    "detection": {"engine": "imx500", "model": __file__},
    "recording": {"enabled": True, "folder": "/var/lib/robot-node/clips", "min_free_mb": 0},
    "pins": {
        "outputs": {
            "lamp": {"kind": "led", "pin": 5},
            "eyes": {"kind": "rgb_led", "pins": [13, 19, 26]},
            "horn": {"kind": "buzzer", "pin": 16},
            "neck": {"kind": "servo", "pin": 18, "limits": [-60, 60]},
            "nod": {"kind": "servo", "pin": 12, "limits": [-20, 30]},
            "wheel": {"kind": "motor", "pins": [20, 21], "max_speed": 0.8},
        },
        "inputs": {"doorbell": {"kind": "button", "pin": 22}},
        "pan": "neck",
        "tilt": "nod",
    },
}

_NEEDS = {
    "control_volume": "`audio.loudspeaker`",
    "control_microphone": "`audio.microphone`",
    "say": "`voice.engine`",
    "stop_speaking": "`voice.engine`",
    "listen": "`hearing.engine`",
    "call_backend": "`dialer.enabled`",
    "hang_up": "`dialer.enabled`",
    "publish_stream": "`publish.when`",
    "unpublish_stream": "`publish.when`",
    "save_clip": "`recording.enabled`",
    "start_recording": "`recording.enabled`",
    "stop_recording": "`recording.enabled`",
    "see_motion": "`motion.enabled`",
    "set_camera": "`camera.adjustable`",
    "get_camera": "`camera.adjustable`",
    "set_video": "`camera.adjustable`",
    "set_led": "an LED in `pins.outputs`",
    "beep": "a buzzer in `pins.outputs`",
    "move_servo": "a servo in `pins.outputs`",
    "look_at": "`pins.pan` and `pins.tilt`",
    "drive_motor": "a motor in `pins.outputs`",
    "answer_question": "a role in `access` that names it",
    "set_log_level": "a role in `access` that names it",
}
"""The settings without which a robot does not have a tool; every robot has those that are not named."""

_REFUSED: dict[str, tuple[dict[str, Any], ...]] = {
    "control_camera": ({}, {"enabled": True, "zoom": 2}),
    "take_photo": ({}, {"quality": 5}),
    "set_camera": ({}, {"zoom": 0}, {"focus": "once", "focus_distance_m": 1}),
    "see_motion": ({},),
    "change_emotion": ({"emotion": "dizzy"},),
    "control_volume": ({},),
    "save_clip": ({},),
    "start_recording": ({},),
    "stop_recording": ({},),
    "say": ({"text": "Hello", "emotion": "dizzy"}, {"text": "nuqneH", "language": "tlh"}),
    "set_led": ({"name": "lamp"}, {"name": "lamp", "brightness": 0.5}, {"name": "lamp", "colour": "#ff0000"}),
    "move_servo": ({"name": "nod", "angle": 50},),
}
"""Calls that each tool refuses, while the camera is off."""

_HELD: Mapping[str, type[BaseModel]] = {
    resources.STATUS: Status,
    resources.CAMERA: CameraStatus,
    resources.FACE: FaceStatus,
    resources.EVENTS: resources.Events,
    resources.CLIPS: recording.Clips,
    resources.DETECTIONS: vision.Detections,
    QUESTIONS: OpenQuestions,
    resources.PINS + "doorbell": resources.InputStatus,
}
"""What the resources hold that are JSON."""


async def tools_page() -> str:
    """The page, as Markdown.

    Raises:
        RobotNodeError: The robot does not start, e.g. for want of a broker.
    """
    lines = [_HEAD]
    async with PrivateBroker() as broker, _robot(broker.url, {}) as plain, _robot(broker.url, _EVERYTHING) as client:
        everywhere = {tool.name for tool in (await plain.list_tools()).tools}
        for tool in await _described():
            needs = "Every robot has it." if tool.name in everywhere else f"Needs {_NEEDS[tool.name]}."
            refusals = [
                (arguments, await _refusal(client, tool.name, arguments)) for arguments in _REFUSED.get(tool.name, ())
            ]
            lines += _tool(tool, needs, refusals)
        lines += await _resources(client)
    return "\n".join(lines) + "\n"


@asynccontextmanager
async def _robot(broker_url: str, sections: Mapping[str, Any]) -> AsyncIterator[Client]:
    """A client of a robot with these sections of settings."""
    name = "everything" if sections else "plain"
    robot = {"server_id": name, "server_name": f"reference/{name}"}
    settings = load_settings(None, {"broker": {"url": broker_url}, "robot": robot, **sections})
    platform = hardware.choose(settings, simulated=True)
    online = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(daemon.run(settings, platform, on_online=online.set), name=name)
        await online.wait()
        async with Client(mqtt_transport(settings.broker, name, f"reference/{name}")) as client:
            yield client
        running.cancel()


async def _described() -> list[Tool]:
    """The tools of the robot that has everything, with what lists of tools leave out."""
    settings = load_settings(None, {"robot": {"server_id": "x", "server_name": "reference/x"}, **_EVERYTHING})
    async with AsyncExitStack() as devices:
        robot = await daemon.build_robot(settings, hardware.choose(settings, simulated=True), devices)
        server, _ = await build_guarded_server(robot, settings.robot, settings.access)
        return await server.described_tools()


async def _refusal(client: Client, tool: str, arguments: dict[str, Any]) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error, f"{tool} {arguments} was carried out"
    content = result.content[0]
    text = content.text if isinstance(content, TextContent) else ""
    return text.removeprefix(f"Error executing tool {tool}: ")


def _tool(tool: Tool, needs: str, refusals: list[tuple[dict[str, Any], str]]) -> Iterator[str]:
    for_all = "none" if is_human_only(tool.meta) else "all"
    may = [
        f"`{name}`"
        for name, role in BUILT_IN_ROLES.items()
        if role.allowed_tools == for_all or tool.name in role.allowed_tools
    ]
    yield from ("", f"## {tool.name}", "", tool.description or "", "")
    yield f"{needs} {_hints(tool.annotations)} Roles: {', '.join(may) or 'only those that name it'}."
    definitions = tool.input_schema.get("$defs", {})
    rows = [
        (f"`{key.name}`", key.kind, "(needed)" if key.required else _default(key.default), key.meaning)
        for key in properties(tool.input_schema, definitions)
    ]
    if rows:
        yield from ("", *table(("argument", "may be", "default", "meaning"), rows))
    yield from ("", *_result(tool))
    if refusals:
        yield from ("", *table(("refused", "with the text"), ((f"`{json.dumps(a)}`", text) for a, text in refusals)))


def _default(default: str) -> str:
    return "" if default == "null" else f"`{default}`"


def _hints(hints: ToolAnnotations | None) -> str:
    assert hints is not None, "every tool has annotations"
    words = []
    if hints.read_only_hint:
        words.append("changes nothing")
    else:
        words.append("destroys nothing" if hints.destructive_hint is False else "may destroy something")
        words.append("may be repeated" if hints.idempotent_hint else "does it again when repeated")
    words.append("concerns the robot only" if hints.open_world_hint is False else "reaches beyond the robot")
    text = ", ".join(words)
    return f"{text[0].upper()}{text[1:]}."


def _result(tool: Tool) -> Iterator[str]:
    if tool.output_schema is None:
        yield "Returns an image content block, then a text block that describes it ([photos](../photos.md))."
        return
    if not tool.output_schema.get("properties"):
        yield "Returns an object; [resources and events](../resources.md) says what is in it."
        return
    yield from _fields(tool.output_schema, "result")


def _fields(schema: Schema, first: str) -> Iterator[str]:
    definitions: Mapping[str, Schema] = schema.get("$defs", {})
    yield from _field_table(schema, definitions, first)
    for name, nested in named_below(schema, definitions):
        yield from ("", f"### {name}", "", summary(nested), "")
        yield from _field_table(nested, definitions, "field")


def _field_table(schema: Schema, definitions: Mapping[str, Schema], first: str) -> list[str]:
    fields = properties(schema, definitions)
    rows = ((f"`{f.name}`", f"{f.kind} or `null`" if f.nullable else f.kind, f.meaning) for f in fields)
    return table((first, "is", "meaning"), rows)


async def _resources(client: Client) -> list[str]:
    lines = ["", "## Resources", "", "To read, and to [subscribe to](../resources.md).", ""]
    listed = (await client.list_resources()).resources
    templates = (await client.list_resource_templates()).resource_templates
    rows = [(f"`{found.uri}`", found.mime_type or "", found.description or "") for found in listed]
    rows += [(f"`{found.uri_template}`", found.mime_type or "", found.description or "") for found in templates]
    lines += table(("resource", "type", "holds"), rows)
    for uri, model in _HELD.items():
        lines += ["", f"### {uri}", "", *_fields(model.model_json_schema(mode="serialization"), "field")]
    return lines
