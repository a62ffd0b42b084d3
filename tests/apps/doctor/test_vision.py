"""The doctor on motion and object detection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.examination import examine
from robot_node.apps.doctor.findings import Finding
from robot_node.apps.doctor.service import service_of
from robot_node.apps.doctor.vision import check_vision
from tests.apps.doctor.pi import Pi, by_check

MOTION: dict[str, Any] = {"motion": {"enabled": True}}


async def _examined(pi: Pi) -> dict[str, Finding]:
    found: list[Finding] = []
    await check_vision(Case(pi.settings, pi.platform, pi.machine, service_of(pi.machine), found.append))
    return by_check(found)


def _onnx(model: Path, **more: Any) -> dict[str, Any]:
    return {"detection": {"engine": "onnx", "model": str(model), **more}}


async def test_what_is_not_enabled_is_not_checked(tmp_path: Path) -> None:
    assert await _examined(Pi.in_good_health(tmp_path)) == {}


async def test_all_is_well(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"model")
    found = await _examined(Pi.in_good_health(tmp_path / "pi", **MOTION, **_onnx(model)))
    assert set(found) == {"motion", "detection"}
    assert all(finding.ok for finding in found.values())
    assert str(model) in found["detection"].detail


@pytest.mark.parametrize(
    ("settings", "check", "package"),
    [
        (MOTION, "motion", "numpy"),
        (_onnx(Path("/m.onnx")), "detection", "onnxruntime"),
    ],
)
async def test_a_missing_package_is_found_with_what_installs_it(
    tmp_path: Path, settings: dict[str, Any], check: str, package: str
) -> None:
    pi = Pi.in_good_health(tmp_path, **settings)
    pi.changed(version_of=lambda _name: None)
    found = await _examined(pi)
    assert not found[check].ok
    assert f"pip install {package}" in found[check].remedy


async def test_a_model_that_is_missing_or_another_one_is_found(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    found = await _examined(Pi.in_good_health(tmp_path / "a", **_onnx(model)))
    assert "cannot be read" in found["detection"].detail
    model.write_bytes(b"another")
    found = await _examined(Pi.in_good_health(tmp_path / "b", **_onnx(model, model_checksum="0" * 64)))
    assert "SHA-256" in found["detection"].detail


async def test_on_a_board_that_is_no_pi_too(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path, **MOTION, broker={"url": "mqtt://127.0.0.1:1"})
    pi.remove("proc/device-tree/model")
    found: list[Finding] = []
    other = replace(pi.platform, name="another board")
    await examine(pi.settings, other, found.append, machine=pi.machine, has_robot=False)
    checks = by_check(found)
    assert checks["motion"].ok
    assert "HD Pro Webcam C920" in checks["video devices"].detail
