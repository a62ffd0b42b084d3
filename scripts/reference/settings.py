"""The page of all settings: keys, ranges and defaults from the code, meanings from the commented settings file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from robot_node.errors import SettingsError
from robot_node.settings.root import ENV_PREFIX, Settings
from scripts.reference.schema import Property, Schema, named_below, properties, summary, table

SHIPPED = Path(__file__).parents[2] / "config" / "robot-node.toml"

_HEAD = """\
# Settings

Every setting of a robot, made from the code by `make reference`.
[config/robot-node.toml](../../config/robot-node.toml) shows them all with their defaults, to copy from.

A setting comes from the settings file (`robot-node run --config FILE`, TOML), from the environment, or from the command
line; the latter win over the former. In the environment it is called `ROBOT_NODE_<SECTION>__<KEY>`, with two
underscores; lists and tables are written there as JSON:

```sh
export ROBOT_NODE_BROKER__URL=mqtt://127.0.0.1:1883
export ROBOT_NODE_WEBRTC__ICE_SERVERS='["stun:stun.example.org:3478"]'
```

An unknown key or a value out of its range is refused at start, with its place and the reason. Keys that end with `_s`
are seconds, with `_ms` milliseconds, with `_m` metres; bitrates are bits per second; pins are numbers of GPIOs, not of
pins on the header ([wiring](../wiring.md) shows both).
"""
_SECTION = re.compile(r"^\[(\w+)\](?: +# (.*))?")
_KEY = re.compile(r"^(?:# )?(\w+) = ")
_MORE = re.compile(r"^#? {20,}#? *(.*)$")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_GUIDE = re.compile(r"docs/([a-z-]+)\.md")


def settings_page() -> str:
    """The page, as Markdown.

    Raises:
        SettingsError: A setting is without a comment in the settings file.
    """
    schema = Settings.model_json_schema()
    definitions: Mapping[str, Schema] = schema["$defs"]
    meanings = comments(SHIPPED.read_text(encoding="utf-8"))
    lines = [_HEAD]
    for section in Settings.model_fields:
        if "$ref" not in schema["properties"][section]:  # tables of the user's names, each as another section is
            lines += ["", f"## [{section}]", "", *_linked(_sentence(meanings[section, ""]))]
            continue
        described = definitions[schema["properties"][section]["$ref"].rpartition("/")[2]]
        said = summary(described)
        lines += ["", f"## [{section}]", "", said, *_linked(_sentence(_beyond(said, meanings[section, ""]))), ""]
        rows = [_row(section, key, meanings) for key in properties(described, definitions)]
        if rows:
            lines += table(("key", "may be", "default", "meaning"), rows)
        for name, nested in named_below(described, definitions):
            lines += ["", f"### {name}", "", summary(nested), ""]
            lines += table(("key", "may be", "default"), (_nested_row(key) for key in properties(nested, definitions)))
    return "\n".join(lines) + "\n"


def _row(section: str, key: Property, meanings: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    meaning = meanings.get((section, key.name), "") or key.meaning
    if not meaning:
        raise SettingsError(
            f"{section}.{key.name} has no comment.",
            remedy=f"Write one next to it in {SHIPPED.name}, or as its description.",
        )
    variable = f"{ENV_PREFIX}{section}__{key.name}".upper()
    return f"`{key.name}`<br>`{variable}`", key.kind, _default(section, key), *_linked(meaning)


def _beyond(summary: str, comment: str) -> str:
    """What a section's comment says beyond its summary."""
    begin, _, rest = comment.partition("; ")
    return rest if rest and begin.lower() in summary.lower() else comment


def _sentence(text: str) -> str:
    begin = text[:1] if _GUIDE.match(text) else text[:1].upper()
    return f"{begin}{text[1:].rstrip('.')}." if text else ""


def _linked(text: str) -> list[str]:
    return [_GUIDE.sub(r"[docs/\1.md](../\1.md)", text)] if text else []


def _nested_row(key: Property) -> tuple[str, str, str]:
    return f"`{key.name}`", key.kind, "(needed)" if key.required else _default("", key)


def _default(section: str, key: Property) -> str:
    if key.default in {"", "null"}:
        return ""
    if (section, key.name) in {("robot", "server_id"), ("robot", "server_name")}:  # with the name of this machine
        prefix = {"server_id": "robot-node-", "server_name": "robot-node/"}[key.name]
        return f"`{prefix}<host name>`"
    if (section, key.name) == ("display", "address"):  # as i2cdetect and the settings file write it
        return f"`0x{int(key.default):02X}`"
    return f"`{key.default}`"


def comments(text: str) -> dict[tuple[str, str], str]:
    """What the comments of a settings file say, by section and key.

    A key's comment follows it, and continues in further lines there, or in the lines before it; a section's stands
    behind its name, and has no key.
    """
    said: dict[tuple[str, str], str] = {}
    section, key, before = "", "", list[str]()
    for line in text.splitlines():
        if found := _SECTION.match(line):
            section, before = found[1], []
            said[section, ""] = found[2] or ""
        elif found := _KEY.match(line):
            key = found[1]
            said[section, key] = _behind(line) or " ".join(before)
            before = []
        elif found := _MORE.match(line):
            said[section, key] += f" {found[1]}"
        elif line.startswith("# "):
            before.append(line[2:])
        else:
            before = []
    return said


def _behind(line: str) -> str:
    """The comment at the end of a line; a # in quotes begins none."""
    line = line.removeprefix("# ")
    start = _QUOTED.sub(lambda quoted: "_" * len(quoted[0]), line).find("# ")
    return "" if start < 0 else line[start + 2 :]
