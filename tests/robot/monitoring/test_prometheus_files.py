"""The files for Prometheus and Grafana, as far as they can be told without them: promtool has read them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.robot.monitoring.queries import (
    PROMETHEUS,
    RULES,
    dashboard,
    dashboard_queries,
    rule_queries,
)

PROMTOOL = Path(sys.executable).parent / "promtool"
RULE_TESTS = sorted(Path(__file__).parent.glob("*alerts.test.yml"))
GRAFANA_VARIABLES = {"$instance": "robot", "$__rate_interval": "2m"}


def promtool(*arguments: str, stdin: str = "") -> str:
    """What promtool says; it must be content."""
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, input=stdin, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_settings_and_their_rules_are_valid() -> None:
    said = promtool("check", "config", "--lint-fatal", str(PROMETHEUS))
    assert f"{len(rule_queries())} rules found" in said


def test_each_alert_comes_when_it_should_and_is_quiet_otherwise() -> None:
    promtool("test", "rules", *map(str, RULE_TESTS))
    tested = "".join(file.read_text() for file in RULE_TESTS)
    names = [line.split(":")[1].strip() for line in RULES.read_text().splitlines() if "- alert:" in line]
    assert len(names) == len(rule_queries())
    assert all(tested.count(f"alertname: {name}\n") == 1 and f"alertname: {name}," in tested for name in names)


def test_every_query_of_the_dashboard_is_valid(tmp_path: Path) -> None:
    rules = ["groups:", "- name: dashboard", "  rules:"]
    for number, query in enumerate(dashboard_queries()):
        for variable, value in GRAFANA_VARIABLES.items():
            query = query.replace(variable, value)  # noqa: PLW2901  # as Grafana does
        rules += [f"  - record: query{number}", f"    expr: |\n      {query}"]
    file = tmp_path / "queries.yml"
    file.write_text("\n".join(rules) + "\n")
    assert f"{len(dashboard_queries())} rules found" in promtool("check", "rules", str(file))


def test_the_dashboard_can_be_imported_anywhere() -> None:
    board = dashboard()
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        where = panel["gridPos"]
        assert 0 < where["w"] <= 24 - where["x"]
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert {target["refId"] for target in panel["targets"]} <= set("AB")
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "instance"]
