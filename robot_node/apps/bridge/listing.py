"""The tools or resources that a robot offers, as far as an agent can use them. Pure.

Clients validate a list as a whole: a single malformed tool would cost the agent the tools of all robots. So each is
validated on its own, with the SDK's types of all protocol versions, and left out when it does not fit.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pydantic_core
from mcp_types.methods import SERVER_RESULTS
from pydantic import TypeAdapter, ValidationError

from robot_node.core.text import escaped, one_line

Params = dict[str, Any]

MAX_ITEMS = 128
"""Most items of a list per robot."""
MAX_ITEM_BYTES = 32 * 1024
"""Largest tool or resource, as JSON."""
MAX_LIST_BYTES = 256 * 1024
"""Largest list per robot, as JSON."""
_MAX_NAME = 1024
_MAX_TITLE = 200
_MAX_REASONS = 8
_SHOWN_NAME = 60


class Kind(NamedTuple):
    """A kind of list.

    Attributes:
        method: The request for it.
        member: Member of the result with the items.
        key: Member of an item that identifies it.
    """

    method: str
    member: str
    key: str


TOOLS = Kind("tools/list", "tools", "name")
RESOURCES = Kind("resources/list", "resources", "uri")
TEMPLATES = Kind("resources/templates/list", "resourceTemplates", "uriTemplate")

_VALIDATORS: dict[Kind, list[TypeAdapter[Any]]] = {
    kind: [
        TypeAdapter(result_type)  # type: ignore[arg-type]  # mypy takes no union for a type
        for result_type in {of for (method, _), of in SERVER_RESULTS.items() if method == kind.method}
    ]
    for kind in (TOOLS, RESOURCES, TEMPLATES)
}
# The SDK's type is str; other SDKs validate it.
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)")
# What results of 2026-07-28 need.
_ENVELOPE: Params = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}


class Listing:
    """A list of one robot, page by page.

    Attributes:
        items: The items that agents get.
    """

    def __init__(self, kind: Kind) -> None:
        self.items: list[Params] = []
        self.is_full = False
        self._kind = kind
        self._keys: set[str] = set()
        self._bytes = 0
        self._reasons: list[str] = []
        self._omitted = 0

    @property
    def left_out(self) -> list[str]:
        """What was left out, and why: short lines."""
        more = self._omitted - len(self._reasons)
        return [*self._reasons, *([f"{more} more of its {self._kind.member}"] if more else [])]

    def add(self, page: object) -> None:
        """Add the items of a page."""
        if not isinstance(page, list):
            self._leave_out(self._kind.member, "not a list")
            return
        for item in page:
            if self.is_full:
                self._omitted += 1
            else:
                self._add(item)

    def _add(self, item: object) -> None:
        key = item.get(self._kind.key) if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(key, str):
            self._leave_out(self._kind.member, f"an item without {self._kind.key}")
        elif key in self._keys:
            self._leave_out(key, "listed twice")
        elif reason := self._unusable(key, item):
            self._leave_out(key, reason)
        elif len(self.items) >= MAX_ITEMS:
            self.is_full = True
            self._leave_out(key, f"more than {MAX_ITEMS} {self._kind.member}")
        else:
            self._keep(key, _without_control_characters(self._kind, item))

    def _keep(self, key: str, item: Params) -> None:
        size = len(pydantic_core.to_json(item))
        if size > MAX_ITEM_BYTES:
            self._leave_out(key, f"it has {size} bytes; the limit is {MAX_ITEM_BYTES}")
        elif self._bytes + size > MAX_LIST_BYTES:
            self.is_full = True
            self._leave_out(key, f"all {self._kind.member} together may have {MAX_LIST_BYTES} bytes")
        else:
            self._bytes += size
            self._keys.add(key)
            self.items.append(item)

    def _unusable(self, key: str, item: Params) -> str:
        if len(key) > _MAX_NAME:
            return f"its {self._kind.key} has {len(key)} characters"
        if self._kind is not TOOLS and not key.isprintable():
            return f"its {self._kind.key} has control characters"
        result = pydantic_core.to_json(_ENVELOPE | {self._kind.member: [item]})
        for validator in _VALIDATORS[self._kind]:
            try:
                # Strict, and as JSON, which has no tuples: other SDKs take no "5" for 5.
                validator.validate_json(result, strict=True, by_name=False)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                where = ".".join(str(part) for part in first["loc"][2:5])
                return f"{where}: {first['msg']}" if where else first["msg"]
        modified = (item.get("annotations") or {}).get("lastModified")
        if isinstance(modified, str) and not _ISO_TIME.fullmatch(modified):
            return "annotations.lastModified: not an ISO 8601 time"
        return ""

    def _leave_out(self, name: str, reason: str) -> None:
        self._omitted += 1
        if len(self._reasons) < _MAX_REASONS:
            self._reasons.append(f"{one_line(name, _SHOWN_NAME)} ({one_line(reason, 160)})")


def _without_control_characters(kind: Kind, item: Params) -> Params:
    """Escape control and bidirectional characters in the texts that people read."""
    changed: Params = {}
    for member in ("title", "name") if kind is not TOOLS else ("title",):  # names of tools are replaced anyway
        if isinstance(text := item.get(member), str):
            changed[member] = one_line(text, _MAX_TITLE)
    if isinstance(description := item.get("description"), str):
        changed["description"] = "\n".join(escaped(line) for line in description.split("\n"))
    annotations = item.get("annotations")
    if isinstance(annotations, dict) and isinstance(title := annotations.get("title"), str):
        changed["annotations"] = annotations | {"title": one_line(title, _MAX_TITLE)}
    return item | changed


def result_problem(result: Params, member: str) -> str:
    """Return what makes a result unusable for any client; empty if nothing does.

    Content of unknown types passes: a newer client may know it.

    Args:
        result: Of a tool call or of reading a resource.
        member: Its member with the list of contents.
    """
    if not isinstance(result.get("_meta", {}), dict):
        return "_meta is not an object"
    contents = result.get(member, [])
    if not isinstance(contents, list) or not all(isinstance(content, dict) for content in contents):
        return f"{member} is not a list of objects"
    if not isinstance(result.get("isError", False), bool):
        return "isError is not a boolean"
    if not all(isinstance(content.get("_meta", {}), dict) for content in contents):
        return "_meta of its content is not an object"
    return ""
