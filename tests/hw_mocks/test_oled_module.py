"""The simulated OLED modules: their wires, and the picture for those outside of the process."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from PIL import Image

from hw_mocks.i2c import SimulatedI2cAdapter
from hw_mocks.oled import ControllerName, SimulatedOled
from robot_node.devices import oled as driver
from tests.hw_mocks.oled_bench import (
    ADDRESS,
    COMMANDS,
    UPRIGHT,
    a_picture,
    controllers,
    lit_points,
    same,
    upright,
    wired,
)


class TestPlugAndClock:
    """The module's wires."""

    def test_nobody_answers_at_another_address(self) -> None:
        adapter = SimulatedI2cAdapter({ADDRESS: SimulatedOled()})
        with pytest.raises(OSError, match="Remote I/O error"):
            adapter.write(0x3D, b"\x00\xaf")

    @pytest.mark.parametrize("code", [errno.EREMOTEIO, errno.EIO, errno.ENXIO, errno.ETIMEDOUT])
    def test_an_unplugged_module_is_dark_and_does_not_answer(self, code: int) -> None:
        module, _ = upright()
        module.receive(bytes([COMMANDS, 0xA5]), timeout_s=1)
        module.unplug(code)
        assert module.picture().getbbox() is None
        with pytest.raises(OSError, match=r".") as refused:
            module.receive(bytes([COMMANDS, 0xE3]), timeout_s=1)
        assert refused.value.errno == code
        with pytest.raises(OSError, match=r"."):
            module.status(timeout_s=1)

    @controllers
    def test_a_module_that_is_plugged_in_anew_has_lost_everything(self, controller: ControllerName) -> None:
        module, serial = upright(controller)
        assert module.status(timeout_s=1) & 0x40 == 0
        module.unplug()
        module.plug()
        assert module.status(timeout_s=1) & 0x40
        assert module.picture().getbbox() is None
        serial.command(*UPRIGHT[controller])
        assert 1000 < len(lit_points(module)) < 7000  # noise

    def test_a_held_clock_ends_in_a_time_out(self) -> None:
        module = SimulatedOled()
        adapter = SimulatedI2cAdapter({ADDRESS: module}, timeout_s=0.01)
        module.hold_clock()
        with pytest.raises(TimeoutError):
            adapter.write(ADDRESS, bytes([COMMANDS, 0xE3]))
        module.release_clock()
        adapter.write(ADDRESS, bytes([COMMANDS, 0xE3]))


class TestPictureFile:
    """The picture for those outside of the process."""

    def test_it_always_holds_what_is_seen(self, tmp_path: Path) -> None:
        file = tmp_path / "new" / "face.png"
        module = SimulatedOled(picture_file=file)
        assert Image.open(file).getbbox() is None
        _, serial = wired(module)
        device = driver.create("ssd1306", serial, width=128, height=64, rotate=0)
        device.display(a_picture())
        assert same(Image.open(file), a_picture())
        module.unplug()
        assert Image.open(file).getbbox() is None
        assert [path.name for path in file.parent.iterdir()] == ["face.png"]

    def test_it_is_written_only_when_something_changed(self, tmp_path: Path) -> None:
        file = tmp_path / "face.png"
        _, serial = wired(SimulatedOled(picture_file=file))
        device = driver.create("ssd1306", serial, width=128, height=64, rotate=0)
        device.display(a_picture())
        written = file.stat().st_mtime_ns, file.stat().st_ino
        device.display(a_picture())
        assert (file.stat().st_mtime_ns, file.stat().st_ino) == written

    def test_a_file_that_cannot_be_written_is_no_fault_of_the_display(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        folder = tmp_path / "gone"
        module = SimulatedOled(picture_file=folder / "face.png")
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        _, serial = wired(module)
        driver.create("ssd1306", serial, width=128, height=64, rotate=0).display(a_picture())
        assert same(module.picture(), a_picture())
        assert "Cannot write" in caplog.text
