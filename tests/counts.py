"""Print the counts that keep the package small, and hold the import graph that they come from.

Run in the root of the repository: ``python tests/counts.py``. ``test_architecture.py`` reads the
same graph.
"""

import ast
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "dagnn"
RECORDS = {"dataclass", "NamedTuple", "TypedDict", "BaseModel"}
EVALUATION_SIDE = ("run", "evaluation", "trust", "robustness", "report", "tasks")

Graph = Mapping[str, set[str]]


def modules() -> dict[str, Path]:
    """Return every module of the package by its name, ``dagnn.losses`` for a package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports_of(tree: ast.AST, known: Iterable[str]) -> set[str]:
    """Return the modules that code imports anywhere, in functions and for type checkers too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(known)


def import_graph() -> dict[str, set[str]]:
    """Return the modules of the package that each module imports."""
    paths = modules()
    return {
        name: imports_of(ast.parse(path.read_text()), paths) - {name}
        for name, path in paths.items()
    }


def room_of(module: str) -> str:
    """Return the part of the package that a module belongs to."""
    return (*module.split("."), "__init__")[1]


def circles(graph: Graph) -> list[list[str]]:
    """Return groups of modules that import one another, directly or not."""
    reach = {start: _reachable(graph, start) for start in graph}
    groups = {frozenset(b for b in reach[a] if a in reach[b]) for a in graph}
    return sorted(sorted(group) for group in groups if group)


def _reachable(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    ahead = set(graph[start])
    while ahead:
        seen |= ahead
        ahead = {after for module in ahead for after in graph[module]} - seen
    return seen


def longest_chains(graph: Graph) -> dict[str, list[str]]:
    """Return, for each room, its longest chain of modules that import one another in turn.

    The module that names what a part offers, its ``__init__``, does not count.

    Args:
        graph: without circles.
    """

    @cache
    def chain(module: str) -> tuple[str, ...]:
        inside = [chain(other) for other in graph[module] if room_of(other) == room_of(module)]
        longest = max(inside, key=len, default=())
        return longest if module.endswith(f".{room_of(module)}") else (module, *longest)

    found: dict[str, list[str]] = {}
    for module in graph:
        longest = list(chain(module))
        if len(longest) > len(found.get(room_of(module), [])):
            found[room_of(module)] = longest
    return found


def _docstring_lines(tree: ast.AST) -> set[int]:
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None:
            lines |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return lines


def _is_record(node: ast.AST) -> bool:
    if not isinstance(node, ast.ClassDef):
        return False
    names = [getattr(part, "func", part) for part in (*node.decorator_list, *node.bases)]
    return bool(RECORDS & {getattr(name, "id", getattr(name, "attr", "")) for name in names})


def main() -> None:
    """Print the counts, and the longest chain of imports in each room."""
    paths = modules()
    total = code = imports = records = 0
    for path in paths.values():
        text = path.read_text()
        tree, lines = ast.parse(text), text.splitlines()
        documentation = _docstring_lines(tree)
        total += len(lines)
        code += sum(
            bool(line.strip()) and not line.strip().startswith("#") and number not in documentation
            for number, line in enumerate(lines, 1)
        )
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imports += (node.end_lineno or node.lineno) - node.lineno + 1
            records += _is_record(node)
    side = sum(room_of(name) in EVALUATION_SIDE for name in paths)
    print(
        f"dagnn: {total} lines, {code} of code, {len(paths)} files, imports {imports / code:.1%} "
        f"of code, {records} record types, {side} files in {', '.join(EVALUATION_SIDE)}"
    )
    graph = import_graph()
    if circles(graph):
        print("circles:", *map(" <-> ".join, circles(graph)))
        return
    deepest = sorted(longest_chains(graph).items(), key=lambda found: (-len(found[1]), found[0]))
    print("longest chains of imports:", ", ".join(f"{room} {len(c)}" for room, c in deepest))


if __name__ == "__main__":
    main()
