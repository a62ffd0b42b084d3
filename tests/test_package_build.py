"""What a package goes without when the console's page cannot be built."""

from __future__ import annotations

from pathlib import Path

import pytest
from hatchling.bridge.app import Application

from hatch_build import ConsoleBuildHook


@pytest.mark.parametrize("npm", ["#!/bin/sh\nexit 1\n", None])
def test_a_robot_can_be_installed_where_npm_is_missing_or_fails(
    npm: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "robot_node/console").mkdir(parents=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    if npm is not None:
        (tmp_path / "npm").write_text(npm)
        (tmp_path / "npm").chmod(0o755)
    hook = ConsoleBuildHook(str(tmp_path), {}, None, None, str(tmp_path), "wheel", Application())  # type: ignore[arg-type]  # not asked for
    hook.initialize("standard", {})
    said = capsys.readouterr()
    assert "without the console's page" in said.out + said.err
    assert ("'npm install --no-save' failed" in said.out + said.err) == (npm is not None)
