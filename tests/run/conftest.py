"""A tiny pair of suites in the real layout, and a tiny experiment on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_runs import load
from tiny_universe import write_suite

from dagnn import run


@pytest.fixture(scope="session")
def universe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data folder with three tiny suites; not marked as mock."""
    root = tmp_path_factory.mktemp("universe")
    for seed, (name, scale) in enumerate(
        {"IllustrisTNG": 1.0, "SIMBA": 1.4, "Astrid": 0.8}.items()
    ):
        write_suite(root, name, scale, seed)
    return root


@pytest.fixture(autouse=True)
def _own_place(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Run in an empty folder with a cache that all tests of the session share."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGNN_DATA", raising=False)
    monkeypatch.setenv("DAGNN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    yield


@pytest.fixture(scope="module")
def finished(universe: Path, tmp_path_factory: pytest.TempPathFactory) -> run.RunResult:
    """Give a finished run with its comparison."""
    out = tmp_path_factory.mktemp("runs") / "first"
    return run.train(load(universe, compare_source_only=True), out=out)


@pytest.fixture
def few_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw what is new here; the other figures take most of a tiny run's time."""
    monkeypatch.setattr("dagnn.run.outputs.draw", lambda *_: {})
