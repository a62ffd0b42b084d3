"""``robot-node setup --update``: what is switched, what is carried over, and the way back; with programs in shell."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from robot_node.apps.setup import survey
from robot_node.apps.setup.executor import Executor
from robot_node.apps.setup.survey import Entry, Machine
from robot_node.apps.setup.update import linked_program, plan_update, run_update, service_program
from robot_node.errors import SetupError

# "venv" makes an environment from the folder "next", "pip install" writes down what it was given.
_PYTHON = """\
#!/bin/sh
self=$(dirname "$(dirname "$0")")
case "$2 $3" in
  "venv "*) for new; do :; done; cp -r "{tmp}/next" "$new"; echo "$*" > "$new/venv.log" ;;
  "pip install") shift 5; echo "$*" >> "$self/pip.log" ;;
  "pip freeze") cat "$self/packages" ;;
esac
"""
_ROBOT_NODE = """\
#!/bin/sh
cat "$(dirname "$(dirname "$0")")/doctor"
exit 1
"""
_SYSTEMCTL = """\
#!/bin/sh
echo "$*" >> "{tmp}/systemctl.log"
case "$1" in
  is-active) cat "{tmp}/active"; [ "$(cat "{tmp}/active")" = active ] ;;
  start) [ ! -e "{tmp}/opt/.venv/broken" ] || { echo "Job for robot-node.service failed" >&2; exit 1; } ;;
