"""What is remembered over a restart: when it is written, how, and what becomes of a file or a disk that is bad."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_mocks.platform import simulated_platform
from robot_node.core.atomic_file import write_atomically
from robot_node.core.state import RobotState
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.errors import StateFileError
from robot_node.robot.saved_state import MAX_BYTES, SavedState, WriteSchedule, camera_comes_on, dump, parse, restore
from robot_node.robot.state_store import StateStore, state_file
from robot_node.settings.devices import DisplaySettings
from tests.waiting import DEADLINE_S, eventually

NOTHING = SavedState()


def at_once() -> WriteSchedule:
    return WriteSchedule(settle_s=0.0, urgent_s=0.0, shortest_s=0.0, retry_s=0.05)


some_saved = st.builds(
    SavedState,
    camera=st.none() | st.booleans(),
    emotion=st.none() | st.text(min_size=1, max_size=128).filter(lambda text: text.isprintable()),
    volume=st.none() | st.integers(0, 100),
    muted=st.none() | st.booleans(),
    microphone=st.none() | st.just(False),
)


@given(some_saved)
def test_what_is_written_is_what_is_read(saved: SavedState) -> None:
    data = dump(saved)
    assert len(data) <= MAX_BYTES
    assert parse(data) == saved


some_json = st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(lambda value: json.dumps(value).encode())


@given(st.binary(max_size=200) | some_json)
def test_no_file_can_do_more_than_be_refused(data: bytes) -> None:
    with pytest.raises(StateFileError):
        parse(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "It is damaged: it is not JSON"),
        (b"\0" * 512, "It is damaged: it is not JSON"),
        (b'{"version": 1, "volume": 101}', "It is damaged: volume: "),
        (b'{"version": 1, "camera": 1}', "It is damaged: camera: "),
        (b'{"version": 1, "emotion": ""}', "It is damaged: emotion: "),
        (b'{"camera": true}', "It is damaged: version: "),
        (b'{"version": 2, "camera": "on"}', "newer robot-node: it has version 2, not 1"),
        (b"[" * 3000, "It is damaged: it is not JSON"),
        (b'{"version": 1}' + b" " * MAX_BYTES, "larger than 16384 bytes"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(data: bytes, reason: str) -> None:
    with pytest.raises(StateFileError) as refused:
        parse(data)
    assert reason in str(refused.value)


def test_a_key_that_only_a_later_release_knows_does_no_harm() -> None:
    assert parse(b'{"version": 1, "muted": true, "hat": "red"}') == SavedState(muted=True)


@pytest.mark.parametrize("on_at_start", [False, True])
@pytest.mark.parametrize("on_after_restart", [False, True])
def test_a_camera_that_somebody_switched_off_stays_off_and_one_that_was_on_asks_the_settings(
    *, on_at_start: bool, on_after_restart: bool
) -> None:
    def comes_on(camera: bool | None) -> bool:
        return camera_comes_on(camera, on_at_start=on_at_start, on_after_restart=on_after_restart)

    assert comes_on(False) is False
    assert comes_on(None) is on_at_start
    assert comes_on(True) is (on_at_start or on_after_restart)


def test_a_burst_is_written_once_and_the_next_change_a_minute_later_but_the_camera_soon() -> None:
    schedule, happy = WriteSchedule(settle_s=1, urgent_s=5, shortest_s=60), SavedState(emotion="happy")
    assert schedule.due(100, current=NOTHING, written=NOTHING) is None
    assert schedule.due(100, current=SavedState(emotion="sad"), written=NOTHING) == 101
    assert schedule.due(100.9, current=happy, written=NOTHING) == 101
    schedule.record_attempt(101, failed=False)
    assert schedule.due(102, current=NOTHING, written=happy) == 161
    assert schedule.due(103, current=SavedState(camera=False), written=happy) == 106


def test_a_disk_that_cannot_be_written_is_tried_again_later_and_not_at_once_whatever_changes() -> None:
    schedule = WriteSchedule(settle_s=1, urgent_s=5, shortest_s=60, retry_s=30)
    assert schedule.due(0, current=SavedState(camera=False), written=NOTHING) == 1
    schedule.record_attempt(1, failed=True)
    assert schedule.due(2, current=SavedState(camera=True), written=NOTHING) == 31


@given(st.lists(st.tuples(st.floats(0.1, 10), st.booleans(), st.integers(0, 9)), min_size=30, max_size=50))
def test_a_storm_of_changes_is_few_writes(steps: list[tuple[float, bool, int]]) -> None:
    schedule, now, writes, written = WriteSchedule(), 0.0, list[float](), NOTHING
    for pause_s, camera, volume in steps:
        now += pause_s
        wanted = SavedState(camera=camera, volume=volume)
        due = schedule.due(now, current=wanted, written=written)
        if due is not None and due <= now:
            schedule.record_attempt(now, failed=False)
            writes.append(now)
            written = wanted
    assert all(later - earlier >= schedule.urgent_s for earlier, later in itertools.pairwise(writes))


def test_where_it_is_kept() -> None:
    assert state_file(Path("/x/y"), {"STATE_DIRECTORY": "/var/lib/robot-node"}) == Path("/x/y")
    assert state_file(None, {"STATE_DIRECTORY": "/var/lib/robot-node:/other"}) == Path("/var/lib/robot-node/state.json")
    assert state_file(None, {}) is None


@asynccontextmanager
async def keeping(path: Path, state: RobotState, schedule: WriteSchedule | None = None) -> AsyncIterator[SavedState]:
    """A robot that saves its state, from its start to its shutdown; gives what was saved before."""
    store = StateStore(path, state, schedule=schedule or at_once())
    saved = await store.load()
    restore(saved, state, face(state), None, None)
    running = asyncio.create_task(store.run())
    await asyncio.sleep(0)  # it runs: as a robot's services do before anybody reaches it
    try:
        yield saved
    finally:
        await stop(running)


async def stop(running: asyncio.Task[None]) -> None:
    """What a robot does at SIGTERM."""
    running.cancel()
    await asyncio.wait([running])


class HangingDisk:
    """A full FIFO where the new file is written: writing waits, as at a disk that does not respond."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.json"
        self.fifo = folder / ".state.json.new"
        os.mkfifo(self.fifo)
        self.end = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while os.write(self.end, bytes(4096)):
                pass

    def is_written_to(self) -> bool:
        opened = []
        for descriptor in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):  # it was closed meanwhile
                opened.append(descriptor.readlink())
        return opened.count(self.fifo) > 1

    def respond(self) -> None:
        """Let the writer go on; it fails then, since a FIFO is no file."""
        os.read(self.end, 1 << 20)
        os.close(self.end)


