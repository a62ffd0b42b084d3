"""What of a robot's lists reaches an agent."""

from __future__ import annotations

import pytest

from robot_node.apps.bridge.listing import (
    MAX_ITEM_BYTES,
    MAX_ITEMS,
    RESOURCES,
    TEMPLATES,
    TOOLS,
    Budget,
    Kind,
    Listing,
    Params,
    result_problem,
)
from robot_node.mcp_mqtt.topics import ServerName

SCHEMA: Params = {"type": "object"}
GOOD: Params = {"name": "nod", "inputSchema": SCHEMA, "x-unknown": {"kept": None}}


def listing(kind: Kind, *items: object) -> Listing:
    listed = Listing(kind)
    listed.add(list(items))
    return listed


MALFORMED_TOOLS = {
    "no schema": {"name": "bad"},
    "schema is a list": {"name": "bad", "inputSchema": []},
    "schema is null": {"name": "bad", "inputSchema": None},
    "schema is no object's": {"name": "bad", "inputSchema": {"type": "array"}},
    "schema of an argument": {"name": "bad", "inputSchema": SCHEMA | {"properties": {"x": 3}}},
    "output schema": {"name": "bad", "inputSchema": SCHEMA, "outputSchema": {"type": "array"}},
    "annotations": {"name": "bad", "inputSchema": SCHEMA, "annotations": {"readOnlyHint": "maybe"}},
    "a boolean as text": {"name": "bad", "inputSchema": SCHEMA, "annotations": {"readOnlyHint": "true"}},
    "a boolean as number": {"name": "bad", "inputSchema": SCHEMA, "annotations": {"readOnlyHint": 1}},
    "_meta": {"name": "bad", "inputSchema": SCHEMA, "_meta": []},
    "icons": {"name": "bad", "inputSchema": SCHEMA, "icons": {"src": 5}},
    "title": {"name": "bad", "inputSchema": SCHEMA, "title": 5},
    "name is a number": {"name": 5, "inputSchema": SCHEMA},
    "a list": [],
    "null": None,
    "too large": {"name": "bad", "inputSchema": SCHEMA, "description": "x" * MAX_ITEM_BYTES},
    "same name": {"name": "nod", "inputSchema": SCHEMA},
    "endless name": {"name": "x" * 5000, "inputSchema": SCHEMA},
}


@pytest.mark.parametrize("tool", MALFORMED_TOOLS.values(), ids=MALFORMED_TOOLS)
def test_a_malformed_tool_is_left_out_and_named(tool: object) -> None:
    listed = listing(TOOLS, GOOD, tool, GOOD | {"name": "wink"})
    assert listed.items == [GOOD, GOOD | {"name": "wink"}]
    (reason,) = listed.left_out
    assert len(reason) < 300
    assert reason.isprintable()


def test_malformed_resources_and_templates_are_left_out() -> None:
    good = {"uri": "room://light", "name": "light"}
    bad = [{"uri": "room://a"}, {"name": "a"}, good | {"uri": "a\nb"}, good | {"uri": "x", "icons": [3]}]
    bad += [good | {"uri": "y", "size": "5"}, good | {"uri": "z", "annotations": {"lastModified": "yesterday"}}]
    odd: Params = {"name": "odd", "inputSchema": SCHEMA, "annotations": {"lastModified": []}}
    assert listing(TOOLS, odd).items == [odd]
    full: Params = {"size": 5, "annotations": {"lastModified": "2026-11-28T17:00:00Z", "priority": 1}}
    assert listing(RESOURCES, good | full).items == [good | full]
    assert listing(RESOURCES, *bad, good).items == [good]
    template = {"uriTemplate": "room://{x}", "name": "x"}
    assert listing(TEMPLATES, {"uriTemplate": "room://{x}"}, None, template).items == [template]
    assert len(listing(RESOURCES, *bad).left_out) == len(bad)


@pytest.mark.parametrize("page", [None, {}, "tools", 5])
def test_a_list_that_is_none_is_empty(page: object) -> None:
    listed = Listing(TOOLS)
    listed.add(page)
    assert (listed.items, listed.left_out) == ([], ["tools (not a list)"])


def test_there_is_a_limit_to_number_and_bytes() -> None:
    many = listing(TOOLS, *({"name": f"t{number}", "inputSchema": SCHEMA} for number in range(1000)))
    assert len(many.items) == MAX_ITEMS
    assert many.is_full
    assert many.left_out == [f"t{MAX_ITEMS} (more than {MAX_ITEMS} tools)", f"{999 - MAX_ITEMS} more of its tools"]
    fat = {"inputSchema": SCHEMA, "description": "x" * 30_000}
    heavy = listing(TOOLS, *({"name": f"t{number}"} | fat for number in range(20)))
    assert len(heavy.items) == 8
    assert heavy.is_full


def test_texts_for_people_have_no_control_or_bidirectional_characters() -> None:
    texts = {
        "title": "Nod\n\u202egnp.exe\x1b[2J",
        "description": "First line.\nSecond\u2028line\u202e.\x9b",
        "annotations": {"title": "\u2066x", "readOnlyHint": True},
    }
    (tool,) = listing(TOOLS, GOOD | texts).items
    assert tool["title"] == r"Nod\n\u202egnp.exe\x1b[2J"
    assert tool["description"] == "First line.\n" + r"Second\u2028line\u202e.\x9b"
    assert tool["annotations"] == {"title": r"\u2066x", "readOnlyHint": True}


@pytest.mark.parametrize(
    "result",
    [
        {"content": [], "_meta": []},
        {"content": {}},
        {"content": None},
        {"content": [None]},
        {"content": ["text"]},
        {"content": [], "isError": "no"},
        {"content": [{"type": "text", "text": "", "_meta": 3}]},
    ],
)
def test_results_that_no_client_can_use(result: Params) -> None:
    assert result_problem(result, "content")
    assert not result_problem({"content": [{"type": "hologram"}], "_meta": {}, "isError": True}, "content")
    assert not result_problem({}, "content")


def test_the_lists_of_all_robots_have_a_limit_that_leaves_something_for_each() -> None:
    budget = Budget()
    kinds = (TOOLS, RESOURCES, TEMPLATES)
    large, small = (ServerName(f"robot-{name}", "a/b") for name in ("large", "small"))

    def claimed() -> int:
        number = 0
        while budget.claim(ServerName(f"evil-{number}", "a/b"), TOOLS, 256 * 1024):
            number += 1
        return number

    number = claimed()
    assert 20 < number < 40
    assert not budget.claim(large, TOOLS, 256 * 1024)
    assert all(budget.claim(small, kind, 32 * 1024) for kind in kinds)
    assert not budget.claim(small, TOOLS, 256 * 1024)
    for each in range(number):
        budget.release(ServerName(f"evil-{each}", "a/b"))
    assert budget.claim(large, TOOLS, 256 * 1024)


def test_what_exceeds_the_limit_of_all_lists_is_named() -> None:
    listing = Listing(TOOLS, lambda size: size < 200)
    listing.add([{"name": name, "inputSchema": {"type": "object"}, "description": "x" * 100} for name in "ab"])
    assert [item["name"] for item in listing.items] == ["a"]
    assert listing.left_out == ["b (the lists of all robots together are too large)"]
