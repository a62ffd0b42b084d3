"""Private names of other packages: each file that uses some says which, of which version; and no other file does."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import tomllib
import types
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import robot_node
from robot_node.mqtt import client, paho
from robot_node.webrtc import aiortc_hooks, dtls_certificate, header_extensions, packet_filter, packing

FILES: list[Any] = [client, paho, aiortc_hooks, dtls_certificate, header_extensions, packet_filter, packing]
OTHERS = ("aiortc", "aioice", "aiomqtt", "paho")
CLASSES = [(file, name) for file in FILES for name in file.PRIVATE_NAMES]


def the_class(name: str) -> type:
    module, _, attribute = name.partition(":")
    found: type = getattr(importlib.import_module(module), attribute)
    return found


def defined(kind: type) -> set[str]:
    """The private names that a class defines or sets, without those of Python."""
    source = inspect.getsource(kind)
    found = re.findall(r"(?:\bself\.|\bdef |^    )(_[A-Za-z_]\w*)\b", source, re.MULTILINE)
    return {name for name in found if not name.endswith("__")}


def used(file: types.ModuleType) -> set[str]:
    """The private names that a file of ours uses: attributes, methods and strings; a mangled one as it is written."""
    names = set[str]()
    statements = ast.parse(inspect.getsource(file)).body
    code = [each for each in statements if "PRIVATE_NAMES" not in ast.unparse(each)]
    for node in (node for each in code for node in ast.walk(each)):
        match node:
            case ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.Constant(value=str(name)) if name.isidentifier():
                names.add(name)
    mangled = {re.sub(r"^_[A-Z]\w*?(?=__)", "", name) for name in names}
    return {name for name in mangled if name.startswith("_") and not name.endswith("__")}


@pytest.mark.parametrize(("file", "name"), CLASSES, ids=[name for _, name in CLASSES])
def test_the_names_exist_and_are_all_that_is_used(file: Any, name: str) -> None:
    theirs, stated = defined(the_class(name)), set(file.PRIVATE_NAMES[name])
    assert stated - theirs == set()
    assert stated - used(file) == set()
    all_stated = {each for names in file.PRIVATE_NAMES.values() for each in names}
    assert (used(file) & theirs) - all_stated == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.__name__)
def test_the_versions_are_those_that_are_installed_and_no_later_one_is_allowed(file: Any) -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    requirements = {each.name: each for each in map(Requirement, project["dependencies"])}
    for package, version in file.CHECKED_VERSIONS.items():
        assert metadata.version(package).startswith(f"{version}.")
        major, minor = (int(part) for part in version.split("."))
        specifier = requirements[package].specifier
        assert specifier.contains(metadata.version(package))
        assert not specifier.contains(f"{major}.{minor + 1}")
        assert not specifier.contains(f"{major + 1}.0")


def classes_of_ours() -> Iterator[type]:
    for module in pkgutil.walk_packages(robot_node.__path__, "robot_node."):
        if module.name.startswith(("robot_node.webrtc", "robot_node.mqtt", "robot_node.mcp_mqtt")):
            for kind in vars(importlib.import_module(module.name)).values():
                if isinstance(kind, type) and kind.__module__ == module.name:
                    yield kind


def test_no_other_class_overrides_a_private_name_of_these_packages() -> None:
    """Ruff (SLF001) sees private names of objects; not those that a subclass takes over."""
    seen = 0
    for kind in classes_of_ours():
        theirs = [base for base in kind.__mro__ if base.__module__.partition(".")[0] in OTHERS]
        if not theirs or kind.__module__ in {file.__name__ for file in FILES}:
            continue
        seen += 1
        private = {name for name in vars(kind) if name.startswith("_")}
        taken_over = {name for name in private for base in theirs if name in defined(base)}
        assert not taken_over, f"{kind}: state them in one of {[Path(file.__file__).name for file in FILES]}"
    assert seen
