"""Roles: who may do what, as pure logic."""

from __future__ import annotations

from typing import Any

import pytest

from robot_node.errors import SettingsError
from robot_node.mcp_mqtt.access import ADMIN, HUMAN_ONLY, AccessPolicy, Role
from robot_node.mcp_mqtt.jsonrpc import ErrorCode
from robot_node.mcp_mqtt.roles import METHODS

VIEWER = Role(
    name="viewer",
    allowed_methods=frozenset({"tools/list", "tools/call", "resources/read", "resources/subscribe"}),
    allowed_tools=frozenset({"look"}),
    allowed_resources=frozenset({"robot://status", "robot://photos/*"}),
)


def refusal(
    policy: AccessPolicy, role: Role, method: str, params: dict[str, Any], *, topic_verified: bool = True
) -> str:
    """Why a request is refused; empty when it isn't."""
    error = policy.check(role, method, params, topic_verified=topic_verified)
    if error is None:
        return ""
    assert error.code == ErrorCode.FORBIDDEN
    assert error.data == {"role": role.name}
    return error.message


def test_the_first_pattern_that_fits_gives_the_role_and_case_counts() -> None:
    policy = AccessPolicy((ADMIN, VIEWER), [("kid-9", "admin"), ("kid-*", "viewer"), ("*", "admin")], "viewer")
    assert policy.role_of("kid-9") is ADMIN
    assert policy.role_of("kid-1") is VIEWER
    assert policy.role_of("Kid-1") is ADMIN
    assert AccessPolicy((ADMIN, VIEWER), [("kid-*", "admin")], "viewer").role_of("stranger") is VIEWER


def test_a_role_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"no role 'boss'.*admin, viewer"):
        AccessPolicy((ADMIN, VIEWER), [("a", "boss")])
    with pytest.raises(SettingsError, match="no role 'boss'"):
        AccessPolicy((ADMIN,), default_role="boss")


def test_without_configuration_everybody_may_do_everything_and_presence_says_nothing() -> None:
    policy = AccessPolicy()
    assert policy.allows_everything
    assert policy.meta() == {}
    assert not refusal(policy, policy.role_of("x"), "tools/call", {"name": "anything"})


def test_presence_describes_the_roles_that_are_given_out() -> None:
    unused = Role(name="unused")
    assert AccessPolicy((ADMIN, VIEWER, unused), [("kid-*", "viewer")]).meta() == {
        "rbac": {
            "roles": [
                {
                    "name": "viewer",
                    "description": "",
                    "allowed_methods": ["resources/read", "resources/subscribe", "tools/call", "tools/list"],
                    "allowed_tools": ["look"],
                    "allowed_resources": ["robot://photos/*", "robot://status"],
                },
                {
                    "name": "admin",
                    "description": "Everything.",
                    "allowed_methods": sorted(METHODS),
                    "allowed_tools": "all",
                    "allowed_resources": "all",
                },
            ]
        }
    }


@pytest.mark.parametrize("method", ["initialize", "server/discover", "ping"])
def test_the_handshake_and_pings_are_everybodys(method: str) -> None:
    nothing = Role(name="n", allowed_methods=frozenset(), allowed_tools=frozenset(), allowed_resources=frozenset())
    policy = AccessPolicy((nothing,), default_role="n")
    assert not refusal(policy, nothing, method, {}, topic_verified=False)
    assert refusal(policy, nothing, "tools/list", {}) == "The role n may not use tools/list."


def test_a_tool_that_is_not_allowed_is_refused_just_as_one_that_does_not_exist() -> None:
    policy = AccessPolicy((VIEWER,), default_role="viewer", human_only=["shut_down"])
    assert not refusal(policy, VIEWER, "tools/call", {"name": "look"})
    texts = {
        refusal(policy, VIEWER, "tools/call", {"name": name}).replace(name, "it")
        for name in ("move", "no_such_tool", "shut_down")
    }
    assert texts == {"The role viewer may not call it."}


