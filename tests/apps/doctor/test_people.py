"""The doctor says which clients may call the tools that are for people only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.findings import Finding, Level
from robot_node.apps.doctor.people import check_people_only
from robot_node.apps.doctor.service import service_of
from tests.apps.doctor.pi import Pi

PEOPLE = {"people": {"allowed_tools": ["call_backend"]}}
ANNA = [{"client_id": "anna-*", "role": "people"}]


def examined(folder: Path, **access: Any) -> list[Finding]:
    pi = Pi.in_good_health(folder, access=access)
    found: list[Finding] = []
    check_people_only(Case(pi.settings, pi.platform, pi.machine, service_of(pi.machine), found.append))
    return found


def test_without_such_tools_there_is_nothing_to_report(tmp_path: Path) -> None:
    assert examined(tmp_path) == []


@pytest.mark.parametrize(
    ("access", "level", "detail"),
    [
        ({"roles": PEOPLE, "clients": ANNA}, Level.OK, "anna-* may call call_backend, by the role people"),
        ({"roles": PEOPLE}, Level.NOTE, "No client's role lists call_backend."),
        ({}, Level.NOTE, "No client's role lists call_backend."),
        ({"roles": PEOPLE, "default_role": "people"}, Level.NOT_OK, "The default role people lists call_backend."),
    ],
)
def test_who_may_call_them(tmp_path: Path, access: dict[str, Any], level: Level, detail: str) -> None:
    (found,) = examined(tmp_path, people_only_tools=["call_backend"], **access)
    assert found.level is level
    assert detail in found.detail
    assert level is Level.OK or (found.why and found.remedy)
