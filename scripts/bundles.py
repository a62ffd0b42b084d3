"""Writes what agents' programs install the bridge from: ``python -m scripts.bundles dist [RELEASE_URL]``.

* ``robot-node-VERSION.mcpb``: a bundle for Claude Desktop, with the wheel that is in the folder.
* ``server.json``: the entry for the MCP registry. With the URL of the release's files it also names the bundle.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_DESCRIPTION = "Robots on an MQTT broker as tools: camera, face, voice, pins and events of a Raspberry Pi."
_SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
_TIME = (2020, 1, 1, 0, 0, 0)  # of every file in the bundle: the same sources give the same bundle
_URL = "ROBOT_NODE_BROKER__URL"
_USERNAME = "ROBOT_NODE_BROKER__USERNAME"
_PASSWORD = "ROBOT_NODE_BROKER__PASSWORD"  # noqa: S105  # the name of a variable
_DEFAULT_URL = "mqtt://127.0.0.1:1883"
_URL_TEXT = "URL of the robots' broker: mqtt://host:port, mqtts://, ws:// or wss://."


def project() -> dict[str, Any]:
    """The project's table in pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def registry_name(readme: str) -> str:
    """The name in the MCP registry, which its check of the package on PyPI looks for in the README.

    Raises:
        KeyError: The README does not have it.
    """
    if (found := re.search(r"<!-- mcp-name: (\S+) -->", readme)) is None:
        raise KeyError("mcp-name")
    return found[1]


def manifest(metadata: dict[str, Any]) -> dict[str, Any]:
    """The bundle's manifest.json (MCPB manifest 0.4)."""
    fields = {"broker_url": _URL, "username": _USERNAME, "password": _PASSWORD}
    optional = {"type": "string", "required": False, "default": ""}
    return {
        "manifest_version": "0.4",
        "name": metadata["name"],
        "display_name": "Robots",
        "version": metadata["version"],
        "description": _DESCRIPTION,
        "author": {"name": "The robot-node authors"},
        "license": metadata["license"],
        "keywords": metadata["keywords"],
        "server": {
            "type": "uv",
            "entry_point": "main.py",
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", "main.py"],
                "env": {variable: f"${{user_config.{field}}}" for field, variable in fields.items()},
            },
        },
        "tools": [{"name": "list_robots", "description": "The robots that are online and the names of their tools."}],
        "tools_generated": True,
        "user_config": {
            "broker_url": {
                "type": "string",
                "title": "Broker",
                "description": _URL_TEXT,
                "required": True,
                "default": _DEFAULT_URL,
            },
            "username": optional | {"title": "User name", "description": "User name at the broker; empty for none."},
            "password": optional
            | {"title": "Password", "description": "Password at the broker; empty for none.", "sensitive": True},
        },
        # Windows has no signal handlers for asyncio, which the bridge needs.
        "compatibility": {"platforms": ["darwin", "linux"], "runtimes": {"python": metadata["requires-python"]}},
    }


def bundle_project(metadata: dict[str, Any], wheel: str, constraints: str) -> str:
    """The bundle's pyproject.toml: its wheel, with the versions that it was tested with."""
    lines = [line.split("#")[0].strip() for line in constraints.splitlines()]
    pinned = "".join(f"  {json.dumps(line)},\n" for line in lines if line)
    return (
        f'[project]\nname = "robot-node-bundle"\nversion = "{metadata["version"]}"\n'
        f'requires-python = "{metadata["requires-python"]}"\ndependencies = ["robot-node"]\n\n'
        f"[tool.uv]\npackage = false\nconstraint-dependencies = [\n{pinned}]\n\n"
        f'[tool.uv.sources]\nrobot-node = {{ path = "{wheel}" }}\n'
    )


def server_json(metadata: dict[str, Any], name: str, bundle: tuple[str, str] | None = None) -> dict[str, Any]:
    """The entry for the MCP registry.

    Args:
        metadata: The project's table in pyproject.toml.
        name: The name in the registry.
        bundle: URL and SHA-256 of the bundle; None if it is not published.
    """
    variables = [
        {"name": _URL, "description": _URL_TEXT, "isRequired": True, "default": _DEFAULT_URL},
        {"name": _USERNAME, "description": "User name at the broker."},
        {"name": _PASSWORD, "description": "Password at the broker.", "isSecret": True},
    ]
    stdio = {"type": "stdio"}
    packages: list[dict[str, Any]] = [
        {
            "registryType": "pypi",
            "identifier": metadata["name"],
            "version": metadata["version"],
            "runtimeHint": "uvx",
            "transport": stdio,
            "packageArguments": [{"type": "positional", "value": "bridge"}],
            "environmentVariables": variables,
        }
    ]
    if bundle is not None:
        url, digest = bundle
        packages.append({"registryType": "mcpb", "identifier": url, "fileSha256": digest, "transport": stdio})
    return {
        "$schema": _SCHEMA,
        "name": name,
        "title": "Robots",
        "description": _DESCRIPTION,
        "version": metadata["version"],
        "packages": packages,
    }


def write(folder: Path, release_url: str = "") -> tuple[Path, Path]:
    """Write both; the folder holds the wheel.

    Returns:
        The bundle and server.json.
    """
    metadata = project()
    (wheel,) = folder.glob("robot_node-*.whl")
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    bundle = folder / f"{metadata['name']}-{metadata['version']}.mcpb"
    contents = {
        "manifest.json": json.dumps(manifest(metadata), indent=2).encode(),
        "pyproject.toml": bundle_project(metadata, wheel.name, constraints).encode(),
        "main.py": (ROOT / "scripts/mcpb_main.py").read_bytes(),
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
        wheel.name: wheel.read_bytes(),
    }
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), content, zipfile.ZIP_DEFLATED)
    published = None
    if release_url:
        published = (f"{release_url.rstrip('/')}/{bundle.name}", hashlib.sha256(bundle.read_bytes()).hexdigest())
    name = registry_name((ROOT / "README.md").read_text(encoding="utf-8"))
    entry = folder / "server.json"
    entry.write_text(json.dumps(server_json(metadata, name, published), indent=2) + "\n", encoding="utf-8")
    return bundle, entry


if __name__ == "__main__":
    write(Path(sys.argv[1]), *sys.argv[2:])
