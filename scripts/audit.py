"""``make audit``: known vulnerabilities of the packages that are installed here, by pip-audit and npm audit.

Exit status 0: none known; 1: some are; 2: somebody could not be asked, so that nothing is known. pip-audit itself calls
the last "No known vulnerabilities found".
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PIP_AUDIT = ROOT / "build" / "audit" / "bin" / "pip-audit"
CONSOLE = ROOT / "robot_node" / "console"
NONE, SOME, UNKNOWN = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit found.

    Attributes:
        checked: How many packages were checked.
        vulnerable: A line for each known vulnerability.
        unknown: Why a package could not be checked, or all of them.
    """

    checked: int
    vulnerable: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        """As the exit status has it."""
        return SOME if self.vulnerable else UNKNOWN if self.unknown or not self.checked else NONE


def of_pip_audit(report: str, complaint: str) -> Verdict:
    """Read what ``pip-audit --format json`` has printed to stdout and stderr."""
    try:
        dependencies = [package for package in json.loads(report)["dependencies"] if package["name"] != "robot-node"]
    except (ValueError, KeyError, TypeError):
        return Verdict(0, unknown=(complaint.strip() or "pip-audit has said nothing.",))
    vulnerable = tuple(
        f"{package['name']} {package['version']}: {known['id']}, mended in {', '.join(known['fix_versions']) or 'none'}"
        for package in dependencies
        for known in package.get("vulns", ())
    )
    unknown = tuple(package["skip_reason"] for package in dependencies if "skip_reason" in package)
    return Verdict(len(dependencies) - len(unknown), vulnerable, unknown)


def of_npm(report: str, complaint: str) -> Verdict:
    """Read what ``npm audit --json`` has printed to stdout and stderr."""
    try:
        read = json.loads(report)
        vulnerable = tuple(
            f"{name} {known['range']}: {known['severity']}" for name, known in read["vulnerabilities"].items()
        )
        return Verdict(read["metadata"]["dependencies"]["total"], vulnerable)
    except (ValueError, KeyError, TypeError, AttributeError):
        reason = read.get("message") if isinstance(read := _json(report), dict) else None
        return Verdict(0, unknown=(reason or complaint.strip() or "npm audit has said nothing.",))


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def report_on(what: str, verdict: Verdict) -> str:
    """For people."""
    lines = [f"{what}: {verdict.checked} packages checked, {len(verdict.vulnerable)} known vulnerabilities."]
    lines += [f"  {line}" for line in verdict.vulnerable]
    if verdict.unknown:
        lines.append(f"  The audit could not be made for {len(verdict.unknown) if verdict.checked else 'any of them'}:")
        lines += [f"    {reason}" for reason in verdict.unknown[:3]]
    return "\n".join(lines)


def _run(command: Sequence[str | Path], folder: Path) -> tuple[str, str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout, done.stderr


def main() -> int:
    """Audit both, print what was found, and return the exit status."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    options = ("--vulnerability-service", "pypi", "--skip-editable", "--format", "json", "--progress-spinner", "off")
    verdicts = {
        "Python": of_pip_audit(*_run((PIP_AUDIT, "--path", packages, *options), ROOT)),
        "npm": of_npm(*_run(("npm", "audit", "--json"), CONSOLE)),
    }
    for what, verdict in verdicts.items():
        sys.stdout.write(f"{report_on(what, verdict)}\n")
    statuses = {verdict.status for verdict in verdicts.values()}
    if UNKNOWN in statuses:
        sys.stdout.write(
            "The audit is not complete: this machine does not reach a service that knows vulnerabilities.\n"
        )
    return SOME if SOME in statuses else max(statuses)


if __name__ == "__main__":
    sys.exit(main())