def face(state: RobotState) -> Face:
    """A face without a display."""
    display = Display(simulated_platform(scene="clock").platform, DisplaySettings(driver="none"), state)
    return Face(display, state)


async def until(state: RobotState, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        async for _ in state.changes():
            if condition():
                return


async def test_what_changed_is_there_after_a_restart_and_what_did_not_is_as_the_settings_say(tmp_path: Path) -> None:
    path = tmp_path / "made" / "state.json"
    state = RobotState()
    state.update(volume=80, muted=False)
    async with keeping(path, state) as first:
        assert first == NOTHING
        state.update(emotion="happy", camera_wanted=False)
        await eventually(path.exists)
    assert json.loads(path.read_text()) == {"version": 1, "camera": False, "emotion": "happy"}
    assert path.stat().st_mode & 0o777 == 0o600
    async with keeping(path, RobotState()) as second:
        assert second == SavedState(camera=False, emotion="happy")


async def test_the_last_change_is_written_when_the_robot_leaves(tmp_path: Path) -> None:
    state = RobotState()
    async with keeping(tmp_path / "state.json", state, WriteSchedule(settle_s=3600.0)):
        state.update(emotion="sad")
    assert parse((tmp_path / "state.json").read_bytes()) == SavedState(emotion="sad")


async def test_nothing_is_written_as_long_as_nothing_has_changed(tmp_path: Path) -> None:
    state = RobotState()
    async with keeping(tmp_path / "state.json", state):
        state.update(viewers=1, mcp_connected=True)
    assert names(tmp_path) == []


def _newer(path: Path) -> None:
    path.write_text('{"version": 7, "camera": {"front": true}}')


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda path: path.write_bytes(b'{"version": 1, "cam'), "It is damaged: it is not JSON."),
        (_newer, "It was written by a newer robot-node: it has version 7, not 1."),
        (lambda path: path.mkdir(), "Is a directory."),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links."),
    ],
)
async def test_a_file_that_cannot_be_read_is_one_line_in_the_log_and_the_camera_stays_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, break_it: Callable[[Path], None], reason: str
) -> None:
    path = tmp_path / "state.json"
    break_it(path)
    async with keeping(path, RobotState()) as saved:
        assert saved == SavedState(camera=False)
    (line,) = [record.getMessage() for record in caplog.records if "cannot be read" in record.getMessage()]
    assert str(path) in line
    assert reason in line


