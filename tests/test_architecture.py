"""Imports point down only, and importing does nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "dagnn"

# Floors from the ground up. Rooms on one floor never import one another.
FLOORS = [
    {"errors"},
    {"files", "console", "workers", "stored"},
    {"parameters", "resources", "environment", "yaml_files"},
    {"records"},
    {"nn", "collective"},
    {"tasks"},
    {"losses", "models", "training", "evaluation", "catalogs", "config"},
    {"graphs", "mocks", "trust"},
    {"data", "report"},
    {"robustness", "inspect"},
    {"run"},
    {"tune"},
    {"cli"},
    {"__main__"},
]
FLOOR_OF = {room: height for height, floor in enumerate(FLOORS) for room in floor}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def rooms_imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    parts = [name.split(".") for name in names]
    return {p[1] for p in parts if p[0] == "dagnn" and len(p) > 1 and p[1] in FLOOR_OF}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    assert room in FLOOR_OF, f"{path}: give the new room {room!r} a floor"
    for imported in rooms_imported(ast.parse(path.read_text())) - {room}:
        assert FLOOR_OF[imported] < FLOOR_OF[room], f"{path}: {room} must not import {imported}"


def test_no_relative_imports() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path


def test_the_package_imports_nothing_that_windows_lacks() -> None:
    lacking = {"fcntl", "grp", "pwd", "resource", "termios"}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", ()) if hasattr(alias, "name")]
            names.append(getattr(node, "module", None) or "")
            assert not (isinstance(node, ast.Import | ast.ImportFrom) and lacking & {*names}), path


def test_the_direction_test_sees_an_arrow_that_runs_up() -> None:
    tree = ast.parse("from dagnn.run import train\nimport dagnn.losses.mmd")
    assert rooms_imported(tree) == {"run", "losses"}


def test_import_does_nothing(tmp_path: Path) -> None:
    names = [
        ".".join(("dagnn", *p.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for p in MODULES
        if p.stem != "__main__"
    ]
    code = f"""
import importlib, torch, numpy, random
import rich.console  # draws a random number of its own when imported
before = torch.get_rng_state(), numpy.random.get_state()[1].copy(), random.getstate()
threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
for name in {names!r}:
    importlib.import_module(name)
assert torch.equal(before[0], torch.get_rng_state())
assert (before[1] == numpy.random.get_state()[1]).all() and before[2] == random.getstate()
assert threads == torch.get_num_threads() and dtype == torch.get_default_dtype()
assert not torch.cuda.is_initialized()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_help_does_not_import_torch(tmp_path: Path) -> None:
    code = "import sys; import dagnn.cli; assert 'torch' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
