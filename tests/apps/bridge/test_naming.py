"""What tools of several robots are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_node.apps.bridge.naming import Offer, ResourceUris, RobotNames, ToolNames
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.topics import ServerName

KITCHEN = ServerName("robot-1", "robot-node/kitchen")
GARAGE = ServerName("robot-2", "robot-node/garage")
OTHER_KITCHEN = ServerName("robot-3", "house-2/kitchen")
RESERVED = frozenset({"list_robots"})


class Agent:
    """What an agent sees in the course of its session."""

    def __init__(self) -> None:
        self.robots = RobotNames()

    def sees(self, offered: Mapping[ServerName, Sequence[str]]) -> ToolNames:
        self.robots.show(offered)
        return ToolNames(offered, self.robots, reserved=RESERVED)

    def sees_resources(self, offered: Mapping[ServerName, Sequence[str]]) -> ResourceUris:
        self.robots.show(offered)
        return ResourceUris(offered, self.robots)

    def prefixes(self, robots: Iterable[ServerName]) -> dict[ServerName, str]:
        robots = list(robots)
        self.robots.show(robots)
        return {robot: self.robots.prefix(robot) for robot in robots}


@pytest.fixture
def agent() -> Agent:
    return Agent()


def test_the_tools_of_one_robot_keep_their_names(agent: Agent) -> None:
    names = agent.sees({KITCHEN: ["take_photo", "get-status"]})
    assert set(names.shown.values()) == {"take_photo", "get-status"}
    assert names.resolve("take_photo") == Offer(KITCHEN, "take_photo")


def test_those_of_several_begin_with_the_name_of_their_robot(agent: Agent) -> None:
    names = agent.sees({KITCHEN: ["take_photo"], GARAGE: ["take_photo"]})
    assert set(names.shown.values()) == {"kitchen__take_photo", "garage__take_photo"}
    assert names.resolve("garage__take_photo") == Offer(GARAGE, "take_photo")


def test_robots_of_the_same_name_that_are_seen_together_go_by_their_ids(agent: Agent) -> None:
    assert agent.prefixes([KITCHEN, GARAGE, OTHER_KITCHEN]) == {
        KITCHEN: "robot-1",
        GARAGE: "garage",
        OTHER_KITCHEN: "robot-3",
    }


def test_a_robot_that_arrives_later_takes_no_name(agent: Agent) -> None:
    agent.sees({KITCHEN: ["nod"], GARAGE: []})
    names = agent.sees({KITCHEN: ["nod"], GARAGE: [], OTHER_KITCHEN: ["nod"]})
    assert names.resolve("kitchen__nod") == Offer(KITCHEN, "nod")
    assert names.resolve("robot-3__nod") == Offer(OTHER_KITCHEN, "nod")
    without = agent.sees({OTHER_KITCHEN: ["nod", "kitchen__nod"], GARAGE: []})
    with pytest.raises(RemoteError, match=r"'kitchen__nod': it belongs to robot-1 \(robot-node/kitchen\), now offline"):
        without.resolve("kitchen__nod")
    assert agent.sees({KITCHEN: ["nod"]}).resolve("kitchen__nod") == Offer(KITCHEN, "nod")


@pytest.mark.parametrize(
    "impostor",
    [
        ServerName("evil", "evil/kitchen"),
        ServerName("evil", "evil/KITCHEN"),
        ServerName("kitchen", "evil/!"),
        ServerName("evil", "evil/kitchen."),
        ServerName("robot-1.", "evil/kitchen"),
    ],
)
def test_no_choice_of_names_takes_the_name_of_another_robot(agent: Agent, impostor: ServerName) -> None:
    agent.sees({KITCHEN: ["nod"]})
    names = agent.sees({KITCHEN: ["nod"], impostor: ["nod"]})
    assert names.resolve("kitchen__nod") == names.resolve("nod") == Offer(KITCHEN, "nod")
    taken = names.shown[Offer(impostor, "nod")]
    assert taken.partition("__")[0].casefold() not in {"kitchen", "robot-1__nod"}
    assert names.resolve(taken) == Offer(impostor, "nod")


def test_names_do_not_depend_on_the_order_of_arrival() -> None:
    one = Agent().sees({KITCHEN: ["a", "b"], OTHER_KITCHEN: ["a"], GARAGE: ["b"]})
    other = Agent().sees({GARAGE: ["b"], OTHER_KITCHEN: ["a"], KITCHEN: ["b", "a"]})
    assert one.shown == other.shown


def test_the_names_without_a_prefix_are_those_of_the_first_robot_that_was_alone(agent: Agent) -> None:
    agent.sees({KITCHEN: ["take_photo"]})
    both = agent.sees({KITCHEN: ["take_photo"], GARAGE: ["take_photo", "nod"]})
    assert both.resolve("take_photo") == Offer(KITCHEN, "take_photo")
    with pytest.raises(RemoteError, match=r"'nod' does not say which robot is meant\. Use one of: garage__nod\."):
        both.resolve("nod")
    alone = agent.sees({GARAGE: ["take_photo"]})
    assert set(alone.shown.values()) == {"garage__take_photo"}
    with pytest.raises(RemoteError, match="does not say which robot"):
        alone.resolve("take_photo")
    back = agent.sees({KITCHEN: ["take_photo"]})
    assert set(back.shown.values()) == {"take_photo"}
    with pytest.raises(RemoteError, match="No online robot has the tool 'garage__take_photo'"):
        back.resolve("garage__take_photo")


def test_a_tool_that_is_called_like_the_tool_of_another_robot_does_not_get_its_calls(agent: Agent) -> None:
    alone = agent.sees({GARAGE: ["kitchen__nod", "a___b"]})
    assert all("__" not in name for name in alone.shown.values())
    with pytest.raises(RemoteError):
        alone.resolve("kitchen__nod")
    both = agent.sees({GARAGE: ["kitchen__nod"], KITCHEN: ["nod"]})
    assert both.resolve("kitchen__nod") == Offer(KITCHEN, "nod")
    (name,) = (name for offer, name in both.shown.items() if offer.robot == GARAGE)
    assert name.startswith("garage__kitchen_nod-")


def test_a_reserved_name_is_not_given_away(agent: Agent) -> None:
    names = agent.sees({KITCHEN: ["list_robots"]})
    (shown,) = names.shown.values()
    assert shown.startswith("list_robots-")
    assert names.resolve(shown) == Offer(KITCHEN, "list_robots")


def test_names_that_clients_refuse_are_made_fit(agent: Agent) -> None:
    names = agent.sees({ServerName("küche", "haus/küche"): ["say.hello/world", "x" * 200], GARAGE: ["y" * 200]})
    shown = [names.shown[offer] for offer in names.shown]
    assert re.fullmatch(r"k-che__say_hello_world-[0-9a-f]{6}", shown[0])
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,50}", name) for name in shown)


def test_names_have_50_characters_at_most_with_one_robot_as_with_several(agent: Agent) -> None:
    tools = ["x" * 50, "y" * 51]
    alone = agent.sees({KITCHEN: tools})
    assert alone.shown[Offer(KITCHEN, tools[0])] == "x" * 50
    together = agent.sees({KITCHEN: tools, GARAGE: tools})
    lengths = {len(name) for names in (alone, together) for name in names.shown.values()}
    assert lengths == {50}


def test_tools_named_like_the_shortened_ones_cost_their_own_robot_a_tool_and_nobody_else(agent: Agent) -> None:
    long, dotted = "x" * 200, "a.b"
    first = agent.sees({GARAGE: [long, dotted, "list_robots"], KITCHEN: ["nod"]})
    chosen = [name.removeprefix("garage__") for name in first.shown.values() if name.startswith("garage__")]
    second = agent.sees({GARAGE: [long, dotted, "list_robots", *chosen], KITCHEN: ["nod"]})
    assert second.resolve("kitchen__nod") == Offer(KITCHEN, "nod")
    assert {offer.robot for offer in second.left_out} == {GARAGE}
    assert len(set(second.shown.values())) == len(second.shown)


texts = st.text(max_size=80) | st.sampled_from(["a", "a.b", "a_b", "garage__a", "garage__a-0a1b2c", "list_robots"])
servers = st.builds(ServerName, texts, st.tuples(texts, texts).map("/".join))
offers = st.dictionaries(servers, st.lists(texts, max_size=4), max_size=4)


@given(st.lists(offers, max_size=3))
def test_a_name_means_one_tool_of_one_robot_whoever_comes_and_goes(seen: list[dict[ServerName, list[str]]]) -> None:
    agent, meanings = Agent(), dict[str, Offer]()
    for offered in seen:
        names = agent.sees(offered)
        assert len(set(names.shown.values())) == len(names.shown)
        assert names.shown.keys().isdisjoint(names.left_out)
        assert len(names.shown) + len(set(names.left_out)) == sum(len(set(tools)) for tools in offered.values())
        for offer, name in names.shown.items():
            assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name)
            assert name != "list_robots"
            assert names.resolve(name) == offer
            meanings[name] = offer
        for name, offer in meanings.items():
            try:
                assert names.resolve(name).robot == offer.robot
            except RemoteError:
                assert offer not in names.shown or offer.robot not in offered


def test_more_robots_than_can_be_remembered_still_have_names_of_their_own(agent: Agent) -> None:
    crowd = [ServerName(f"r{number}", f"x/n{number}") for number in range(5000)]
    prefixes = agent.prefixes(crowd)
    assert len(set(prefixes.values())) == len(crowd)
    names = agent.sees({crowd[-1]: ["nod"], crowd[0]: ["nod"]})
    for offer, name in names.shown.items():
        assert names.resolve(name) == offer


def test_resources_of_several_robots_have_the_robot_in_their_address(agent: Agent) -> None:
    alone = agent.sees_resources({KITCHEN: ["robot://status"]})
    assert alone.shown(KITCHEN, "robot://status") == "robot://status"
    assert alone.resolve("robot://status") == Offer(KITCHEN, "robot://status")
    assert alone.resolve("bridge://kitchen/robot://status") == Offer(KITCHEN, "robot://status")
    both = agent.sees_resources({KITCHEN: ["robot://status", "robot://x"], GARAGE: ["robot://status"]})
    assert both.shown(GARAGE, "robot://status") == "bridge://garage/robot://status"
    assert both.resolve("bridge://garage/robot://status") == Offer(GARAGE, "robot://status")
    assert both.resolve("robot://x") == Offer(KITCHEN, "robot://x")
    assert both.resolve("robot://status") == Offer(KITCHEN, "robot://status")
    with pytest.raises(RemoteError, match="No online robot has the resource robot://nothing"):
        both.resolve("robot://nothing")
    evil = agent.sees_resources({GARAGE: ["robot://status", "bridge://kitchen/robot://status"]})
    assert evil.shown(GARAGE, "bridge://kitchen/robot://status").startswith("bridge://garage/")
    for uri in ("bridge://kitchen/robot://status", "robot://status"):
        with pytest.raises(RemoteError):
            evil.resolve(uri)
