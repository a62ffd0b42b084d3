"""The SDK's MCP server, adapted to a robot."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import INVALID_PARAMS, CallToolResult, InputRequiredResult, Tool
from pydantic import AnyUrl

from robot_node.core.text import SHOWN_CHARACTERS, bounded
from robot_node.devices.face import Face
from robot_node.mcp_mqtt.access import is_human_only
from robot_node.tools.arguments import unknown_tool, wrong_arguments
from robot_node.tools.listing import listed
from robot_node.tools.resources import FACE, PNG, picture_of

DescribeArguments = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Returns the schemas of a tool's arguments from those that the tool was added with."""

_MAX_URI_CHARACTERS = 500


class RobotServer(MCPServer):
    """The SDK's MCP server with differences in what it answers: see the methods.

    Args:
        face: Whose picture is the second content of ``robot://face``.
        name: As of MCPServer, and so are the other arguments.
    """

    def __init__(self, face: Face, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self._face = face
        self._describers: dict[str, DescribeArguments] = {}
        self.middleware.append(self._refuse_unknown_resources)

    def add_tool(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        *args: Any,
        **options: Any,
    ) -> None:
        """Add a tool. A docstring that describes it loses its indentation, which Python keeps before 3.13."""
        super().add_tool(fn, name, title, description or inspect.getdoc(fn), *args, **options)

    async def list_tools(self) -> list[Tool]:
        """List all tools as clients get them: see :mod:`robot_node.tools.listing`."""
        return [listed(tool) for tool in await self.described_tools()]

    def describe_arguments(self, tool: str, describe: DescribeArguments) -> None:
        """Let the schemas of a tool's arguments, by name, depend on what is known when they are listed."""
        self._describers[tool] = describe

    async def described_tools(self) -> list[Tool]:
        """List all tools with all that is known of their arguments and results."""
        return [self._described(tool) for tool in await super().list_tools()]

    def _described(self, tool: Tool) -> Tool:
        describe = self._describers.get(tool.name)
        if describe is None:
            return tool
        schema = {**tool.input_schema, "properties": describe(tool.input_schema["properties"])}
        return tool.model_copy(update={"input_schema": schema})

    def wrong_arguments(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Say what is wrong with a call, of any tool however it was added; empty when nothing is."""
        found = self._tool_manager.get_tool(tool)
        if found is not None:
            return wrong_arguments(found, arguments)
        return unknown_tool(
            tool, (each.name for each in self._tool_manager.list_tools() if not is_human_only(each.meta))
        )

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool. Arguments that it doesn't have are refused, and errors in them explained in sentences.

        Raises:
            ToolError: the arguments are wrong, or the tool failed.
        """
        if wrong := self.wrong_arguments(name, arguments):
            raise ToolError(wrong)
        return await super().call_tool(name, arguments, context)

    async def _refuse_unknown_resources(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Refuse to subscribe a client to a resource that the robot does not have: it would be kept in vain."""
        params = ctx.params or {}
        uris: object = []
        if ctx.method == "resources/subscribe":
            uris = [params.get("uri")]
        elif ctx.method == "subscriptions/listen" and isinstance(wanted := params.get("notifications"), Mapping):
            uris = wanted.get("resourceSubscriptions")
        for uri in uris if isinstance(uris, list) else ():
            if isinstance(uri, str) and not self._offers(uri):
                raise MCPError(INVALID_PARAMS, f"There is no resource {bounded(uri, SHOWN_CHARACTERS)!r}.")
        return await call_next(ctx)

    def _offers(self, uri: str) -> bool:
        if len(uri) > _MAX_URI_CHARACTERS:
            return False
        resources, templates = self._resource_manager.list_resources(), self._resource_manager.list_templates()
        return any(str(each.uri) == uri for each in resources) or any(
            each.matches(uri) is not None for each in templates
        )

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Return the content of a resource; ``robot://face`` has two."""
        contents = await super().read_resource(uri, context)
        if str(uri) != FACE or isinstance(contents, InputRequiredResult):
            return contents
        return [*contents, ReadResourceContents(content=picture_of(self._face), mime_type=PNG)]
