"""Imports point down only, and importing does nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from counts import PACKAGE, circles, import_graph, imports_of, longest_chains, room_of

# Floors from the ground up. Rooms on one floor never import one another.
FLOORS = [
    {"errors"},
    {"files", "console", "workers", "stored"},
    {"parameters", "environment", "yaml_files"},
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
GRAPH = import_graph()

MOST_IMPORTS = 12
LONGEST_CHAIN = 6
# What does not comply yet. Whoever mends an entry removes it; a test insists.
TOO_MANY_IMPORTS: set[str] = {
    "dagnn.run.calibrate",
    "dagnn.run.compare",
    "dagnn.run.evaluate",
    "dagnn.run.outputs",
    "dagnn.run.predict",
    "dagnn.run.selection",
    "dagnn.run.train",
    "dagnn.run.trained",
}
# Each room's plain table names all that it offers.
TABLES = {"dagnn.losses", "dagnn.models"}


@pytest.mark.parametrize("module", GRAPH)
def test_imports_point_down(module: str) -> None:
    room = room_of(module)
    if room == "__init__":
        return
    assert room in FLOOR_OF, f"{module}: give the new room {room!r} a floor"
    for imported in {room_of(name) for name in GRAPH[module]} - {room, "__init__"}:
        assert FLOOR_OF[imported] < FLOOR_OF[room], f"{module}: {room} must not import {imported}"


def test_no_imports_in_circles() -> None:
    assert circles(GRAPH) == []


def test_no_module_imports_too_many_others() -> None:
    many = {name for name, others in GRAPH.items() if len(others) > MOST_IMPORTS} - TABLES
    assert many - TOO_MANY_IMPORTS == set(), f"more than {MOST_IMPORTS} modules of dagnn"
    assert TOO_MANY_IMPORTS - many == set(), "complies now: remove it from TOO_MANY_IMPORTS"


def test_no_chain_of_imports_is_too_long() -> None:
    for chain in longest_chains(GRAPH).values():
        assert len(chain) <= LONGEST_CHAIN, " -> ".join(chain)


def test_the_graph_counts_lazy_imports_and_sees_circles() -> None:
    known = {"dagnn.run", "dagnn.run.train", "dagnn.losses.mmd"}
    code = "def late():\n    from dagnn.run import train, other\nimport dagnn.losses.mmd"
    assert imports_of(ast.parse(code), known) == known
    graph = {"dagnn.a.x": {"dagnn.a.y"}, "dagnn.a.y": {"dagnn.a.x", "dagnn.b"}, "dagnn.b": set()}
    assert circles(graph) == [["dagnn.a.x", "dagnn.a.y"]]
    graph["dagnn.a.y"] = {"dagnn.b"}
    assert longest_chains(graph) == {"a": ["dagnn.a.x", "dagnn.a.y"]}


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
