"""The bundle for Claude Desktop and the entry for the MCP registry, checked as those who take them do."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from robot_node.apps.private_broker import PrivateBroker
from scripts.bundles import ROOT, project, registry_name, server_json, write
from tests.apps.bridge.agents import RawAgent
from tests.end_to_end.robot_process import environment

MCPB = ROOT / "tests/agent_programs/node_modules/@anthropic-ai/mcpb/dist"
STRING = {"type": "string", "minLength": 1}
INPUT = {
    "properties": {
        "description": STRING,
        "default": STRING,
        "value": STRING,
        "isRequired": {"type": "boolean"},
        "isSecret": {"type": "boolean"},
    }
}
PACKAGE = {
    "type": "object",
    "required": ["registryType", "identifier", "transport"],
    "properties": {
        "registryType": {"enum": ["pypi", "mcpb"]},
        "identifier": STRING,
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+([a-z]+\d+)?$"},  # an exact one
        "runtimeHint": STRING,
        "fileSha256": {"type": "string", "pattern": "^[a-f0-9]{64}$"},
        "transport": {"type": "object", "properties": {"type": {"const": "stdio"}}, "required": ["type"]},
        "packageArguments": {
            "type": "array",
            "items": {**INPUT, "required": ["type", "value"], "type": "object"},
        },
        "environmentVariables": {"type": "array", "items": {**INPUT, "required": ["name"], "type": "object"}},
    },
    "additionalProperties": False,
}
REGISTRY: dict[str, Any] = {
    "type": "object",
    "required": ["$schema", "name", "description", "version", "packages"],
    "properties": {
        "$schema": {"const": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"},
        "name": {"type": "string", "maxLength": 200, "pattern": r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$"},
        "title": {"type": "string", "minLength": 1, "maxLength": 100},
        "description": {"type": "string", "minLength": 1, "maxLength": 100},
        "version": {"type": "string", "maxLength": 255},
        "packages": {"type": "array", "minItems": 1, "items": PACKAGE},
    },
    "additionalProperties": False,
}
"""What the registry's schema of 2025-12-11 demands of the members that our entry has. No package has that schema."""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make dist`` leaves behind, with a wheel that is none."""
    folder = tmp_path_factory.mktemp("dist")
    (folder / f"robot_node-{project()['version']}-py3-none-any.whl").write_bytes(b"a wheel")
    write(folder, "https://forge.example/robot-node/releases/v1/")
    return folder


@pytest.fixture(scope="module")
def bundle(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked bundle."""
    folder = tmp_path_factory.mktemp("bundle")
    (archive,) = dist.glob("*.mcpb")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    return folder


@pytest.mark.peer("MCPB", works="the bundle for Claude Desktop is valid")
def test_the_bundle_is_valid_by_the_schema_and_by_the_tool_of_its_format(dist: Path, bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    schema = json.loads((MCPB / f"mcpb-manifest-v{manifest['manifest_version']}.schema.json").read_text())
    jsonschema.validate(manifest, schema)
    assert (bundle / manifest["server"]["entry_point"]).is_file()
    command = ["node", str(MCPB / "cli/cli.js"), "validate", str(bundle / "manifest.json")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    placeholders = re.findall(r"\$\{user_config\.(\w+)\}", json.dumps(manifest["server"]))
    assert set(placeholders) == set(manifest["user_config"])
    assert [archive.name for archive in dist.glob("*.mcpb")] == [f"robot-node-{manifest['version']}.mcpb"]


def test_the_bundle_installs_its_own_wheel_with_the_versions_that_were_tested(bundle: Path) -> None:
    table = tomllib.loads((bundle / "pyproject.toml").read_text())
    assert table["project"]["dependencies"] == ["robot-node"]
    assert (bundle / table["tool"]["uv"]["sources"]["robot-node"]["path"]).read_bytes() == b"a wheel"
    assert any(line.startswith("mcp==") for line in table["tool"]["uv"]["constraint-dependencies"])


@pytest.mark.slow
async def test_the_bundles_program_runs_the_bridge_whatever_fields_were_left_empty(
    broker: PrivateBroker, bundle: Path
) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    fields = {"${user_config.broker_url}": broker.url, "${user_config.username}": ""}  # the password stays as it is
    variables = {name: fields.get(text, text) for name, text in manifest["server"]["mcp_config"]["env"].items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(bundle / manifest["server"]["entry_point"])),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment(None, variables),
    )
    assert process.stdin
    assert process.stdout
    stdin, stdout = process.stdin, process.stdout

    async def write_line(line: bytes) -> None:
        stdin.write(line)

    agent = RawAgent(write_line)

    async def read() -> None:
        async for line in stdout:
            await agent.take(line)
        await agent.take("")

    reading = asyncio.create_task(read())
    await agent.handshake()
    listed = (await agent.call("list_robots"))["result"]["structuredContent"]
    assert (listed["broker"], listed["connected"]) == (broker.url, True)
    stdin.close()
    assert await process.wait() == 0
    await reading


def test_the_entry_for_the_registry_is_valid_and_names_the_package_and_the_bundle(dist: Path) -> None:
    entry = json.loads((dist / "server.json").read_text())
    jsonschema.validate(entry, REGISTRY)
    package, bundle = entry["packages"]
    assert (package["identifier"], package["version"]) == ("robot-node", project()["version"])
    (file,) = dist.glob("*.mcpb")
    assert bundle["identifier"] == f"https://forge.example/robot-node/releases/v1/{file.name}"
    digest = subprocess.run(["sha256sum", str(file)], capture_output=True, text=True, check=True).stdout.split()[0]
    assert bundle["fileSha256"] == digest


def test_without_a_release_only_the_package_is_named() -> None:
    entry = server_json(project(), "io.example/robot-node")
    assert [package["registryType"] for package in entry["packages"]] == ["pypi"]
    jsonschema.validate(entry, REGISTRY)


def test_the_name_in_the_registry_is_that_in_the_readme() -> None:
    assert registry_name("x <!-- mcp-name: io.example/robot-node --> y") == "io.example/robot-node"
    with pytest.raises(KeyError, match="mcp-name"):
        registry_name("x")
    assert registry_name((ROOT / "README.md").read_text()).endswith("/robot-node")
