"""What README and docs say is run, not hoped for."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_python_of_the_readme_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_the_loss_of_add_your_own_obeys_the_first_law() -> None:
    import torch

    from dagnn.records import Moments, Output, Pair

    text = (ROOT / "docs" / "add-your-own.md").read_text()
    block = next(b for b in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "MeanShift" in b)
    names: dict[str, object] = {}
    exec(compile(block, "add-your-own.md", "exec"), names)
    latent = torch.randn(8, 3)
    empty = torch.zeros(0)

    def term(shift: float) -> float:
        source, target = (Output(x, Moments(empty, empty)) for x in (latent, latent + shift))
        pair = Pair(source, target, empty, 0.0, empty, empty, empty)
        return float(names["MeanShift"]()(pair))  # type: ignore[operator]

    assert term(0.0) == 0
    assert term(1.0) == pytest.approx(3.0)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


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
        asked = inside.get(words[2], inside.get("run")) if inside else commands[verb]
        assert asked is not None, line
        known = {o for p in asked.params for o in p.opts}
        used = {w for w in words if w.startswith("--")}
        assert used <= known | {"--help"}, line
