"""Temporary folders: what a process that was killed has left goes when the next one of its kind is made."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from robot_node.core.temporary_folder import TemporaryFolder

_HOLD = """
import sys
from pathlib import Path
from robot_node.core.temporary_folder import TemporaryFolder
folder = TemporaryFolder("robot-", Path(sys.argv[1]))
(folder.path / "sound.wav").write_bytes(b"RIFF")
print(folder.path, flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_stays(tmp_path: Path) -> None:
    other = tmp_path / "of-others"
    other.mkdir()
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as killed,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as living,
    ):
        assert killed.stdout is not None
        assert living.stdout is not None
        left, held = (Path(out.readline().decode().strip()) for out in (killed.stdout, living.stdout))
        assert left.is_dir()
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.is_dir()
        with TemporaryFolder("robot-", tmp_path) as folder:
            assert sorted(tmp_path.iterdir()) == sorted([other, held, folder.path])
            assert (held / "sound.wav").exists()
            assert folder.path.stat().st_mode & 0o777 == 0o700
        living.kill()
    assert sorted(tmp_path.iterdir()) == sorted([other, held])


def test_links_and_files_of_that_name_are_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / "robot-link").symlink_to(precious)
    (tmp_path / "robot-file").write_text("text")
    with TemporaryFolder("robot-", tmp_path):
        pass
    assert {each.name for each in tmp_path.iterdir()} == {"precious", "robot-link", "robot-file"}


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        TemporaryFolder("robot-", tmp_path / "missing")
