"""What tools of several robots are called."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_node.apps.bridge.naming import Offer, ResourceUris, ToolNames, prefixes
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.topics import ServerName

KITCHEN = ServerName("robot-1", "robot-node/kitchen")
GARAGE = ServerName("robot-2", "robot-node/garage")
OTHER_KITCHEN = ServerName("robot-3", "house-2/kitchen")


def test_the_tools_of_one_robot_keep_their_names() -> None:
    names = ToolNames({KITCHEN: ["take_photo", "get-status"]})
    assert set(names.shown.values()) == {"take_photo", "get-status"}
    assert names.resolve("take_photo") == Offer(KITCHEN, "take_photo")


def test_those_of_several_begin_with_the_name_of_their_robot() -> None:
    names = ToolNames({KITCHEN: ["take_photo"], GARAGE: ["take_photo"]})
    assert set(names.shown.values()) == {"kitchen__take_photo", "garage__take_photo"}
    assert names.resolve("garage__take_photo") == Offer(GARAGE, "take_photo")


def test_robots_of_the_same_name_are_told_apart_by_their_ids() -> None:
    assert prefixes([KITCHEN, GARAGE, OTHER_KITCHEN]) == {
        KITCHEN: "robot-1",
        GARAGE: "garage",
        OTHER_KITCHEN: "robot-3",
    }


def test_names_do_not_depend_on_the_order_of_arrival() -> None:
    one = ToolNames({KITCHEN: ["a", "b"], OTHER_KITCHEN: ["a"], GARAGE: ["b"]})
    other = ToolNames({GARAGE: ["b"], OTHER_KITCHEN: ["a"], KITCHEN: ["b", "a"]})
    assert one.shown == other.shown


def test_an_old_name_works_while_one_robot_offers_that_tool() -> None:
    names = ToolNames({KITCHEN: ["take_photo", "nod"], GARAGE: ["take_photo"]})
    assert names.resolve("nod") == Offer(KITCHEN, "nod")
    with pytest.raises(RemoteError, match=r"2 robots have the tool take_photo\. Use one of: .*kitchen__take_photo"):
        names.resolve("take_photo")
    alone = ToolNames({KITCHEN: ["take_photo"]})
    assert alone.resolve("kitchen__take_photo") == Offer(KITCHEN, "take_photo")
    with pytest.raises(RemoteError, match="No online robot has the tool 'garage__take_photo'"):
        alone.resolve("garage__take_photo")


def test_a_reserved_name_is_not_given_away() -> None:
    names = ToolNames({KITCHEN: ["list_robots"]}, reserved=frozenset({"list_robots"}))
    (shown,) = names.shown.values()
    assert shown.startswith("list_robots-")
    assert names.resolve(shown) == Offer(KITCHEN, "list_robots")


def test_names_that_clients_refuse_are_made_fit() -> None:
    names = ToolNames({ServerName("küche", "haus/küche"): ["say.hello/world", "x" * 200], GARAGE: ["y" * 200]})
    shown = [names.shown[offer] for offer in names.shown]
    assert shown[0] == "k-che__say_hello_world"
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in shown)


texts = st.text(max_size=80) | st.sampled_from(["a", "a.b", "a_b", "garage__a", "garage__a-0a1b2c", "list_robots"])
servers = st.builds(ServerName, texts, st.tuples(texts, texts).map("/".join))


@given(st.dictionaries(servers, st.lists(texts, max_size=4), max_size=4))
def test_every_tool_of_any_robot_has_a_name_of_its_own_that_leads_to_it(offered: dict[ServerName, list[str]]) -> None:
    names = ToolNames(offered, reserved=frozenset({"list_robots"}))
    assert len(set(names.shown.values())) == len(names.shown) == sum(len(set(tools)) for tools in offered.values())
    for offer, name in names.shown.items():
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name)
        assert name != "list_robots"
        assert names.resolve(name) == offer


def test_resources_of_several_robots_have_the_robot_in_their_address() -> None:
    alone = ResourceUris({KITCHEN: ["robot://status"]})
    assert alone.shown(KITCHEN, "robot://status") == "robot://status"
    assert alone.resolve("robot://status") == Offer(KITCHEN, "robot://status")
    both = ResourceUris({KITCHEN: ["robot://status", "robot://x"], GARAGE: ["robot://status"]})
    assert both.shown(GARAGE, "robot://status") == "bridge://garage/robot://status"
    assert both.resolve("bridge://garage/robot://status") == Offer(GARAGE, "robot://status")
    assert both.resolve("robot://x") == Offer(KITCHEN, "robot://x")
    assert alone.resolve("bridge://kitchen/robot://status") == Offer(KITCHEN, "robot://status")
    with pytest.raises(RemoteError, match="2 robots have the resource robot://status"):
        both.resolve("robot://status")
    with pytest.raises(RemoteError, match="No online robot has the resource robot://nothing"):
        both.resolve("robot://nothing")
