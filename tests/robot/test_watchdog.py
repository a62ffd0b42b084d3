"""When systemd's watchdog is notified, and what systemd is told instead."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import pytest

from robot_node.devices.worker import DeviceWorker, RunningCall, running_calls
from robot_node.mqtt import LinkStatus
from robot_node.robot.watchdog import LinkCheck, Watchdog, check_device_calls, find_hanging_call, notifications
from tests.waiting import DEADLINE_S

NOTIFIED = ("WATCHDOG=1",)


def test_it_is_notified_while_all_checks_pass() -> None:
    watchdog = Watchdog([lambda _: "", lambda _: ""], 30.0)
    assert [watchdog.tick(now) for now in (0.0, 15.0, 30.0)] == [NOTIFIED, NOTIFIED, NOTIFIED]


def test_the_reason_is_sent_and_logged_once_and_so_is_the_recovery(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    reasons = iter(["", "The camera hangs.", "The camera hangs.", "", ""])
    watchdog = Watchdog([lambda _: next(reasons)], 30.0)
    said = [watchdog.tick(now) for now in (0.0, 15.0, 30.0, 45.0, 60.0)]
    assert said == [NOTIFIED, ("STATUS=The camera hangs.",), (), ("WATCHDOG=1", "STATUS=Health restored."), NOTIFIED]
    assert caplog.text.count("The camera hangs.") == 1
    assert caplog.text.count("Health restored") == 1


def test_a_check_that_crashes_has_not_passed_and_says_why() -> None:
    def check(_now: float) -> str:
        raise LookupError("no such thread")

    watchdog = Watchdog([check], 30.0)
    said = "STATUS=A check of the watchdog crashed: LookupError: no such thread."
    assert [watchdog.tick(now) for now in (0.0, 15.0)] == [(said,), ()]


def test_before_the_robot_is_ready_a_restart_is_requested() -> None:
    watchdog = Watchdog([lambda _: "The display hangs."], 30.0)
    assert [watchdog.tick(now) for now in (100.0, 115.0)] == [("STATUS=The display hangs.",), ()]
    assert watchdog.tick(130.0) == ("WATCHDOG=trigger",)


def test_a_call_hangs_when_it_takes_longer_than_its_own_limit() -> None:
    calls = [RunningCall("display", since=100.0, limit_s=30.0), RunningCall("camera", since=109.0, limit_s=10.0)]
    assert find_hanging_call(calls, 119.0) == ""
    assert find_hanging_call(calls, 119.5) == "A call into the camera has not returned within 10 s."


async def test_a_call_is_checked_also_when_its_caller_has_given_up() -> None:
    now = 100.0
    release, begun = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        release.wait()

    worker = DeviceWorker("camera", clock=lambda: now)
    waiting = asyncio.create_task(worker.run_within(10.0, hang))
    try:
        await asyncio.to_thread(begun.wait)
        waiting.cancel()
        worker.close()
        del worker
        assert [call for call in running_calls() if call.device == "camera"] == [RunningCall("camera", 100.0, 10.0)]
        assert check_device_calls(111.0).startswith("A call into the camera")
    finally:
        release.set()


async def test_a_long_call_hangs_only_when_its_heartbeat_stops() -> None:
    now = 100.0
    seen: list[float] = []
    worker = DeviceWorker("microphone", clock=lambda: now)

    def record() -> None:
        nonlocal now
        for now in (120.0, 140.0):  # noqa: B007  # the clock goes on
            worker.heartbeat()
            seen.extend(call.since for call in running_calls() if call.device == "microphone")

    await worker.run(record)
    assert seen == [120.0, 140.0]
    assert not [call for call in running_calls() if call.device == "microphone"]
    worker.close()


def test_a_connection_may_be_down_but_must_be_retried() -> None:
    now = 0.0
    link = LinkCheck("MCP", 60.0, clock=lambda: now)
    assert link(60.0) == ""
    assert link(60.1) == "The MCP connection is down, and there was no attempt to connect for 60 s."
    now = 70.0
    link.report(LinkStatus(connected=False, reason="refused"))
    assert link(130.0) == ""
    assert link(131.0) != ""
    link.report(LinkStatus(connected=True))
    assert link(10_000.0) == ""


async def test_notifications_arrive_at_systemd_as_long_as_the_checks_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = ""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(DEADLINE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "40000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        async with notifications([lambda _: reason]):
            for _ in range(3):
                assert await asyncio.to_thread(manager.recv, 1000) == b"WATCHDOG=1"
            reason = "The pins hang."
            while (said := await asyncio.to_thread(manager.recv, 1000)) == b"WATCHDOG=1":
                pass
            assert said == b"STATUS=The pins hang."
            assert await asyncio.to_thread(manager.recv, 1000) == b"WATCHDOG=trigger"
