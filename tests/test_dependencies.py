"""What we stand on: the lock file is whole, licences are known, and the audit tells "none known" from "not asked"."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # ships no type information
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from robot_node.core.pip_hint import run_pip
from scripts import constraints
from scripts.audit import NONE, SOME, UNKNOWN, of_npm, of_pip_audit, report_on

ROOT = Path(__file__).parents[1]
CONSOLE = ROOT / "robot_node" / "console"
PERMISSIVE = re.compile(
    r"\b(MIT|MIT-0|MIT-CMU|BSD|0BSD|ISC|ISCL|Apache|PSF|Zlib|Python-2\.0|BlueOak-1\.0\.0|CC0-1\.0)\b"
)
DEV_ONLY = {"MPL-2.0", "CC-BY-4.0"}
"""Licences of tools that build the page and are no part of it."""


def locked() -> dict[str, dict[str, Any]]:
    packages: dict[str, dict[str, Any]] = json.loads((CONSOLE / "package-lock.json").read_text())["packages"]
    return {name.rpartition("node_modules/")[2]: entry for name, entry in packages.items() if name}


def test_every_package_of_the_page_is_locked_to_one_file_wherever_it_comes_from() -> None:
    for name, entry in locked().items():
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", entry["integrity"]), name
        assert "resolved" not in entry, f"{name}: the lock file names a registry"


def test_the_lock_file_belongs_to_package_json() -> None:
    command = ["npm", "ls", "--package-lock-only", "--all", "--json"]
    done = subprocess.run(command, cwd=CONSOLE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, json.loads(done.stdout).get("problems")


def test_the_licences_of_the_page_are_permissive() -> None:
    for name, entry in locked().items():
        assert PERMISSIVE.search(entry["license"]) or (entry.get("dev") and entry["license"] in DEV_ONLY), name


def test_the_licences_of_the_python_packages_are_permissive() -> None:
    distributions = list(constraints.installed().values())
    assert len(distributions) > 40
    for found in distributions:
        about = found.metadata
        classifiers = [each for each in about.get_all("Classifier") or () if each.startswith("License")]
        licence = about["License-Expression"] or " ".join((*classifiers, about["License"] or ""))
        assert PERMISSIVE.search(licence.replace("Python Software Foundation", "PSF")), f"{found.name}: {licence[:200]}"


def test_every_requirement_names_the_oldest_version_that_it_is_for() -> None:
    requirements = constraints.direct_requirements()
    assert len(requirements) > 10
    without = [each.name for each in requirements if not {"<", ">="} & {part.operator for part in each.specifier}]
    assert not without


def test_what_is_installed_is_what_the_constraints_say() -> None:
    assert constraints.FILE.read_text() == constraints.text(), "run 'make upgrade', or install with -c constraints.txt"


def test_every_dependency_has_a_version_that_pyproject_allows() -> None:
    pinned = {line.name: line for line in pinned_versions()}
    for requirement in constraints.direct_requirements():
        (version,) = pinned[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(version.version), requirement


def test_the_constraints_are_exact_versions_for_every_python_and_name_no_place() -> None:
    for pinned in pinned_versions():
        (specifier,) = pinned.specifier
        assert (specifier.operator, pinned.url, pinned.marker) == ("==", None, None)
        needs = SpecifierSet(metadata.metadata(pinned.name)["Requires-Python"] or "")
        assert all(needs.contains(f"{python}.9") for python in constraints.PYTHONS), pinned
    assert "//" not in constraints.FILE.read_text()


def pinned_versions() -> list[Requirement]:
    lines = constraints.FILE.read_text().splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


@pytest.mark.slow  # builds them
def test_both_packages_bring_the_constraints(tmp_path: Path) -> None:
    # Without npm on the path no page is built.
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env={"PATH": "/nowhere"})
    (sdist,), (wheel,) = tmp_path.glob("*.tar.gz"), tmp_path.glob("*.whl")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2]: name for name in archive.getnames()}
        content = archive.extractfile(names["constraints.txt"])
        assert content
        assert content.read() == constraints.FILE.read_bytes()
    packed = zipfile.ZipFile(wheel)
    assert packed.read("robot_node/constraints.txt") == constraints.FILE.read_bytes()
    # make has built the page: a Pi that installs this needs no Node.
    page = packed.read("robot_node/console/dist/index.html").decode()
    scripts = re.findall(r'src="[./]*(assets/[^"]+)"', page)
    assert scripts
    assert {f"robot_node/console/dist/{script}" for script in scripts} <= set(packed.namelist())
    assert not [name for name in packed.namelist() if name.startswith(("robot_node/console/src", "tests"))]


def test_a_command_that_an_error_suggests_installs_what_was_tested() -> None:
    assert run_pip("install sounddevice").endswith(f" -m pip install sounddevice -c {constraints.FILE}")
    assert run_pip("uninstall numpy").endswith(" -m pip uninstall numpy")


def test_make_and_the_readme_install_what_was_tested() -> None:
    installs = re.findall(
        r"pip install (?!.*(?:--no-deps|pip-audit|--upgrade|requirements-piper)).*", (ROOT / "Makefile").read_text()
    )
    assert len(installs) == 2
    assert all("--constraint constraints.txt" in line for line in installs)
    for page in ("README.md", "docs/get-started.md", "docs/install-on-a-pi.md", "docs/operations.md"):
        commands = re.findall(r"^sudo \S+/pip install .*$", (ROOT / page).read_text(), re.MULTILINE)
        assert commands
        assert all("-c constraints.txt" in line for line in commands)


OURSELVES = {"name": "robot-node", "skip_reason": "distribution marked as editable"}
CHECKED = {"name": "aiortc", "version": "1.16.0", "vulns": []}
SKIPPED = {"name": "av", "skip_reason": "Dependency not found on PyPI and could not be audited: av (18.1.0)"}
KNOWN = {"name": "pillow", "version": "10.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["10.2"], "aliases": []}]}


@pytest.mark.parametrize(
    ("packages", "status", "says"),
    [
        ([CHECKED, OURSELVES], NONE, "1 packages checked, 0 known vulnerabilities."),
        ([CHECKED, KNOWN], SOME, "pillow 10.0: PYSEC-1, mended in 10.2"),
        ([CHECKED, SKIPPED], UNKNOWN, "could not be made for 1"),
        ([SKIPPED], UNKNOWN, "could not be made for any of them:\n    Dependency not found on PyPI"),
        ([], UNKNOWN, "0 packages checked"),
        ([KNOWN, SKIPPED], SOME, "PYSEC-1"),
    ],
)
def test_what_pip_audit_could_not_ask_is_no_good_news(packages: list[dict[str, Any]], status: int, says: str) -> None:
    verdict = of_pip_audit(json.dumps({"dependencies": packages, "fixes": []}), "")
    assert verdict.status == status
    assert says in report_on("Python", verdict)


def test_an_audit_that_failed_says_why() -> None:
    assert of_pip_audit("", "Traceback: no network").unknown == ("Traceback: no network",)
    refused = {"message": "405 Method Not Allowed", "method": "POST", "statusCode": 405, "error": {"summary": ""}}
    assert of_npm(json.dumps(refused), "npm error").unknown == ("405 Method Not Allowed",)
    for nonsense in ("", "[]", "null", "{"):
        assert of_npm(nonsense, "npm error").unknown == ("npm error",)


@pytest.mark.parametrize(
    ("vulnerabilities", "status"), [({}, NONE), ({"vite": {"severity": "high", "range": "<6.4.1"}}, SOME)]
)
def test_what_npm_knows(vulnerabilities: dict[str, Any], status: int) -> None:
    report = {"vulnerabilities": vulnerabilities, "metadata": {"dependencies": {"total": 400}}}
    verdict = of_npm(json.dumps(report), "")
    assert verdict.status == status
    assert verdict.vulnerable == tuple(f"{name} <6.4.1: high" for name in vulnerabilities)


def test_the_forge_runs_what_everybody_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    runs = {name: [step.get("run") for step in job["steps"]] for name, job in workflow["jobs"].items()}
    assert ".ci/run" in runs["test"]
    assert "make audit" in runs["audit"]
    assert "\naudit:" in (ROOT / "Makefile").read_text()
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]["include"]
    assert {(each["system"], each["python"]) for each in matrix} == {("bookworm", "3.11"), ("trixie", "3.13")}
    assert workflow[True]["schedule"], "YAML 1.1 reads the key 'on' as true"
    assert workflow["permissions"] == {"contents": "read"}
