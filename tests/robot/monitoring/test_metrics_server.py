"""Who may ask the metrics server."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
from urllib.parse import urlsplit

from robot_node.robot.monitoring.figures import Figures
from robot_node.robot.monitoring.metrics import serve_metrics
from robot_node.settings.root import MetricsSettings
from tests.waiting import DEADLINE_S


async def test_a_page_of_another_site_cannot_read_the_metrics() -> None:
    async def never() -> Figures:
        raise AssertionError("not for strangers")

    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve_metrics(MetricsSettings(port=0), never, on_listening=url.set_result))
    try:
        where = urlsplit(await asyncio.wait_for(url, DEADLINE_S)).netloc

        def status(path: str, **headers: str) -> int:
            with contextlib.closing(http.client.HTTPConnection(where, timeout=DEADLINE_S)) as connection:
                connection.request("GET", path, headers=headers)
                return connection.getresponse().status

        assert await asyncio.to_thread(status, "/metrics", Host="robots.attacker.example:9464") == 421
        assert await asyncio.to_thread(status, "/metrics", Origin="https://attacker.example") == 403
        assert await asyncio.to_thread(status, "/elsewhere") == 404
    finally:
        serving.cancel()
        await asyncio.wait([serving])
