"""The guard on several sources, targets and parameters, without training."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from tiny_spectra import load, write_spectra

from dagnn import run
from dagnn.losses.objective import Window
from dagnn.run.assemble import assemble
from dagnn.run.data import prepare
from dagnn.run.fitting import _inside, align_within
from dagnn.run.folder import RunFolder
from dagnn.run.prepared import Prepared
from dagnn.run.ranges import guarded
from dagnn.trust.label_shift import FEWEST, PriorInterval

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give spectra of four suites that lie far apart."""
    root = tmp_path_factory.mktemp("four")
    np.savetxt(root / "k_values.txt", np.arange(1.0, 9.0))
    names = {"IllustrisTNG": 0.0, "SIMBA": 1.0, "Astrid": 6.0, "SwiftEAGLE": -3.0}
    for seed, (name, offset) in enumerate(names.items()):
        write_spectra(root, name, offset, seed)
    return root


def prepared(experiment: run.Experiment, folder: Path) -> Prepared:
    """Read and guard an experiment."""
    return guarded(experiment, prepare(experiment, folder, QUIET), QUIET)


@pytest.mark.parametrize("sources", [["tng"], ["tng", "astrid"]])
def test_sources_that_lie_apart_hide_no_narrow_target(four: Path, sources: list[str]) -> None:
    narrow = load(four, source=sources, target_prior={"Omega_m": (0.35, 0.5)})
    whole = load(four, source=sources)
    assert prepared(narrow, four).intervals[0].alarm
    assert prepared(narrow, four).intervals[0].width < prepared(whole, four).intervals[0].width


def test_a_narrow_target_beside_a_wide_one_is_left_to_its_statistics(four: Path) -> None:
    experiment = load(four, "loss.terms={mmd: {}}", target=["simba", "astrid"])
    found = replace(
        prepared(experiment, four),
        intervals=(
            PriorInterval("simba", "Omega_m", 0.5, 1.0),
            PriorInterval("astrid", "Omega_m", 0.0, 1.0),
        ),
    )
    made = assemble(experiment, found)
    before = {name: value.clone() for name, value in made.network.state_dict().items()}
    align_within(made, found)
    window = made.objective.first.window if hasattr(made.objective, "first") else None
    assert isinstance(window, Window)
    assert window.without == (1,)
    assert (window.low.item(), window.high.item()) == (0.0, 1.0)
    mean = made.network.state_dict()["encoder.input.mean"]
    old = before["encoder.input.mean"]
    assert not torch.allclose(mean[1], old[1]) and torch.allclose(mean[2], old[2])


def test_parameters_without_alarm_cut_nothing(four: Path) -> None:
    experiment = load(four, "data.parameters=[Omega_m, A_SN1]", "loss.terms={mmd: {}}")
    found = replace(
        prepared(experiment, four),
        intervals=(
            PriorInterval("simba", "Omega_m", 0.4, 0.9),
            PriorInterval("simba", "A_SN1", 0.02, 0.99),
        ),
    )
    made = assemble(experiment, found)
    align_within(made, found)
    window = made.objective.first.window
    assert window.low.tolist() == pytest.approx([0.4, 0.0])
    assert window.high.tolist() == pytest.approx([0.9, 1.0])


def test_few_items_inside_are_completed_by_the_nearest(four: Path) -> None:
    experiment = load(four)
    found = prepared(experiment, four)
    made = assemble(experiment, found)
    (batch,) = _inside(made, found, [(0.95, 1.0)])
    assert len(batch.y) == FEWEST
    assert batch.y.min() > 0.5


def test_a_redrawn_report_is_qualified_as_the_first(four: Path, tmp_path: Path) -> None:
    quick = ["training.epochs=1", "calibration.surrogate=none", "evaluation.baselines=false"]
    experiment = load(four, *quick, "data.limit=60", target_prior={"Omega_m": (0.3, 0.5)})
    first, again = (Console(record=True, width=200, file=StringIO()) for _ in range(2))
    made = run.train(experiment, out=tmp_path / "run", console=first)
    folder = RunFolder(made.folder)
    # So few boxes are no reason for an alarm: one that was stored is told again.
    stored = {"simba, Omega_m": (0.5, 0.9, 0.9)}
    folder.write_record(folder.read_record().updated(prior_intervals=stored))
    run.report(made.folder, console=again)
    told = again.export_text().splitlines()
    notes = sum("the prior of Ωₘ, 0.1 to 0.5" in line for line in told)
    words = ["Summary", *["Note"] * notes, "STRESS TEST", "Alarm", "Report"]
    assert [line.split(":")[0] for line in told] == words
    assert "fewer than 20 decide nothing" in told[0] and "from 0.3 to 0.5" in told[-3]
    assert "simba seems to span only 40%" in told[-2]
    kept = [line for line in told if not line.startswith("Alarm")]
    assert [line for line in first.export_text().splitlines() if line in kept] == kept


def test_intervals_come_back_from_the_run(four: Path, tmp_path: Path) -> None:
    quick = ["training.epochs=1", "calibration.surrogate=none", "evaluation.baselines=false"]
    experiment = load(four, *quick, target_prior={"Omega_m": (0.35, 0.5)})
    result = run.train(experiment, out=tmp_path / "run")
    folder = RunFolder(result.folder)
    (interval,) = folder.read_record().intervals
    assert interval.suite == "simba" and interval.alarm
    before = folder.results.read_text()
    screen = Console(record=True, width=200)
    run.evaluate(result.folder, console=screen)
    assert folder.results.read_text() == before
    assert "Alarm" in screen.export_text()
    run.predict(
        result.folder,
        [four / "Pk_galaxies_SIMBA_LH_33_kmax=20.0.npy"],
        suite="SIMBA",
        out=tmp_path / "p.csv",
        console=screen,
    )
    assert "seems to span" in screen.export_text()
