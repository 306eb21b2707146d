"""Surrogates of the target: what they are made of, and what they must not read."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from tiny_spectra import load, write_suites

from dagnn import run
from dagnn.errors import MissingDataError
from dagnn.records import Predictions
from dagnn.run import calibrate
from dagnn.run.calibrate import Surrogate, halves, surrogates
from dagnn.run.data import prepare
from dagnn.run.fitting import fit_network
from dagnn.run.folder import RunFolder
from dagnn.run.prepared import Prepared, SuiteData

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def spectra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data folder of two suites of spectra, in which A_SN1 alone varies beside Omega_m."""
    return write_suites(tmp_path_factory.mktemp("spectra"))


@pytest.fixture(scope="module")
def made(spectra: Path) -> tuple[Prepared, list[Surrogate]]:
    """Give the halves of a run."""
    experiment = load(spectra)
    prepared = prepare(experiment, spectra, QUIET)
    return prepared, halves(experiment, prepared)[0]


def further(prepared: Prepared, suite: SuiteData, rows: np.ndarray) -> np.ndarray:
    """Read A_SN1 of some items from the table on disk."""
    table = np.loadtxt(
        prepared.folder / "params/IllustrisTNG/CosmoAstroSeed_IllustrisTNG_L25n256_LH.txt",
        usecols=3,
    )
    numbers = [int(suite.loaded.dataset.ids[row].split("_")[1]) for row in rows]
    return table[numbers]


def test_halves_are_low_against_high_and_high_against_low(
    made: tuple[Prepared, list[Surrogate]],
) -> None:
    prepared, found = made
    assert [each.name for each in found] == ["low-A_SN1", "high-A_SN1"]
    for each, sign in zip(found, (1, -1), strict=True):
        source, target = each.prepared.suites
        assert (source.role, target.role) == ("source", "target")
        for part in ("train", "valid"):
            ours, theirs = (
                further(prepared, suite, suite.parts()[part].numpy()) for suite in (source, target)
            )
            low, high = (ours, theirs) if sign > 0 else (theirs, ours)
            assert low.max() < high.min()
            together = {int(r) for s in (source, target) for r in s.parts()[part]}
            assert together == set(prepared.suites[0].parts()[part].tolist())
        assert not len(source.parts()["test"]) and not len(target.parts()["test"])
        assert abs(len(source.parts()["train"]) - len(target.parts()["train"])) <= 1


def test_the_truth_of_the_other_half_is_not_learned(
    made: tuple[Prepared, list[Surrogate]], tmp_path: Path
) -> None:
    _, (surrogate, _) = made
    source, target = surrogate.prepared.suites
    dataset = target.loaded.dataset
    unknown = type(dataset)(
        dataset.x.numpy(), dataset.ids, np.full(dataset.y.shape, np.nan), dataset.scaling
    )
    blind = replace(target, loaded=replace(target.loaded, dataset=unknown.in_domain(target.domain)))
    networks = [
        fit_network(
            surrogate.experiment,
            replace(surrogate.prepared, suites=(source, seen)),
            RunFolder(tmp_path / name),
            QUIET,
            initial=None,
            label="",
            root=tmp_path,
        )
        for name, seen in (("seen", target), ("blind", blind))
    ]
    ours, theirs = (network.state_dict() for network in networks)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_run_inflates_its_error_bars_by_the_harsher_half(
    spectra: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[set[str], int]] = []

    def say(held_out: list[Predictions], fitted_on: int) -> np.ndarray:
        told.append(({p.suite for p in held_out}, fitted_on))
        return np.array([1.5 * len(told)])

    monkeypatch.setattr(calibrate, "excess", say)
    made = run.train(load(spectra, "calibration.surrogate=halves"), out=tmp_path / "run")
    folder = RunFolder(made.folder)
    assert [suites for suites, _ in told] == [{"tng-high-A_SN1"}, {"tng-low-A_SN1"}]
    assert all(20 <= fitted_on <= 22 for _, fitted_on in told)
    trained = sorted(path.name for path in (folder.path / "surrogates").iterdir())
    assert trained == ["high-A_SN1", "low-A_SN1"]
    assert json.loads(folder.calibration.read_text())["inflation"] == [3.0]


def test_halves_do_not_start_from_weights_that_know_their_labels(
    spectra: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run.train(load(spectra, "calibration.surrogate=none"), out=tmp_path / "first")
    starts: dict[str, object] = {}

    def note(*given: Any, **asked: Any) -> Any:
        starts[asked["label"]] = asked["initial"]
        return fit_network(*given, **asked)

    monkeypatch.setattr(calibrate, "fit_network", note)
    experiment = load(spectra, "calibration.surrogate=halves")
    warm = experiment.model_copy(update={"init_from": first.folder})
    run.train(warm, out=tmp_path / "second")
    assert len(starts) == 2 and set(starts.values()) == {None}


def test_auto_takes_another_redshift_first(spectra: Path) -> None:
    experiment = load(spectra, "calibration.surrogate=auto")
    prepared = prepare(experiment, spectra, QUIET)
    assert [each.name for each in surrogates(experiment, prepared, QUIET)] == ["redshift"]


def test_auto_halves_where_there_is_no_other_redshift(tmp_path: Path) -> None:
    for file in write_suites(tmp_path).glob("Pk_*_LH_18_*"):
        file.unlink()
    experiment = load(tmp_path, "calibration.surrogate=auto")
    prepared = prepare(experiment, tmp_path, QUIET)
    names = [each.name for each in surrogates(experiment, prepared, QUIET)]
    assert names == ["low-A_SN1", "high-A_SN1"]


def test_too_few_items_are_not_halved_and_the_run_says_so(spectra: Path) -> None:
    experiment = load(spectra, "calibration.surrogate=halves", "data.limit=60")
    prepared = prepare(experiment, spectra, QUIET)
    said = io.StringIO()
    assert surrogates(experiment, prepared, Console(file=said, width=200)) == []
    assert "need 20 boxes each to validate on and have 4" in said.getvalue()


def test_a_source_that_cannot_be_calibrated_trains_no_surrogate(
    spectra: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run.train(load(spectra, "data.limit=60", "training.epochs=1"), out=tmp_path / "run")
    assert "not calibrated: the source has fewer than 20" in capsys.readouterr().err
    assert not (tmp_path / "run" / "surrogates").exists()


def test_halves_need_the_table(made: tuple[Prepared, list[Surrogate]], tmp_path: Path) -> None:
    prepared, _ = made
    with pytest.raises(MissingDataError, match="parameter table"):
        halves(load(prepared.folder), replace(prepared, folder=tmp_path))