async def test_a_damaged_file_is_whole_again_after_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"\0" * 100)
    async with keeping(path, RobotState()):
        await eventually(lambda: path.read_bytes() == dump(SavedState(camera=False)))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "robot-node-test", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(1024)):
            pass
    return filler


def names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)


async def test_a_full_disk_is_reported_once_and_survived_and_what_was_kept_stays(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path, state = small_disk / "state.json", RobotState()
    async with keeping(path, state):
        state.update(emotion="happy")
        await eventually(path.exists)
        filler = fill(small_disk)
        state.update(emotion="sad")
        await until(state, lambda: "state file" in state.snapshot.faults)
        assert state.snapshot.faults == {"state file": f"The state cannot be saved to {path}: No space left on device."}
        assert parse(path.read_bytes()) == SavedState(emotion="happy")
        state.update(emotion="angry")
        filler.unlink()
        await until(state, lambda: not state.snapshot.faults)
        assert parse(path.read_bytes()) == SavedState(emotion="angry")
    messages = [record.getMessage() for record in caplog.records]
    assert len([text for text in messages if "cannot be saved" in text]) == 1
    assert len([text for text in messages if "is saved to" in text]) == 1
    assert names(small_disk) == ["state.json"]


async def test_a_read_only_disk_is_survived_and_tried_again(small_disk: Path) -> None:
    path, state = small_disk / "state.json", RobotState()
    async with keeping(path, state):
        await asyncio.to_thread(remount, small_disk, "ro")
        state.update(camera_wanted=False)
        await until(state, lambda: "Read-only file system." in state.snapshot.faults.get("state file", ""))
        await asyncio.to_thread(remount, small_disk, "rw")
        await until(state, lambda: not state.snapshot.faults)
        assert parse(path.read_bytes()) == SavedState(camera=False)


async def test_a_disk_that_hangs_holds_up_nothing(tmp_path: Path) -> None:
    disk, state = HangingDisk(tmp_path), RobotState()
    store = StateStore(disk.path, state, schedule=at_once(), limit_s=0.1)
    assert await store.load() == NOTHING
    running = asyncio.create_task(store.run())
    state.update(emotion="sad")
    await until(state, lambda: "The disk does not respond." in state.snapshot.faults.get("state file", ""))
    disk.respond()
    await until(state, lambda: not state.snapshot.faults)
    await stop(running)
    assert parse(disk.path.read_bytes()) == SavedState(emotion="sad")


async def test_a_change_during_a_write_is_saved_though_the_robot_is_stopped_meanwhile(tmp_path: Path) -> None:
    disk, state = HangingDisk(tmp_path), RobotState()
    async with keeping(disk.path, state):
        state.update(emotion="sad")
        await eventually(disk.is_written_to)
        state.update(camera_wanted=False)
        asyncio.get_running_loop().call_later(0.1, disk.respond)
    assert parse(disk.path.read_bytes()) == SavedState(camera=False, emotion="sad")


async def test_a_disk_that_hangs_in_a_shutdown_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk, state = HangingDisk(tmp_path), RobotState()
    store = StateStore(disk.path, state, schedule=at_once(), limit_s=0.2)
    await store.load()
    running = asyncio.create_task(store.run())
    state.update(emotion="sad")
    await eventually(disk.is_written_to)
    async with asyncio.timeout(DEADLINE_S):
        await stop(running)
    assert "The disk does not respond." in caplog.text
    disk.respond()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_atomically(path, b"old")
    (tmp_path / ".state.json.new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert not (tmp_path / "elsewhere").exists()
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["state.json"]
