"""What a release is made with: its notes, its workflow, and installers that write at the same time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts import release_notes
from scripts.release_notes import notes

ROOT = Path(__file__).parents[1]
CHANGELOG = """\
# Changelog

## Unreleased

* new

## 0.2.0 (2026-12-01)

* two
  lines

### Removed

* old

## 0.2.0rc1

* candidate
"""


def test_the_notes_are_the_section_of_the_version() -> None:
    assert notes(CHANGELOG, "0.2.0", "v0.2.0") == "* two\n  lines\n\n### Removed\n\n* old\n"
    assert notes(CHANGELOG, "0.2.0rc1", "v0.2.0rc1") == "* candidate\n"
    assert notes(CHANGELOG, "0.3.0") == "* new\n"


def test_a_release_whose_tag_or_notes_do_not_fit_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"tag v0\.2\.1 is not v0\.2\.0"):
        notes(CHANGELOG, "0.2.0", "v0.2.1")
    with pytest.raises(ValueError, match=r"Rename '## Unreleased' to '## 0\.3\.0'"):
        notes(CHANGELOG, "0.3.0", "v0.3.0")


def test_the_present_changelog_has_notes() -> None:
    assert notes((ROOT / "CHANGELOG.md").read_text(), release_notes.version()).startswith("* ")


def test_the_workflow_runs_the_tests_before_it_builds_and_builds_before_it_publishes() -> None:
    workflow = (ROOT / ".github/workflows/release.yml").read_text()
    jobs = re.split(r"^  (\w+):$", workflow.partition("\njobs:\n")[2], flags=re.MULTILINE)[1:]
    steps = dict(zip(jobs[::2], jobs[1::2], strict=True))
    assert list(steps) == ["test", "build", "publish"]
    assert ".ci/run" in steps["test"]
    assert "needs: test" in steps["build"]
    assert "make dist" in steps["build"]
    assert "needs: build" in steps["publish"]
    assert "contents: write" not in steps["test"] + steps["build"]
    modules = re.findall(r"python3 -m (\S+)", workflow)
    assert modules
    assert all((ROOT / f"{module.replace('.', '/')}.py").is_file() for module in modules)


_INSTALLER = """\
#!/bin/sh
case "$*" in
  *"-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  *install*) for n in 1 2 3 4 5 6 7 8; do printf "{name} "; sleep 0.01; echo "line"; done ;;
  *build*) mkdir -p dist; touch dist/index.html ;;
esac
"""


def test_two_installers_at_once_do_not_write_into_each_others_lines(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("python3", "npm"):
        (tmp_path / "bin" / name).write_text(_INSTALLER.replace("{name}", name))
        (tmp_path / "bin" / name).chmod(0o755)
    for name in ("mosquitto", "node"):
        (tmp_path / "bin" / name).symlink_to("/bin/true")
    for name in ("Makefile", "scripts/need", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    console = tmp_path / "robot_node/console"
    (console / "src").mkdir(parents=True)
    (console / "public").mkdir()
    for name in ("package.json", "package-lock.json", "index.html", "vite.config.ts", "tsconfig.json"):
        (console / name).touch()
    (console / "node_modules").mkdir()
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    made = subprocess.run(["make", "setup"], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert made.returncode == 0, made.stderr
    lines = [line for line in made.stdout.splitlines() if line.endswith(" line")]
    assert sorted(lines) == ["npm: npm line"] * 8 + ["pip: python3 line"] * 8
    (tmp_path / "bin/npm").write_text("#!/bin/sh\nexit 1\n")
    shutil.rmtree(console / "node_modules")
    (console / "node_modules").mkdir()
    failed = subprocess.run(["make", "setup"], cwd=tmp_path, capture_output=True, check=False, env=environment)
    assert failed.returncode != 0  # behind the pipe, too
