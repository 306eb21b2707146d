"""The commands, code and files of README and docs work, and benchmarks import."""

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_python_of_the_readme_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def define(name: str) -> Any:
    """Return a class as ``add-your-own.md`` defines it."""
    text = (ROOT / "docs" / "add-your-own.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(next(b for b in blocks if f"class {name}" in b), "add-your-own.md", "exec"), names)
    return names[name]


def test_the_loss_of_add_your_own_obeys_the_first_law() -> None:
    import torch

    from dagnn.records import Moments, Output, Pair

    made = define("MeanShift")()
    latent = torch.randn(8, 3)
    empty = torch.zeros(0)

    def term(shift: float) -> float:
        source, target = (Output(x, Moments(empty, empty)) for x in (latent, latent + shift))
        return float(made(Pair(source, target, empty, 0.0, empty, empty, empty)))

    assert term(0.0) == 0
    assert term(1.0) == pytest.approx(3.0)


def test_the_encoder_of_add_your_own_obeys_its_laws() -> None:
    import torch
    from torch_geometric.data import Batch, Data

    from dagnn.models import MomentsHead, Network

    truth = torch.rand(1, 2)
    first, second, third = (Data(x=torch.randn(n, 4), u=truth) for n in (5, 3, 8))
    network = Network(define("DeepSet")({"node": 4}), MomentsHead(64, 2))
    latent, moments = network(Batch.from_data_list([first, second, third]))
    assert latent.shape == (3, 64) and moments.mean.shape == (3, 2)
    third.x = third.x.flip(0)
    again = network(Batch.from_data_list([third, first, second])).latent
    torch.testing.assert_close(again, latent[[2, 0, 1]])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_files_that_pages_name_exist(page: Path) -> None:
    names = re.findall(r"(?<![\w/.])[a-z_]+/[\w/]+\.(?:py|yaml|txt|j2)", page.read_text())
    for name in (name for name in names if "/my" not in name and "/mine" not in name):
        found = (ROOT / name).is_file() or (ROOT / "dagnn" / name).is_file()
        assert found or name.startswith(("path/", "runs/")), f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_options_that_pages_name_exist(page: Path) -> None:
    from typer.main import get_command

    from dagnn.cli import app

    commands = {**get_command(app).commands}  # type: ignore[attr-defined]
    groups = {
        name: group.commands for name, group in commands.items() if hasattr(group, "commands")
    }
    for line in re.findall(r"^ {4}(dagnn .*)$", page.read_text(), re.MULTILINE):
        words = line.split("#")[0].split()
        verb = words[1]
        assert verb in commands, line
        inside = groups.get(verb, {})
        # dagnn tune FILE is short for dagnn tune run FILE.
        command = inside.get(words[2], inside.get("run")) if inside else commands[verb]
        assert command is not None, line
        known = {o for p in command.params for o in p.opts}
        used = {w for w in words if w.startswith("--")}
        assert used <= known | {"--help"}, line


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda p: p.stem)
def test_benchmarks_find_everything_that_they_import(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    monkeypatch.setitem(sys.modules, path.stem, module := importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