def test_a_tool_for_people_must_be_allowed_by_name() -> None:
    owner = Role(name="owner", allowed_tools=frozenset({"shut_down"}))
    policy = AccessPolicy((ADMIN, owner), [("anna", "owner")], human_only=["shut_down"])
    assert not refusal(policy, owner, "tools/call", {"name": "shut_down"})
    assert refusal(policy, ADMIN, "tools/call", {"name": "shut_down"}) == (
        "shut_down is for people only: the role admin would have to allow it by name."
    )
    assert not policy.allows_everything


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/read", {"uri": "robot://secret"}),
        ("resources/subscribe", {"uri": "robot://secret"}),
        ("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["robot://status", "robot://secret"]}}),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "robot://secret"}}),
    ],
)
def test_a_resource_that_is_not_allowed_can_neither_be_read_nor_followed(method: str, params: dict[str, Any]) -> None:
    role = Role(name="r", allowed_resources=VIEWER.allowed_resources)
    policy = AccessPolicy((role,), default_role="r")
    assert refusal(policy, role, method, params) == "The role r may not read robot://secret."


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("robot://status", True),
        ("robot://status/2", False),
        ("robot://photos/1", True),
        ("robot://photos/{number}", True),
        ("robot://photos/../secret", False),
        ("robot://photos/%2e%2e/secret", False),
        ("ROBOT://status", False),
    ],
)
def test_resources_are_allowed_by_uri_or_by_how_it_begins(uri: str, allowed: bool) -> None:
    assert VIEWER.may_read(uri) is allowed


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": 5}),
        ("tools/call", {}),
        ("resources/read", {"uri": ["robot://secret"]}),
        ("subscriptions/listen", {"notifications": {"resourceSubscriptions": "robot://secret"}}),
        ("subscriptions/listen", {"notifications": []}),
        ("completion/complete", {"ref": "ref/resource"}),
    ],
)
def test_malformed_requests_are_left_to_the_sdk(method: str, params: dict[str, Any]) -> None:
    role = Role(name="r", allowed_tools=frozenset(), allowed_resources=frozenset())
    assert not refusal(AccessPolicy((role,), default_role="r"), role, method, params)


@pytest.mark.parametrize("method", ["tools/call", "resources/subscribe", "subscriptions/listen", "vendor/act"])
def test_what_opens_a_session_on_the_control_topic_must_not_act(method: str) -> None:
    policy = AccessPolicy(human_only=["x"])
    assert "cannot open a session" in refusal(policy, ADMIN, method, {}, topic_verified=False)
    assert not refusal(policy, ADMIN, method, {})
    assert not refusal(policy, ADMIN, "tools/list", {}, topic_verified=False)


def test_lists_show_what_may_be_used_and_keep_their_cursor() -> None:
    policy = AccessPolicy((VIEWER, ADMIN), default_role="viewer", human_only=["shut_down"])
    page = {"tools": [{"name": "look"}, {"name": "move"}], "nextCursor": "2", "cacheScope": "public"}
    assert policy.visible(VIEWER, "tools/list", page) == {
        "tools": [{"name": "look"}],
        "nextCursor": "2",
        "cacheScope": "private",
    }
    assert len(page["tools"]) == 2  # the handler may keep its own
    page = {"tools": [{"name": "look"}, {"name": "shut_down"}, {"name": "marked", "_meta": HUMAN_ONLY}]}
    assert policy.visible(ADMIN, "tools/list", page) == {"tools": [{"name": "look"}]}
    page = {"resources": [{"uri": "robot://status"}, {"uri": "robot://secret"}]}
    assert policy.visible(VIEWER, "resources/list", page) == {"resources": [{"uri": "robot://status"}]}
    page = {"resourceTemplates": [{"uriTemplate": "robot://photos/{n}"}, {"uriTemplate": "robot://{any}"}]}
    shown = policy.visible(VIEWER, "resources/templates/list", page)
    assert shown == {"resourceTemplates": [{"uriTemplate": "robot://photos/{n}"}]}
