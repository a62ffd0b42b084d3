"""What docs/access.md tells people to write works, and the broker files that we ship hold the same rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from mcp.server import MCPServer

from robot_node.mcp_mqtt.access import HUMAN_ONLY
from robot_node.settings.access import AccessSettings
from robot_node.settings.loading import load_settings
from robot_node.tools.access import guarded, policy_of

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "access.md").read_text()
MOSQUITTO = (ROOT / "config" / "mosquitto" / "acl").read_text()
EMQX = (ROOT / "config" / "emqx" / "acl.conf").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_every_recipe_is_a_valid_settings_file(tmp_path: Path) -> None:
    recipes = blocks("toml")
    assert len(recipes) == 5
    policies = []
    for recipe in recipes:
        (tmp_path / "robot.toml").write_text(recipe)
        policies.append(policy_of(load_settings(tmp_path / "robot.toml").access))
    family, only_these, one_kind, photographer, slow = policies
    assert [family.role_of(who).name for who in ("mia", "bot", "anna")] == ["viewer", "operator", "owner"]
    assert family.role_of("anna").may_call("call_backend", human_only=True)
    assert not only_these.role_of("mia").may_use("tools/list")
    assert [one_kind.role_of(who).name for who in ("bot-test", "bot-1", "Bot-1")] == ["viewer", "operator", "viewer"]
    assert photographer.role_of("diary").may_read("robot://camera")
    assert not photographer.role_of("diary").may_read("robot://events")
    assert slow.allows_everything


def test_the_program_in_the_guide_runs() -> None:
    (program,) = blocks("python")
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102  # our own documentation
    assert names["guard"].is_needed
    assert names["options"].meta["rbac"]["roles"][0]["name"] == "viewer"


async def test_a_tool_whose_code_marks_it_is_for_people_only() -> None:
    server = MCPServer("toy")
    server.add_tool(lambda: "done", name="shut_down", meta=HUMAN_ONLY)
    server.add_tool(lambda: "done", name="look")
    policy = await guarded(server, AccessSettings())
    assert policy.human_only == {"shut_down"}
    assert not policy.allows_everything
    assert len(server.middleware) == len(MCPServer("bare").middleware) + 1


def emqx_rules() -> list[tuple[str, str, str, tuple[str, ...]]]:
    """The rules of the EMQX file: permission, who (behind ``~`` a pattern for user names), action, topics."""
    text = "\n".join(line for line in EMQX.splitlines() if not line.startswith("%%"))
    rule = re.compile(
        r'\{(allow|deny), (?:all|\{username, (?:"([^"]+)"|\{re, "([^"]+)"\})\})'
        r"(?:, (publish|subscribe|all), \[([^\]]*)\])?\}\.\s*"
    )
    rules, at = [], 0
    text = text.strip() + "\n"
    while at < len(text):
        match = rule.match(text, at)
        assert match, f"no rule of EMQX's: {text[at : at + 80]!r}"
        topics = tuple(re.findall(r'"([^"]+)"', match[5] or ""))
        assert re.fullmatch(r'\s*("[^"]+"(,\s*"[^"]+")*)?\s*', match[5] or "")
        who = match[2] or (f"~{match[3]}" if match[3] else "%everybody")
        rules.append((match[1], who, match[4] or "all", topics))
        at = match.end()
    return rules


def test_emqx_and_mosquitto_allow_the_same() -> None:
    wanted: set[tuple[str, str, str]] = set()
    user = ""
    for line in MOSQUITTO.splitlines():
        words = line.split()
        if words[:1] == ["user"]:
            user = words[1]
        elif words[:1] in (["pattern"], ["topic"]) and words[1] != "deny":
            who = "%everybody" if words[0] == "pattern" else user
            actions = {"read": ["subscribe"], "write": ["publish"], "readwrite": ["publish", "subscribe"]}[words[1]]
            wanted |= {(who, action, words[2].replace("%u", "${username}")) for action in actions}
    allowed = {
        (who, action, topic)
        for permission, who, both, topics in emqx_rules()
        if permission == "allow"
        for action in (("publish", "subscribe") if both == "all" else (both,))
        for topic in topics
    }
    assert allowed == wanted


def test_emqx_denies_before_the_wildcard_and_at_the_end() -> None:
    rules = emqx_rules()
    # "#" does not match topics that begin with "$".
    trees = ("$mcp-server/#", "$mcp-client/#", "$mcp-rpc/#", "$webrtc/#", "$message/#", "$a2a/#")
    assert rules[-2:] == [("deny", "%everybody", "all", trees), ("deny", "%everybody", "all", ())]
    control = next(index for index, rule in enumerate(rules) if rule[3] == ("$mcp-server/+/robot-node/+",))
    denied = rules[control - 1]
    assert denied[:3] == ("deny", "%everybody", "publish")
    robots = [index for index, rule in enumerate(rules) if rule[1] == "robot-kitchen"]
    assert max(robots) < control - 1, "the robot may speak on its own presence topic"


@pytest.mark.parametrize("name", ["robots.passwd", "robots.acl"])
def test_mosquittos_settings_use_the_files_that_the_guide_makes(name: str) -> None:
    assert f"/etc/mosquitto/{name}" in (ROOT / "config" / "mosquitto" / "robots.conf").read_text()
    assert f"/etc/mosquitto/{name}" in GUIDE
