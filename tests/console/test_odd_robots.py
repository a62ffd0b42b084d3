"""Robots that send whatever they like, many at once: the page shows what can be shown, and can be used."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from tests.apps.bridge.agents import Message, ScriptedRobot, scripted_robot
from tests.attack.evil_robot import BAD_RESULTS, MALFORMED_TOOLS, USABLE, tool
from tests.console.browser import ConsolePage, serving, visit
from tests.console.conftest import websocket_url
from tests.waiting import DEADLINE_S

pytestmark = pytest.mark.asyncio(loop_scope="session")

_FLEET = 1500
_QUESTIONS = 2000
_ODD_SCHEMA: Message = {
    "type": "object",
    "required": ["__proto__", 7, "text"][::2],
    "$defs": {"x": {"$ref": "#/$defs/x"}},
    "properties": {
        "__proto__": {"type": "string", "description": {"not": "a text"}},
        "constructor": {"$ref": "#/$defs/toString", "title": []},
        "loop": {"$ref": "#/$defs/x"},
        "text": {"type": ["string", 5], "enum": [{"toString": None}, None, "x", "x"]},
        "number": {"type": "number", "minimum": "low", "maximum": {}, "default": {"a": 1}},
        "any": {"anyOf": {"0": None}, "default": [[[[]]]]},
    },
}
_LONGEST_TASK = """
() => new Promise((done) => {
  new PerformanceObserver((list) => done(Math.max(...list.getEntries().map(({duration}) => duration))))
    .observe({type: "longtask", buffered: true});
  setTimeout(done, 500, 50);  // none was longer than the 50 ms from which on they are reported
})
"""
_ODD_STATUSES: list[Any] = [
    None,
    [],
    {"camera": {}, "privacy": "no", "volume": -1, "viewers": [], "emotion": {"toString": None}},
    {"camera": "on", "camera_error": ["x"], "display_error": {"a": 1}, "muted": 3, "volume": "loud"},
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker() -> AsyncIterator[PrivateBroker]:
    """One for all of them."""
    # By default mosquitto queues 1000 messages for a client, and drops further retained ones.
    async with PrivateBroker(websocket_port=0, extra="max_queued_messages 10000") as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, broker: PrivateBroker, tmp_path: Path) -> AsyncIterator[ConsolePage]:
    """The page of that broker."""
    async with (
        serving(Console(port=0, broker_url=websocket_url(broker))) as url,
        visit(browser, url, tmp_path) as console,
    ):
        yield console


def robot_button(page: ConsolePage, name: str) -> Any:
    """What chooses a robot."""
    return page.page.locator(".robot").filter(has_text=name)


@contextlib.asynccontextmanager
async def harmless_robot(broker: PrivateBroker) -> AsyncIterator[ScriptedRobot]:
    """One that does what it says."""
    async with scripted_robot(broker, [tool("wave")], server_id="good", server_name="good/robot") as robot:
        robot.on_call = lambda _: [{"result": {"content": [{"type": "text", "text": "Waved."}]}}]
        yield robot


async def wave(page: ConsolePage) -> None:
    """Use the harmless robot, as a person would."""
    await robot_button(page, "good/robot").click()
    await page.page.locator("summary", has_text="wave").click()
    await page.button("Run").click()
    await page.sees(page.page.locator(".result"), "Waved.")


@pytest.mark.slow
async def test_a_robot_whose_every_answer_is_odd_takes_nothing_away(page: ConsolePage, broker: PrivateBroker) -> None:
    tools = [*MALFORMED_TOOLS.values(), USABLE, USABLE, tool("odd", inputSchema=_ODD_SCHEMA)]
    statuses = [{"contents": [{"uri": "robot://status", "text": json.dumps(each)}]} for each in _ODD_STATUSES]
    async with (
        scripted_robot(
            broker, tools, server_id="odd", server_name="odd/robot", results={"resources/subscribe": {}}
        ) as odd,
        harmless_robot(broker),
    ):
        await robot_button(page, "odd/robot").click()
        # Those that are tools can be used; the person learns that there are others.
        await page.sees(page.page.locator(".tools .problem-text"), "describes some tools wrongly")
        await page.page.locator("summary", has_text="Nod").click()
        await page.page.locator("summary", has_text="odd").click()
        run = page.page.locator("details", has_text="odd").get_by_role("button", name="Run")
        for answer in BAD_RESULTS.values():
            odd.on_call = lambda _, answer=answer: [{"result": answer}]  # type: ignore[misc]  # bound at once
            await run.click()
            result = page.page.locator("details", has_text="odd").locator("[role=status]")
            await result.filter(has_text="malformed").or_(result.filter(has_text="{")).first.wait_for()
        for answer in [*statuses, {"contents": []}, {"contents": {}}, []]:
            odd.results["resources/read"] = answer  # type: ignore[assignment]  # not what it should be
            await odd.announce("notifications/resources/updated", {"uri": "robot://status"})
        await wave(page)
        assert await page.page.locator(".broken").count() == 0


async def test_a_view_that_breaks_is_one_view(page: ConsolePage, broker: PrivateBroker) -> None:
    async with harmless_robot(broker):
        await robot_button(page, "good/robot").click()
        await page.page.evaluate(
            "() => { window.time = Date.prototype.toISOString;"
            " Date.prototype.toISOString = () => { throw new Error('no clock'); }; }"
        )
        await page.page.locator(".log summary").click()
        await page.sees(page.page.locator(".broken"), "\u201cLog\u201d cannot be shown")
        await page.sees(page.page.locator(".broken"), "no clock")
        await wave(page)
        await page.page.evaluate("() => { Date.prototype.toISOString = window.time; }")
        await page.button("Show it again").click()
        await page.page.locator(".log summary").click()
        await page.sees(page.page.locator(".log ol"), "Log: no clock")
    page.errors.clear()  # React reports what broke


@pytest.mark.slow  # 3000 messages
async def test_in_a_fleet_a_robot_is_found_by_its_name(
    browser: Browser, broker: PrivateBroker, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    def topic(number: int) -> str:
        return f"$mcp-server/presence/robot-{number}/fleet/robot-{number}"

    online = {"jsonrpc": "2.0", "method": "notifications/server/online", "params": {"description": "One of many."}}
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        for number in range(_FLEET):
            await client.publish(topic(number), json.dumps(online), 1, retain=True)
        try:
            async with (
                harmless_robot(broker),
                serving(Console(port=0, broker_url=websocket_url(broker))) as url,
                visit(browser, url, tmp_path) as page,
            ):
                find = page.page.get_by_role("searchbox", name="Find a robot")
                await page.sees(page.page.locator(".robots"), f"and {_FLEET + 1 - 24} more")
                there_ms = await page.page.evaluate("() => performance.now()")
                await find.fill("robot-1499")
                await robot_button(page, "fleet/robot-1499").wait_for()
                answered_ms = await page.page.evaluate("() => performance.now()")
                await find.fill("good")
                await wave(page)
                longest_ms = await page.page.evaluate(_LONGEST_TASK)
                record_property("console: 1500 robots: page opened to all listed", f"{there_ms:.0f} ms")
                record_property("console: 1500 robots: one found", f"{answered_ms - there_ms:.0f} ms")
                record_property("console: 1500 robots: longest task", f"{longest_ms:.0f} ms")
                # All of them go, one after the other.
                await find.fill("")
                await page.sees(page.page.locator(".robots"), "more")
                for number in range(_FLEET):
                    await client.publish(topic(number), b"", 1, retain=True)
                await find.wait_for(state="detached")
        finally:
            for number in range(_FLEET):
                await client.publish(topic(number), b"", 1, retain=True)


@pytest.mark.slow  # 4000 messages
async def test_two_thousand_questions_are_one_dialog_that_is_dismissed_once(
    page: ConsolePage, broker: PrivateBroker
) -> None:
    schema = {"type": "object", "properties": {}}

    async def ask(robot: ScriptedRobot, numbers: range) -> None:
        for number in numbers:
            params = {"message": f"Question {number}?", "requestedSchema": schema}
            await robot.say({"id": number, "method": "elicitation/create", "params": params})

    async def answers(robot: ScriptedRobot, numbers: range) -> dict[int, str]:
        found: dict[int, str] = {}
        while len(found) < len(numbers):
            message = await robot.until(lambda each: "result" in each and each.get("id") in numbers)
            found[message["id"]] = message["result"]["action"]
        return found

    nosy_robot = scripted_robot(broker, [tool("wave")], server_id="nosy", server_name="nosy/robot")
    async with nosy_robot as nosy, harmless_robot(broker), asyncio.timeout(DEADLINE_S):
        await robot_button(page, "nosy/robot").click()
        await page.page.locator("summary", has_text="wave").wait_for()
        await ask(nosy, range(_QUESTIONS))
        dialog = page.page.get_by_role("dialog", name="nosy/robot asks")
        await page.sees(dialog, "Question 0?")
        await page.button("Decline all (20)").click()
        await dialog.wait_for(state="hidden")
        given = await answers(nosy, range(_QUESTIONS))
        assert "accept" not in given.values()
        assert given[0] == "decline"
        more = range(_QUESTIONS, _QUESTIONS + 50)
        await ask(nosy, more)
        assert set((await answers(nosy, more)).values()) == {"decline"}
        assert not await dialog.is_visible()
        await page.button("Ask me again").click()
        await ask(nosy, range(_QUESTIONS + 50, _QUESTIONS + 51))
        await page.button("Decline").click()
        await wave(page)
