"""The limits of a server: what is out of range is refused, whoever makes them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from pydantic import TypeAdapter

from robot_node.errors import SettingsError
from robot_node.mcp_mqtt.server import ServerLimits, ServerOptions

RANGES: dict[str, dict[str, Any]] = TypeAdapter(ServerLimits).json_schema()["properties"]


@pytest.mark.parametrize("name", [limit.name for limit in fields(ServerLimits)])
def test_a_limit_out_of_its_range_is_refused(name: str) -> None:
    described = RANGES[name]
    for wrong in (described.get("minimum", described.get("exclusiveMinimum", 1) + 1) - 1, described["maximum"] + 1):
        with pytest.raises(ValueError, match=rf"^1 validation error for ServerLimits\n{name}\n"):
            ServerLimits(**{name: wrong})


def test_what_is_no_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="max_session\n"):
        TypeAdapter(ServerLimits).validate_python({"max_session": 1})


def test_a_server_has_limits_without_being_given_any() -> None:
    options = ServerOptions(server_id="adder-1", server_name="demo/adder", description="Adds numbers.")
    assert options.limits == ServerLimits()
    with pytest.raises(SettingsError):
        ServerOptions(server_id="a/b", server_name="demo/adder")