esac
"""


@dataclass(frozen=True)
class Site:
    """A machine whose robot starts from ``opt/.venv``."""

    tmp: Path

    @property
    def link(self) -> Path:
        return self.tmp / "opt/.venv"

    @property
    def folders(self) -> set[str]:
        return {path.name for path in (self.tmp / "opt").iterdir()}

    def environment(self, folder: Path, *, packages: str = "", faults: dict[str, str] | None = None) -> Path:
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        for name, text in (("python", _PYTHON), ("robot-node", _ROBOT_NODE)):
            (folder / "bin" / name).write_text(text.replace("{tmp}", str(self.tmp)))
            (folder / "bin" / name).chmod(0o755)
        (folder / "pyvenv.cfg").write_text("include-system-site-packages = true\n")
        (folder / "packages").write_text(packages)
        findings = [{"check": "camera", "ok": True, "detail": "It is there."}]
        findings += [{"check": check, "ok": False, "detail": text} for check, text in (faults or {}).items()]
        (folder / "doctor").write_text(json.dumps(findings))
        return folder

    def wheel(self, version: str) -> Path:
        wheel = self.tmp / f"robot_node-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("robot_node/constraints.txt", "# tested\nsounddevice==0.5.9\n")
        return wheel

    def update(self, version: str) -> list[str]:
        reported: list[str] = []
        planned = plan_update(str(self.link / "bin/robot-node"), self.wheel(version))
        run_update(planned, Executor(Path("/")), reported.append)
        return reported

    def systemctl(self) -> list[str]:
        log = self.tmp / "systemctl.log"
        calls = [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []
        log.unlink(missing_ok=True)
        return calls


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/systemctl").write_text(_SYSTEMCTL.replace("{tmp}", str(tmp_path)))
    (tmp_path / "bin/systemctl").chmod(0o755)
    (tmp_path / "active").write_text("active\n")
    made.environment(made.link)
    made.environment(tmp_path / "next")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return made


def test_a_version_is_installed_beside_switched_to_and_the_one_before_is_kept(site: Site) -> None:
    assert "Version 0.2.0 is online." in site.update("0.2.0")[-1]
    assert site.link.readlink() == Path("robot-node-0.2.0")
    assert site.folders == {".venv", "robot-node-0.2.0", "robot-node-previous"}
    assert site.systemctl() == ["is-active", "stop", "start"]
    assert "--system-site-packages" in (site.link / "venv.log").read_text()
    site.update("0.3.0")
    assert site.link.readlink() == Path("robot-node-0.3.0")
    assert site.folders == {".venv", "robot-node-0.2.0", "robot-node-0.3.0"}
    site.update("0.3.0")  # the same one again
    assert site.link.readlink() == Path("robot-node-0.3.0-2")


def test_the_tested_versions_are_installed_and_what_was_added_by_hand_too(site: Site) -> None:
    own = "robot-node @ file:///clone\npip==23.2\nmcp==2.3.0\n"
    site.environment(site.link, packages=f"{own}sounddevice==0.4.0\nMy_Arm @ file:///home/anna/arm\n")
    site.environment(site.tmp / "next", packages=f"{own}anyio==4.0\n")
    site.update("0.2.0")
    wheel, added = (site.link / "pip.log").read_text().splitlines()
    assert wheel.startswith("--constraint ")
    assert wheel.endswith("/robot_node-0.2.0-py3-none-any.whl")
    assert added.startswith("--constraint ")
    assert added.endswith("constraints.txt My_Arm @ file:///home/anna/arm sounddevice")


@pytest.mark.parametrize("updates_before", [0, 1])
def test_a_robot_that_does_not_come_online_is_given_back_its_version(site: Site, updates_before: int) -> None:
    for _ in range(updates_before):
        site.update("0.1.9")
    before = site.link.resolve(), (site.link / "packages").read_text()
    site.systemctl()
    site.environment(site.tmp / "next", packages="a==1\n")
    (site.tmp / "next/broken").touch()
    with pytest.raises(
        SetupError, match=r"0\.2\.0 did not come online; the previous version runs again\..*Job for robot"
    ):
        site.update("0.2.0")
    assert site.systemctl() == ["is-active", "stop", "start", "stop", "start"]
    assert (site.link / "packages").read_text() == before[1]
    assert "robot-node-0.2.0" not in site.folders
    if updates_before:
        assert site.link.resolve() == before[0]
    (site.tmp / "next/broken").unlink()
    site.update("0.2.1")  # the next one is not hindered
    assert site.link.readlink() == Path("robot-node-0.2.1")


def test_a_fault_that_only_the_new_version_finds_ends_the_update_before_the_switch(site: Site) -> None:
    site.environment(site.link, faults={"display": "No display."})
    site.environment(site.tmp / "next", faults={"display": "No display.", "settings": "camera.number is unknown."})
    with pytest.raises(SetupError, match=r"settings: camera\.number is unknown\.") as refused:
        site.update("0.2.0")
    assert "display" not in str(refused.value)
    assert site.systemctl() == ["is-active"]
    assert site.folders == {".venv"}
    site.environment(site.tmp / "next", faults={"display": "No display."})
    site.update("0.2.0")


def test_a_version_whose_doctor_does_not_run_is_not_switched_to(site: Site) -> None:
    (site.tmp / "next/doctor").write_text("Traceback")
    with pytest.raises(SetupError, match="does not run"):
        site.update("0.2.0")
    assert site.systemctl() == ["is-active"]
    assert site.folders == {".venv"}


def test_a_robot_that_is_not_online_is_not_updated(site: Site) -> None:
    (site.tmp / "active").write_text("activating\n")
    with pytest.raises(SetupError, match="not online now"):
        site.update("0.2.0")
    assert site.folders == {".venv"}


def test_what_is_no_wheel_of_robot_node_is_refused(site: Site) -> None:
    program = str(site.link / "bin/robot-node")
    text = site.tmp / "robot_node-1.0-py3-none-any.whl"
    text.write_text("not a zip file")
    for wheel in (Path("robot_node.whl"), Path("numpy-2.0-py3-none-any.whl"), text, Path("robot_node-1.0.tar.gz")):
        with pytest.raises(SetupError, match="not a wheel of robot-node"):
            plan_update(program, wheel)
    with pytest.raises(SetupError, match="not in a virtual environment"):
        plan_update("/usr/bin/robot-node", site.wheel("1.0"))


def test_the_program_of_the_service_is_found_also_through_the_link(site: Site) -> None:
    unit = Entry(0o644, 0, 0, "[Service]\nExecStart=/opt/robot-node/.venv/bin/robot-node run --config x\n")
    drop_in = Entry(0o644, 0, 0, "[Service]\nExecStart=\nExecStart=/srv/x/bin/robot-node run\n")
    assert service_program(Machine(entries={survey.UNIT_FILE: unit})) == survey.PROGRAM
    both = Machine(entries={survey.UNIT_FILE: unit, survey.DROP_IN: drop_in})
    assert service_program(both) == "/srv/x/bin/robot-node"
    with pytest.raises(SetupError, match="not installed as a service"):
        service_program(Machine())
    program = site.link / "bin/robot-node"
    assert linked_program(program) == program
    site.update("0.2.0")
    assert linked_program(site.link.resolve() / "bin/robot-node") == program
