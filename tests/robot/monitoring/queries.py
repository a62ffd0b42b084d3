"""What our dashboard and alert rules ask of Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG = Path(__file__).parents[3] / "config"
DASHBOARD = CONFIG / "grafana" / "robot-node.json"
RULES = CONFIG / "prometheus" / "robot-node.rules.yml"
PROMETHEUS = CONFIG / "prometheus" / "prometheus.yml"

MADE_BY_PROMETHEUS = {"job", "instance"}
"""Labels that Prometheus adds to what it reads."""

_METRIC = re.compile(r"\b(robot_node_\w+|process_\w+|up)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPED = re.compile(r"\bby \(([^)]*)\)")


@dataclass(frozen=True)
class Asked:
    """One metric in a query.

    Attributes:
        metric: Its name.
        labels: The labels that it must have.
        values: Values that labels must be able to have.
    """

    metric: str
    labels: frozenset[str]
    values: frozenset[tuple[str, str]]


def dashboard() -> dict[str, Any]:
    found = json.loads(DASHBOARD.read_text())
    assert isinstance(found, dict)
    return found


def dashboard_queries() -> list[str]:
    return [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]


def rule_queries() -> list[str]:
    """The expressions of the alert rules, which stand on one line or, folded, on several."""
    folded = re.sub(r">-\n((?:          .*\n)+)", lambda block: " ".join(block[1].split()) + "\n", RULES.read_text())
    return re.findall(r"^ +expr: (.+)$", folded, re.MULTILINE)


def asked_for(query: str) -> Iterator[Asked]:
    """The metrics in a query, with the labels that it selects and groups them by."""
    grouped = {label.strip() for labels in _GROUPED.findall(query) for label in labels.split(",")}
    for metric, selector in _METRIC.findall(query):
        matchers = _MATCHER.findall(selector)
        values = {
            (label, value)
            for label, operator, text in matchers
            if operator in {"=", "=~"} and label not in MADE_BY_PROMETHEUS
            for value in text.split("|")
        }
        labels = (grouped | {label for label, _, _ in matchers}) - MADE_BY_PROMETHEUS
        yield Asked(metric, frozenset(labels), frozenset(values))
