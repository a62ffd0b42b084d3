"""Chromium over its own protocol, where a tab can be hidden: Playwright keeps every page of its own visible."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.console.browser import ARGUMENTS
from tests.console.browser_process import listening_browser
from tests.waiting import DEADLINE_S

_LISTENING = re.compile(rb"DevTools listening on (ws://\S+)")


class Tab:
    """One tab of Chromium."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._target = self._session = ""

    async def start(self) -> None:
        """Take the first tab."""
        targets = (await self._command("Target.getTargets"))["targetInfos"]
        self._target = next(each["targetId"] for each in targets if each["type"] == "page")
        attached = await self._command("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        await self._command("Page.enable")

    async def before_each_page(self, script: str) -> None:
        """Run a script in each page before its own."""
        await self._command("Page.addScriptToEvaluateOnNewDocument", source=script)

    async def open(self, url: str) -> None:
        """Begin to load a page."""
        await self._command("Page.navigate", url=url)

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression, or of its promise, as JSON."""
        wrapped = f"(async () => JSON.stringify(await ({expression})))()"
        answer = await self._command("Runtime.evaluate", expression=wrapped, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return json.loads(answer["result"].get("value", "null"))

    @contextlib.asynccontextmanager
    async def hidden(self) -> AsyncIterator[None]:
        """Put another tab before it."""
        other = (await self._command("Target.createTarget", url="about:blank"))["targetId"]
        yield
        await self._command("Target.activateTarget", targetId=self._target)
        await self._command("Target.closeTarget", targetId=other)

    async def _command(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        session = {"sessionId": self._session} if self._session and not method.startswith("Target.") else {}
        await self._connection.send(json.dumps({"id": number, "method": method, "params": params, **session}))
        async with asyncio.timeout(DEADLINE_S):
            async for text in self._connection:
                answer: dict[str, Any] = json.loads(text)
                if answer.get("id") == number:
                    assert "error" not in answer, answer
                    result: dict[str, Any] = answer["result"]
                    return result
        raise AssertionError("Chromium has ended")


@contextlib.asynccontextmanager
async def chromium_tab(folder: Path) -> AsyncIterator[Tab]:
    """Chromium with a new profile, without a screen."""
    executable = shutil.which("chromium")
    assert executable, "chromium is not installed: sudo apt-get install chromium"
    own = ("--headless=new", f"--user-data-dir={folder}", "--remote-debugging-port=0", "--window-size=1360,1000")
    command = (executable, *ARGUMENTS, *own, "about:blank")
    async with (
        listening_browser(command, _LISTENING) as address,
        connect(address, max_size=None) as connection,
    ):
        tab = Tab(connection)
        await tab.start()
        yield tab
