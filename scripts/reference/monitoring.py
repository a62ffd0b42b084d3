"""The page of all metrics and of the health message: what a robot exports, made by the robot's own code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import Metric

from robot_node.core.counters import Outcome
from robot_node.devices.board import BoardReadings, Throttling
from robot_node.robot.monitoring.figures import Figures, figures_of
from robot_node.robot.monitoring.metrics import RobotCollector
from robot_node.robot.telemetry import Telemetry
from scripts.reference.schema import Property, Schema, named_below, properties, summary, table

_HEAD = """\
# Metrics and health

The robot's metrics and health message, generated from the code by `make reference`. Setup: [monitoring](../monitoring.md).

## Metrics

At `/metrics` of the port in `[metrics]`, in the formats of Prometheus and OpenMetrics. Counters begin with 0 when the
robot starts. No label holds the id of an agent or viewer, and no value is made up by one: tools that the robot does not
have are counted together as `other`. A metric without a value yet (nobody watches, not a Raspberry Pi) is left out.
"""

_HEALTH = """
## Health message

JSON, retained at `robot-node/<server_id>/health` while `[health]` is enabled. It expires after three intervals, and is
taken back when the robot leaves. Counts begin with 0 when the robot starts.
"""

_MOST_VALUES = 12


async def monitoring_page() -> str:
    """The page, as Markdown."""
    lines = [_HEAD, *table(("metric", "type", "labels", "meaning"), (_row(metric) for metric in await _metrics()))]
    schema: Schema = Figures.model_json_schema()
    definitions: Mapping[str, Schema] = schema["$defs"]
    lines += [_HEALTH, *_fields(schema, definitions)]
    for name, nested in named_below(schema, definitions):
        lines += ["", f"### {name}", "", summary(nested), "", *_fields(nested, definitions)]
    return "\n".join(lines) + "\n"


async def _metrics() -> list[Metric]:
    telemetry = Telemetry()
    telemetry.counters.register_tools(["take_photo"])
    telemetry.counters.record_tool_call("take_photo", Outcome.OK, 0.1)
    figures = figures_of(telemetry, BoardReadings(48.7, Throttling(0), Throttling(0)), "robot-node-kitchen")
    return list(RobotCollector(lambda: figures).collect())


def _row(metric: Metric) -> tuple[str, str, str, str]:
    names = metric.name + {"counter": "_total", "info": "_info"}.get(metric.type, "")
    return f"`{names}`", metric.type, "<br>".join(_labels(metric)), metric.documentation


def _labels(metric: Metric) -> Iterator[str]:
    values: dict[str, dict[str, None]] = {}
    for sample in metric.samples:
        for label, value in sample.labels.items():
            if not (metric.type == "histogram" and label == "le"):
                values.setdefault(label, {})[value] = None
    for label, found in values.items():
        known = 1 < len(found) <= _MOST_VALUES
        yield f"`{label}`" + (": " + ", ".join(f"`{value}`" for value in found) if known else "")


def _fields(schema: Schema, definitions: Mapping[str, Schema]) -> list[str]:
    return table(("field", "may be", "meaning"), (_field(field) for field in properties(schema, definitions)))


def _field(field: Property) -> tuple[str, str, str]:
    return f"`{field.name}`", field.kind + (", or null" if field.nullable else ""), field.meaning
