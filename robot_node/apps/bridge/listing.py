"""The tools or resources that a robot offers, as far as an agent can use them. Pure.

Clients validate a list as a whole: a single malformed tool would cost the agent the tools of all robots. So each is
validated on its own, with the SDK's types of all protocol versions, and left out when it does not fit.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import mcp_types as types
import pydantic_core
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from mcp_types.methods import SERVER_RESULTS
from pydantic import TypeAdapter, ValidationError

from robot_node.core.text import escaped, one_line
from robot_node.mcp_mqtt.topics import ServerName

Params = dict[str, Any]

MAX_ITEMS = 128
"""Most items of a list per robot."""
MAX_ITEM_BYTES = 32 * 1024
"""Largest tool or resource, as JSON."""
MAX_LIST_BYTES = 256 * 1024
"""Largest list per robot, as JSON."""
_FREE_BYTES = 96 * 1024
_ALL_BYTES = 4 * 1024 * 1024
_MAX_NAME = 1024
_MAX_TITLE = 200
_MAX_REASONS = 8
_MAX_REASON = 160
_MAX_DATA_BYTES = 16 * 1024
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
_CONTENT: dict[str, TypeAdapter[Any]] = {
    "text": TypeAdapter(types.TextContent),
    "image": TypeAdapter(types.ImageContent),
    "audio": TypeAdapter(types.AudioContent),
    "resource_link": TypeAdapter(types.ResourceLink),
    "resource": TypeAdapter(types.EmbeddedResource),
    "contents": TypeAdapter(types.TextResourceContents | types.BlobResourceContents),
}
# The SDK's type is str; other SDKs validate it.
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)")
# What results of 2026-07-28 need.
_ENVELOPE: Params = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}


class Budget:
    """Bytes of all robots' lists: each robot has 96 KiB of its own, and takes what it needs beyond from 4 MiB."""

    def __init__(self) -> None:
        self._used: dict[ServerName, dict[Kind, int]] = {}

    def claim(self, robot: ServerName, kind: Kind, size: int) -> bool:
        """Set the size of a list, unless that is too much."""
        kinds = self._used.get(robot, {}) | {kind: size}
        others = sum(_beyond(used) for name, used in self._used.items() if name != robot)
        if size and _beyond(kinds) and others + _beyond(kinds) > _ALL_BYTES:
            return False
        self._used[robot] = kinds
        return True

    def release(self, robot: ServerName) -> None:
        """Forget a robot's lists."""
        self._used.pop(robot, None)


def _beyond(kinds: Mapping[Kind, int]) -> int:
    return max(0, sum(kinds.values()) - _FREE_BYTES)


class Listing:
    """A list of one robot, page by page.

    Args:
        kind: The kind of list.
        claim: Whether all robots' lists leave room for so many bytes of it.

    Attributes:
        items: The items that agents get.
    """

    def __init__(self, kind: Kind, claim: Callable[[int], bool] = lambda _: True) -> None:
        self.items: list[Params] = []
        self.is_full = False
        self._kind = kind
        self._keys: set[str] = set()
        self._bytes = 0
        self._claim = claim
        claim(0)
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
        elif not self._claim(self._bytes + size):
            self.is_full = True
            self._leave_out(key, "the lists of all robots together are too large")
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
            self._reasons.append(f"{one_line(name, _SHOWN_NAME)} ({one_line(reason, _MAX_REASON)})")


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
    if not isinstance(result.get("structuredContent", {}), dict):
        return "structuredContent is not an object"
    if not all(isinstance(content.get("_meta", {}), dict) for content in contents):
        return "_meta of its content is not an object"
    return next(filter(None, (_content_problem(content, member) for content in contents)), "")


def _content_problem(content: Params, member: str) -> str:
    kind = content.get("type") if member == "content" else "contents"
    if not isinstance(kind, str):
        return "a content has no type"
    validator = _CONTENT.get(kind)
    try:
        if validator is not None:
            validator.validate_python(content, strict=True, by_name=False)
        if kind in {"image", "audio"}:
            binascii.a2b_base64(content["data"], strict_mode=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        return one_line(f"{kind}: {'.'.join(map(str, first['loc']))}: {first['msg']}", _MAX_REASON)
    except ValueError:
        return f"the data of the {kind} is not base64"
    return ""


def error_of_robot(error: MCPError) -> MCPError:
    """Return a robot's JSON-RPC error, its message as one bounded line, without data that is large or odd."""
    data = error.error.data
    if data is not None and len(pydantic_core.to_json(data)) > _MAX_DATA_BYTES:
        data = None
    return MCPError(error.error.code, one_line(error.error.message), data)


def question_of_robot(params: Mapping[str, Any]) -> Params:
    """Return the parameters of a question for a person: its message and the texts of its form are a line each.

    Raises:
        MCPError: It is no form, or too large for one.
    """
    message, schema = params.get("message"), params.get("requestedSchema")
    if params.get("mode", "form") != "form" or not isinstance(message, str) or not isinstance(schema, dict):
        raise MCPError(INVALID_PARAMS, "The question is no form: the bridge forwards forms only.")
    if len(pydantic_core.to_json(schema)) > _MAX_DATA_BYTES:
        raise MCPError(INVALID_PARAMS, f"The form has more than {_MAX_DATA_BYTES} bytes.")
    return {**params, "message": one_line(message), "requestedSchema": _printable(schema)}


def _printable(value: Any) -> Any:
    match value:
        case str():
            return escaped(value)
        case list():
            return [_printable(each) for each in value]
        case dict():
            return {escaped(key): _printable(each) for key, each in value.items()}
        case _:
            return value
