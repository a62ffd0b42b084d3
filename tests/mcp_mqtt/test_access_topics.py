"""The rules for brokers that we ship, on every topic that is like one of ours: what is not meant to be is closed."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import topic_matches_sub

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker, Connection, ConnectOptions, Incoming, Subscription, connect
from tests.tools.test_access_files import EMQX, MOSQUITTO, emqx_rules
from tests.waiting import DEADLINE_S, eventually

KITCHEN = "robot-kitchen"
DIALER = f"{KITCHEN}-dialer"
PROXY = "multimedia_proxy"
USERS = (KITCHEN, "anna", "bob", "monitor", "home-assistant", PROXY)
ROOTS = ("$mcp-server", "$mcp-client", "$mcp-rpc", "$webrtc", "$message", "$SYS")
KNOWN = (
    "$mcp-server/robot-kitchen/robot-node/kitchen",
    "$mcp-server/presence/robot-kitchen/robot-node/kitchen",
    "$mcp-server/capability/robot-kitchen/robot-node/kitchen",
    "$mcp-client/presence/anna",
    "$mcp-client/capability/anna",
    "$mcp-rpc/anna/robot-kitchen/robot-node/kitchen",
    "$webrtc/anna/robot-kitchen",
    "$webrtc/anna",
    "$webrtc/robot-kitchen-dialer/multimedia_proxy",
    "$webrtc/robot-kitchen-dialer",
    "$message/anna",
    "$message/robot-kitchen-dialer",
    "$message/anna/multimedia_proxy",
    "robot-node/robot-kitchen/health",
    "robot-node/robot-kitchen/state",
    "robot-node/robot-kitchen/picture/camera",
    "robot-node/robot-kitchen/set/camera",
    "homeassistant/device/robot-kitchen/config",
)
WORDS = (*ROOTS, *USERS, DIALER, "robot-garage", "presence", "capability", "robot-node", "homeassistant", "x")
EMQX_RULES = emqx_rules()
END = "$mcp-server/presence/end/of/test"


def topics() -> list[str]:
    """Each of our topics, with each of its levels changed, left out, or followed by another."""

    def variants() -> Iterator[str]:
        yield from WORDS
        for known in KNOWN:
            levels = known.split("/")
            yield from (known, f"{known}/x", "/".join(levels[:-1]), "/".join(levels[1:]))
            for at in range(len(levels)):
                yield from ("/".join((*levels[:at], word, *levels[at + 1 :])) for word in WORDS)

    return sorted({topic for topic in variants() if not topic.startswith("$SYS")})


def is_of_a_server(topic: str) -> bool:
    """Whether a presence or capability topic has a name of two levels; nothing is meant to be on one without."""
    return not topic.startswith(("$mcp-server/presence/robot-node/", "$mcp-server/capability/robot-node/"))


def is_of_a_robot(levels: list[str]) -> bool:
    """Whether a topic below ``robot-node/<server id>`` is one of those that there are."""
    return levels in (["health"], ["state"]) or (len(levels) == 2 and levels[0] in {"picture", "set"})


def may_hear(user: str, topic: str) -> bool:
    """Who is meant to hear what."""
    match topic.split("/"):
        case ["$mcp-server", "presence" | "capability", *_]:
            may = True
        case ["$mcp-server", server, "robot-node", "kitchen"]:
            may = user == server == KITCHEN
        case ["$mcp-rpc", client, *server]:
            may = client == user or (user == KITCHEN and server == [KITCHEN, "robot-node", "kitchen"])
        case ["$mcp-client", "presence" | "capability", _]:
            may = user == KITCHEN
        case ["$webrtc", client]:
            may = client == user or (user, client) == (KITCHEN, DIALER)
        case ["$webrtc", _, answerer]:
            may = user == answerer and user in {KITCHEN, PROXY}
        case ["$message", client]:
            may = user in {client, PROXY} or (user, client) == (KITCHEN, DIALER)
        case ["$message", _, "multimedia_proxy"]:
            may = user == PROXY
        case ["robot-node", robot, *what]:
            heard_by = {"health": "monitor", "state": "home-assistant", "picture": "home-assistant", "set": robot}
            may = is_of_a_robot(what) and user == heard_by[what[0]] and (what[0] != "set" or user == KITCHEN)
        case ["homeassistant", *_]:
            may = user == "home-assistant"
        case _:
            may = False
    return may


def may_speak(user: str, topic: str) -> bool:
    """Who is meant to speak where."""
    match topic.split("/"):
        case ["$mcp-server", "presence" | "capability", *server]:
            may = user == KITCHEN and server == [KITCHEN, "robot-node", "kitchen"]
        case ["$mcp-server", _, "robot-node", _]:
            may = True
        case ["$mcp-rpc", client, *server]:
            may = client == user or (user == KITCHEN and server == [KITCHEN, "robot-node", "kitchen"])
        case ["$mcp-client", "presence" | "capability", client]:
            may = client == user
        case ["$webrtc", _]:
            may = user in {KITCHEN, PROXY}
        case ["$webrtc", client, answerer]:
            may = client == user or (user, client, answerer) == (KITCHEN, DIALER, PROXY)
        case ["$message", _]:
            may = user in {KITCHEN, PROXY}
        case ["$message", client, "multimedia_proxy"]:
            may = client == user or (user, client) == (KITCHEN, DIALER)
        case ["robot-node", robot, *what]:
            by = "home-assistant" if what[:1] == ["set"] else KITCHEN
            may = is_of_a_robot(what) and user == by and (robot == KITCHEN or what[0] == "set")
        case ["homeassistant", *rest]:
            may = user == "home-assistant" or (user == KITCHEN and rest == ["device", KITCHEN, "config"])
        case _:
            may = False
    return may


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[PrivateBroker]:
    """A mosquitto with the rules that we ship, and an administrator who may do everything."""
    passwords, rules = tmp_path / "passwords", tmp_path / "acl"
    passwords.touch(mode=0o600)
    for user in (*USERS, "administrator", "+"):
        subprocess.run(["mosquitto_passwd", "-b", passwords, user, "secret"], check=True)
    everything = "".join(f"topic readwrite {root}#\n" for root in ("", *(f"{root}/" for root in ROOTS)))
    rules.write_text(f"{MOSQUITTO}\nuser administrator\n{everything}")
    async with PrivateBroker(extra=f"password_file {passwords}\nacl_file {rules}", anonymous=False) as broker:
        yield broker


def visitor(
    broker: PrivateBroker, user: str, hear: list[Incoming]
) -> contextlib.AbstractAsyncContextManager[Connection]:
    address = Broker(broker.url, username=user, password="secret", connect_timeout_s=DEADLINE_S)
    return connect(address, ConnectOptions(f"visitor-{user.replace('+', 'plus')}"), hear.append)


@pytest.mark.slow
async def test_nobody_speaks_where_it_is_not_meant_to(site: PrivateBroker) -> None:
    tried = topics()
    assert len(tried) > 700
    for user in USERS:
        async with visitor(site, user, []) as connection:
            refusals = await asyncio.gather(*(connection.publish(topic, b"", qos=1) for topic in tried))
        wrong = [
            topic for topic, refusal in zip(tried, refusals, strict=True) if bool(refusal) == may_speak(user, topic)
        ]
        assert not wrong, user


async def test_nobody_hears_what_is_not_meant_for_it(site: PrivateBroker) -> None:
    tried = topics()
    heard: dict[str, list[Incoming]] = {user: [] for user in USERS}
    async with contextlib.AsyncExitStack() as stack:
        for user in USERS:
            connection = await stack.enter_async_context(visitor(site, user, heard[user]))
            await connection.subscribe(Subscription("#"), *(Subscription(f"{root}/#") for root in ROOTS))
        administrator = await stack.enter_async_context(visitor(site, "administrator", []))
        await asyncio.gather(*(administrator.publish(topic, b"x", qos=1) for topic in tried))
        await administrator.publish(END, b"x", qos=1)
        await eventually(
            lambda: all(said and said[-1].topic == END for said in heard.values()), "all have heard the end"
        )
    for user, messages in heard.items():
        expected = {topic for topic in tried if may_hear(user, topic)} | {END}
        differing = {message.topic for message in messages} ^ expected
        assert not list(filter(is_of_a_server, differing)), user


async def test_a_user_name_that_could_stand_for_others_gets_nothing(site: PrivateBroker) -> None:
    """Mosquitto keeps patterns from names with '+' or '#'. One with '/' it takes for a good one: the files say so."""
    async with visitor(site, "+", []) as connection:
        for topic in ("$mcp-rpc/anna/robot-kitchen/robot-node/kitchen", "$mcp-client/presence/anna"):
            assert await connection.publish(topic, b"", qos=1) == "not authorized"
    for text in (MOSQUITTO, EMQX):
        assert 'contain "/"' in " ".join(text.replace("#", " ").replace("%%", " ").split())


def emqx_allows(user: str, action: str, topic: str) -> bool:
    """As EMQX decides (``emqx_authz_rule``, 5.8): the user name is put in first, then wildcards are looked for."""
    for permission, who, what, filters in EMQX_RULES:
        is_meant = who in {user, "%everybody"} or (who.startswith("~") and re.search(who[1:], user))
        fits = any(topic_matches_sub(each.replace("${username}", user), topic) for each in filters) or not filters
        if is_meant and what in {action, "all"} and fits:
            return permission == "allow"
    return False


@pytest.mark.slow
@pytest.mark.parametrize("action", ["publish", "subscribe"])
def test_the_rules_for_emqx_mean_the_same(action: str) -> None:
    meant = may_speak if action == "publish" else may_hear
    assert not [
        (user, topic) for user in USERS for topic in topics() if emqx_allows(user, action, topic) != meant(user, topic)
    ]


@pytest.mark.parametrize("user", ["+", "#", "anna/robot-kitchen"])
def test_emqx_too_keeps_a_user_name_that_could_stand_for_others_out(user: str) -> None:
    assert not [topic for topic in topics() for action in ("publish", "subscribe") if emqx_allows(user, action, topic)]
