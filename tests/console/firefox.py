"""Debian's Firefox with its defaults, driven over WebDriver BiDi: Playwright's own Firefox is another one."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.console.browser_process import listening_browser
from tests.waiting import DEADLINE_S

# Each change of the document is an occasion to look.
_UNTIL = """new Promise((resolve) => {
  const look = () => {
    const value = %s;
    if (!value) return;
    observer.disconnect();
    resolve(value);
  };
  const observer = new MutationObserver(look);
  observer.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
  look();
})"""
_LISTENING = re.compile(rb"WebDriver BiDi listening on (ws://\S+)")


class Firefox:
    """One window of Firefox."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._window = ""

    async def start(self) -> None:
        """Begin a session."""
        await self._command("session.new", capabilities={})
        (window,) = (await self._command("browsingContext.getTree"))["contexts"]
        self._window = window["context"]

    async def before_each_page(self, function: str) -> None:
        """Run a JavaScript function in each page before its own scripts."""
        await self._command("script.addPreloadScript", functionDeclaration=function)

    async def open(self, url: str) -> None:
        """Load a page."""
        await self._command("browsingContext.navigate", context=self._window, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression, or of its promise, as JSON."""
        answer = await self._command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self._window},
            awaitPromise=True,
            userActivation=True,
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"].get("value", "null"))

    async def until(self, expression: str) -> Any:
        """Wait until an expression of the document is true; returns its value."""
        return await self.evaluate(_UNTIL % expression)

    async def press(self, selector: str) -> None:
        """Move the mouse to the middle of an element, and press its first button down."""
        box = await self.evaluate(f"document.querySelector({selector!r}).getBoundingClientRect()")
        x, y = (round(box[start] + box[length] / 2) for start, length in (("x", "width"), ("y", "height")))
        await self._mouse({"type": "pointerMove", "x": x, "y": y}, {"type": "pointerDown", "button": 0})

    async def release(self) -> None:
        """Let the mouse's button go."""
        await self._mouse({"type": "pointerUp", "button": 0})

    async def key(self, kind: str, key: str) -> None:
        """Press a key down or let it go: ``keyDown`` or ``keyUp``, and its code in WebDriver."""
        actions = [{"type": "key", "id": "keyboard", "actions": [{"type": kind, "value": key}]}]
        await self._command("input.performActions", context=self._window, actions=actions)

    async def _mouse(self, *actions: dict[str, Any]) -> None:
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": [*actions]}
        await self._command("input.performActions", context=self._window, actions=[mouse])

    @contextlib.asynccontextmanager
    async def hidden(self) -> AsyncIterator[None]:
        """Put another tab before the page."""
        other = (await self._command("browsingContext.create", type="tab"))["context"]
        yield
        await self._command("browsingContext.activate", context=self._window)
        await self._command("browsingContext.close", context=other)

    async def _command(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(DEADLINE_S):
            async for text in self._connection:
                answer: dict[str, Any] = json.loads(text)
                if answer.get("id") == number:
                    assert answer["type"] == "success", answer
                    result: dict[str, Any] = answer["result"]
                    return result
        raise AssertionError("Firefox has ended")


@contextlib.asynccontextmanager
async def firefox(folder: Path) -> AsyncIterator[Firefox]:
    """Firefox with a new profile, without a screen."""
    executable = shutil.which("firefox-esr")
    assert executable, "firefox-esr is not installed: make firefox"
    command = (executable, "--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port", "0")
    env = {**os.environ, "HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"}
    async with (
        listening_browser(command, _LISTENING, env=env) as address,
        connect(f"{address}/session", max_size=None) as connection,
    ):
        window = Firefox(connection)
        await window.start()
        yield window
