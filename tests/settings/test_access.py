"""The settings of who may do what: what they mean, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from mcp import Client
from mcp.server import MCPServer
from mcp_types.methods import SPEC_CLIENT_METHODS

from robot_node.errors import SettingsError
from robot_node.mcp_mqtt.roles import HANDSHAKE, METHODS
from robot_node.robot.robot import Robot
from robot_node.settings.access import TOOLS, AccessSettings
from robot_node.settings.loading import load_settings
from robot_node.tools.access import guarded, policy_of
from robot_node.tools.server import build_server
from robot_node.webrtc.call_control import CallControl
from tests.tools.test_volume import pi, robot, silent_robot

__all__ = ["pi", "robot", "silent_robot"]  # fixtures

CHILD = """
[access]
default_role = "viewer"
clients = [{ client_id = "bot", role = "operator" }, { client_id = "anna", role = "owner" }]
people_only_tools = ["hang_up"]
calls_per_minute = 120
tool_calls_per_minute = { take_photo = 30 }
[access.roles.owner]
allowed_tools = ["hang_up", "call_backend"]
"""


def test_a_file_describes_roles_and_who_has_them(tmp_path: Path) -> None:
    (tmp_path / "robot.toml").write_text(CHILD)
    policy = policy_of(load_settings(tmp_path / "robot.toml").access)
    assert policy.role_of("bot").name == "operator"
    assert policy.role_of("kid").name == "viewer"
    owner = policy.role_of("anna")
    assert owner.may_call("hang_up", human_only=True)
    assert not owner.may_call("take_photo")
    assert not owner.may_read("robot://status")
    assert policy.human_only == {"hang_up"}
    assert [role["name"] for role in policy.meta()["rbac"]["roles"]] == ["operator", "owner", "viewer"]


def test_a_tool_for_people_only_is_for_no_role_but_those_whose_owner_has_named_it() -> None:
    settings = AccessSettings.model_validate(
        {
            "roles": {"nurse": {"allowed_tools": ["say", "beep"]}},
            "clients": [{"client_id": role, "role": role} for role in ("viewer", "operator", "admin", "nurse")],
            "people_only_tools": ["say", "take_photo"],
        }
    )
    policy = policy_of(settings)
    able = {
        tool: [role.name for role in policy.roles if role.may_call(tool, human_only=tool in policy.human_only)]
        for tool in ("say", "take_photo", "beep")
    }
    assert able == {"say": ["nurse"], "take_photo": [], "beep": ["operator", "admin", "nurse"]}


async def test_the_log_says_who_has_the_tools_for_people_only(
    silent_robot: Robot, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server = build_server(silent_robot, name="test/robot", description="A robot.")
    settings = {
        "roles": {"nurse": {"allowed_tools": ["say"]}},
        "clients": [{"client_id": "anna", "role": "nurse"}],
        "people_only_tools": ["say", "take_photo"],
    }
    await guarded(server, AccessSettings.model_validate(settings))
    assert "say is for people only: clients with the role nurse may call it" in caplog.text
    assert "take_photo is for people only, and no client has a role that lists it" in caplog.text


def test_a_viewer_looks_an_operator_acts_and_an_admin_connects() -> None:
    clients = [{"client_id": role, "role": role} for role in ("viewer", "operator", "admin")]
    policy = policy_of(AccessSettings.model_validate({"clients": clients}))
    may = {name: {tool for tool in TOOLS if policy.role_of(name).may_call(tool)} for name in ("viewer", "operator")}
    looks = {"take_photo", "look", "get_camera", "see_motion"}
    assert may["viewer"] == looks | {"get_status", "get_events", "wait_for_event"}
    assert may["operator"] == set(TOOLS) - {
        "call_backend",
        "hang_up",
        "publish_stream",
        "unpublish_stream",
        "answer_question",
        "set_log_level",
        "save_clip",
        "start_recording",
        "stop_recording",
    }
    assert all(policy.role_of("admin").may_call(tool) for tool in TOOLS)


def test_the_environment_can_describe_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOT_NODE_ACCESS__CLIENTS", json.dumps([{"client_id": "x", "role": "viewer"}]))
    monkeypatch.setenv("ROBOT_NODE_ACCESS__DEFAULT_ROLE", "operator")
    policy = policy_of(load_settings().access)
    assert (policy.role_of("x").name, policy.role_of("y").name) == ("viewer", "operator")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('default_role = "boss"', "access.default_role: there is no role 'boss'; there are: viewer, operator, admin"),
        (
            'clients = [{ client_id = "x", role = "boss" }]',
            "access.clients.0.role: there is no role 'boss'; there are: ",
        ),
        ('clients = [{ client_id = "", role = "admin" }]', "access.clients.0.client_id: String should have at least 1"),
        ("calls_per_minute = -1", "access.calls_per_minute: Input should be greater than or equal to 0"),
        ("[access.roles.kid]\nallowed_tools = 'some'", 'access.roles.kid.allowed_tools: must be "all" or a list'),
        ("[access.roles.kid]\nallowed_methods = ['call']", "access.roles.kid.allowed_methods: there is no method"),
        ("[access.roles.kid]\ntools = 'all'", "access.roles.kid.tools: there is no such setting"),
        ("[access.roles.'k d']\nallowed_tools = 'all'", "access.roles: 'k d' cannot be a role's name"),
    ],
)
def test_what_is_wrong_is_refused_with_file_key_and_reason(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "robot.toml"
    file.write_text(f"[access]\n{text}\n")
    with pytest.raises(SettingsError, match=re.escape(f"settings file {file}: {complaint}")):
        load_settings(file)


DANCING = [
    ("people_only_tools", ["dance"]),
    ("confirm_tools", ["dance"]),
    ("tool_calls_per_minute", {"dance": 1}),
    ("roles", {"kid": {"allowed_tools": ["dance"]}}),
]


@pytest.mark.parametrize(("key", "value"), DANCING)
async def test_a_tool_that_nobody_offers_is_refused_at_start(silent_robot: Robot, key: str, value: object) -> None:
    server = build_server(silent_robot, name="test/robot", description="A robot.")
    settings = AccessSettings.model_validate({key: value})
    with pytest.raises(SettingsError, match=rf"access\.{key}.*: there is no tool 'dance'; there are: control_camera, "):
        await guarded(server, settings)


@pytest.mark.parametrize(("key", "value"), DANCING)
async def test_a_tool_that_a_device_brings_can_be_named(silent_robot: Robot, key: str, value: object) -> None:
    class Dancer:
        async def open(self) -> None: ...

        async def close(self) -> None: ...

        def offer(self, server: MCPServer) -> None:
            server.add_tool(lambda: "done", name="dance")

    robot = dataclasses.replace(silent_robot, plugins={"dancer": Dancer()})
    await guarded(
        build_server(robot, name="test/robot", description="A robot."), AccessSettings.model_validate({key: value})
    )


def test_roles_know_every_method_of_mcp() -> None:
    assert set(METHODS) | HANDSHAKE == SPEC_CLIENT_METHODS


async def test_the_settings_know_every_tool_of_a_robot(robot: Robot) -> None:
    everything = dataclasses.replace(robot, calls=CallControl(robot.telemetry.state))
    async with Client(build_server(everything, name="test/robot", description="A robot.")) as client:
        offered = {tool.name for tool in (await client.list_tools()).tools}
    assert not offered - set(TOOLS), "add it to TOOLS, and to the built-in roles that may call it"


async def test_who_has_called_too_often_may_still_stop_everything(silent_robot: Robot) -> None:
    server = build_server(silent_robot, name="test/robot", description="A robot.")
    await guarded(server, AccessSettings(calls_per_minute=1))
    async with Client(server) as client:
        assert not (await client.call_tool("get_status", {})).is_error
        assert (await client.call_tool("get_status", {})).is_error
        assert not (await client.call_tool("stop_all", {})).is_error


async def test_without_configuration_nothing_stands_before_the_tools(silent_robot: Robot) -> None:
    server = build_server(silent_robot, name="test/robot", description="A robot.")
    before = len(server.middleware)
    assert (await guarded(server, AccessSettings())).meta() == {}
    assert len(server.middleware) == before
    await guarded(server, AccessSettings(calls_per_minute=1))
    assert len(server.middleware) == before + 1
