"""The simulated IMX500 promises nothing that picamera2's class does not keep, which is read without importing it."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from pathlib import Path

from hw_mocks.imx500 import NetworkIntrinsics, SimulatedImx500


def _real_class(name: str) -> ast.ClassDef:
    package = importlib.util.find_spec("picamera2")
    assert package is not None
    assert package.submodule_search_locations
    source = Path(package.submodule_search_locations[0]) / "devices" / "imx500" / "imx500.py"
    tree = ast.parse(source.read_text())
    (found,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return found


def _methods(of: ast.ClassDef) -> dict[str, list[str]]:
    return {
        node.name: [argument.arg for argument in node.args.args]
        for node in of.body
        if isinstance(node, ast.FunctionDef)
    }


def test_its_methods_have_the_real_arguments() -> None:
    real = _methods(_real_class("IMX500"))
    for name in ("get_outputs", "get_input_size"):
        assert list(inspect.signature(getattr(SimulatedImx500, name)).parameters) == real[name]
    assert real["__init__"][:2] == ["self", "network_file"]
    assert "network_intrinsics" in real


def test_the_network_says_no_more_about_itself() -> None:
    assert set(NetworkIntrinsics.__dataclass_fields__) <= set(_methods(_real_class("NetworkIntrinsics")))
