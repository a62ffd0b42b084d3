"""Topic names and identifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from robot_node.errors import SettingsError
from robot_node.mcp_mqtt import topics
from robot_node.mcp_mqtt.options import ServerOptions
from robot_node.mcp_mqtt.topics import Channel, ServerName, ServerTopics
from robot_node.mqtt.identifiers import is_client_id, is_server_name

KITCHEN = ServerTopics("robot-1", "robot-node/kitchen")


def test_the_topics_of_a_server_are_those_of_the_specification() -> None:
    assert KITCHEN.control == "$mcp-server/robot-1/robot-node/kitchen"
    assert KITCHEN.presence == "$mcp-server/presence/robot-1/robot-node/kitchen"
    assert KITCHEN.capability == "$mcp-server/capability/robot-1/robot-node/kitchen"
    assert KITCHEN.rpc("agent") == "$mcp-rpc/agent/robot-1/robot-node/kitchen"
    assert topics.client_presence("agent") == "$mcp-client/presence/agent"
    assert topics.client_capability("agent") == "$mcp-client/capability/agent"
    assert topics.presence_filter("robot-node/#") == "$mcp-server/presence/+/robot-node/#"


def test_a_topic_tells_what_it_carries_and_whose_it_is() -> None:
    assert KITCHEN.parse(KITCHEN.control) == (Channel.CONTROL, "")
    assert KITCHEN.parse(KITCHEN.rpc("agent")) == (Channel.RPC, "agent")
    assert KITCHEN.parse(topics.client_presence("agent")) == (Channel.CLIENT_PRESENCE, "agent")
    assert KITCHEN.parse(topics.client_capability("agent")) == (Channel.CLIENT_CAPABILITY, "agent")
    assert KITCHEN.parse("$mcp-rpc/agent/robot-2/robot-node/kitchen") is None
    assert KITCHEN.parse("weather") is None
    assert topics.parse_presence(KITCHEN.presence) == ServerName("robot-1", "robot-node/kitchen")
    assert topics.parse_presence("$mcp-server/presence/alone") is None


@pytest.mark.parametrize(
    "bad", ["", "a/b", "a+", "#", "a\0", "a\nb", "x" * 1025, "\ud800", "\ufffe", "\ufeff", "é" * 513]
)
def test_an_id_that_is_no_topic_level_is_refused(bad: str) -> None:
    assert not is_client_id(bad)
    with pytest.raises(SettingsError, match="cannot be an MQTT client id"):
        topics.check_client_id(bad)


@pytest.mark.parametrize("reserved", ["presence", "capability"])
def test_an_id_whose_topics_are_those_of_all_servers_is_refused(reserved: str) -> None:
    remedy = f"it is a word of MCP over MQTT's topics. Use another one, e.g. 'robot-{reserved}'."
    with pytest.raises(SettingsError, match=remedy):
        topics.check_client_id(reserved)
    with pytest.raises(SettingsError, match=remedy):
        ServerOptions(server_id=reserved, server_name="robot-node/kitchen")
    assert topics.check_client_id(f"robot-{reserved}")


@pytest.mark.parametrize("good", ["a", "robot-1", "机器人", "with space", "$sys", "x" * 1024])
def test_any_other_id_is_accepted(good: str) -> None:
    assert topics.check_client_id(good) == good


@pytest.mark.parametrize("bad", ["", "kitchen", "/kitchen", "a/+", "a/#", "a/\0"])
def test_a_server_name_without_a_level_or_with_wildcards_is_refused(bad: str) -> None:
    with pytest.raises(SettingsError, match="cannot be a server name"):
        topics.check_server_name(bad)


@pytest.mark.parametrize("good", ["a/b", "robot-node/haus/küche", "a/"])
def test_a_hierarchical_server_name_is_accepted(good: str) -> None:
    assert topics.check_server_name(good) == good


@pytest.mark.parametrize("bad", ["", "#/a", "a#", "a/b+", "+a/b", "a/\0"])
def test_a_name_filter_that_mqtt_forbids_is_refused(bad: str) -> None:
    with pytest.raises(SettingsError, match="cannot filter"):
        topics.check_name_filter(bad)


names = st.lists(st.sampled_from(["a", "b", "robot", "x"]), min_size=1, max_size=4).map("/".join)
filters = st.tuples(st.lists(st.sampled_from(["a", "b", "+", "robot"]), max_size=4), st.sampled_from([[], ["#"]])).map(
    lambda levels: "/".join(levels[0] + levels[1]) or "#"
)


@given(filters, names)
def test_names_match_filters_as_in_mqtt(name_filter: str, name: str) -> None:
    assert topics.name_matches(topics.check_name_filter(name_filter), name) == topic_matches_sub(name_filter, name)


@given(st.text(), st.text(), st.text())
def test_what_is_accepted_survives_its_topic(client_id: str, server_id: str, server_name: str) -> None:
    if not (is_client_id(client_id) and is_client_id(server_id) and is_server_name(server_name)):
        return
    server = ServerTopics(server_id, server_name)
    assert server.parse(server.rpc(client_id)) == (Channel.RPC, client_id)
    assert topics.parse_presence(server.presence) == (server_id, server_name)
    assert len(server.rpc(client_id).encode()) < 65536


@given(st.text())
def test_no_topic_is_too_odd_to_look_at(topic: str) -> None:
    KITCHEN.parse(topic)
    topics.parse_presence(topic)
