"""A run on another device writes what one on the CPU writes, and does not need that device."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import tiny_images
import tiny_runs
import tiny_spectra
from elsewhere import elsewhere, questions
from rich.console import Console

from dagnn import run
from dagnn.errors import Interrupted
from dagnn.report.history import read_epochs
from dagnn.robustness.examine import read_examination
from dagnn.training import ProgressReport
from dagnn.training.loop import Loop

QUIET = Console(quiet=True)
TABLES = ("predictions.csv", "results.csv")
Made = Callable[..., run.Experiment]


def of_graphs(universe: Path, folder: Path) -> Made:
    suites = {"source": ["tng", "astrid"]}
    return partial(tiny_runs.load, universe, "model.statistics=per_suite", **suites)


def of_an_ensemble(universe: Path, folder: Path) -> Made:
    return partial(tiny_runs.load, universe, "model.members=2", "loss.objective=self_tuned")


def of_spectra(universe: Path, folder: Path) -> Made:
    return partial(tiny_spectra.load, tiny_spectra.write_suites(folder))


def of_images(universe: Path, folder: Path) -> Made:
    surveys = tiny_images.write_surveys(folder)
    return partial(tiny_images.tiny, "universal", surveys, tiny_images.EXAMINED)


def epochs(folder: Path) -> list:
    """What happened in training, but for how long it took."""
    return [replace(record, seconds=0.0) for record in read_epochs(folder / "metrics.jsonl")]


def examined(folder: Path) -> str:
    """How robust the network is, where it was asked."""
    found = read_examination(folder)
    return "" if found is None else str(found.rows)


@pytest.mark.parametrize("make", [of_graphs, of_an_ensemble, of_spectra, of_images])
def test_another_device_makes_the_run_of_the_cpu(
    make: Callable[[Path, Path], Made], universe: Path, tmp_path: Path, few_figures: None
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    load, folders = make(universe, data), []
    with elsewhere() as away:
        for device in ("cpu", away.type):
            experiment = load(f"training.device={device}")
            folders.append(run.train(experiment, out=tmp_path / device, console=QUIET).folder)
    one, other = folders
    assert epochs(one) == epochs(other)
    assert examined(one) == examined(other)
    for name in TABLES:
        assert (one / name).read_text() == (other / name).read_text()


# One about losses and gradient; of each batch of graphs how large it is, and whether sorted.
@pytest.mark.parametrize(("make", "most"), [(of_graphs, 7), (of_spectra, 1), (of_images, 1)])
def test_a_step_hardly_waits_for_the_device(
    make: Callable[[Path, Path], Made],
    most: int,
    universe: Path,
    tmp_path: Path,
    few_figures: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, step = [], Loop.run_step

    def counted(loop: Loop) -> object:
        before = questions()
        values = step(loop)
        asked.append(questions() - before)
        return values

    monkeypatch.setattr(Loop, "run_step", counted)
    data = tmp_path / "data"
    data.mkdir()
    with elsewhere() as away:
        experiment = make(universe, data)(f"training.device={away.type}", "training.epochs=1")
        run.train(experiment, out=tmp_path / "run", console=QUIET)
    assert asked and max(asked) == most


def test_a_run_goes_on_and_is_evaluated_where_its_device_is_not(
    universe: Path,
    tmp_path: Path,
    few_figures: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = run.train(
        tiny_runs.load(universe, "training.device=cpu"), out=tmp_path / "whole", console=QUIET
    ).folder

    def interrupt(self: ProgressReport, step: int) -> None:
        if step == 6:  # in the second of two epochs
            raise KeyboardInterrupt

    out = tmp_path / "begun"
    with elsewhere() as away, monkeypatch.context() as patch:
        patch.setattr(ProgressReport, "on_step", interrupt)
        with pytest.raises(Interrupted, match="after epoch 1"):
            run.train(tiny_runs.load(universe, f"training.device={away.type}"), out=out)
    config = out / "config.yaml"
    config.write_text(config.read_text().replace(f"device: {away.type}", "device: xpu:7"))
    run.resume(out)
    told = " ".join(capsys.readouterr().err.split())
    assert "the device of this run, xpu:7, is not here; it goes on on cpu" in told
    assert epochs(out) == epochs(whole)
    run.evaluate(out, console=QUIET)
    for name in TABLES:
        assert (out / name).read_text() == (whole / name).read_text()
