"""The whole road, from files to a report, on tiny suites."""

import csv
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from test_docs import define
from tiny_runs import load, weights

from dagnn import run
from dagnn.errors import (
    Interrupted,
    UsageError,
)
from dagnn.losses import TERMS
from dagnn.models import ENCODERS
from dagnn.run.folder import RunFolder
from dagnn.run.sweep import pairings
from dagnn.training import ProgressReport


def test_the_run_directory_is_complete(finished: run.RunResult) -> None:
    folder = RunFolder(finished.folder)
    for path in {*vars(folder).values()} - {folder.novelty}:
        assert path.exists(), path
    assert not folder.novelty.exists(), "only classifiers have one"
    assert (folder.checkpoints / "last.pt").is_file() and (folder.checkpoints / "best.pt").is_file()
    assert len(folder.metrics.read_text().splitlines()) == 2
    facts = json.loads(folder.environment.read_text())
    assert facts["mock"] is False and set(facts["data"]) == {"tng", "simba"}
    counts = {"found": 20, "used": 20, "left_out": {}, "remarks": []}
    assert facts["coverage"] == {"tng": counts, "simba": counts}
    assert "20 boxes found, 20 used" in folder.model_card.read_text()


def test_the_table_has_prior_mean_source_only_and_model(finished: run.RunResult) -> None:
    with (finished.folder / "results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["mock"] for row in rows} == {"False"}
    baselines = {"prior-mean", "galaxy-count", "ridge", "ridge-aligned"}
    assert {row["model"] for row in rows} == baselines | {"source-only", "model"}
    assert {(row["suite"], row["role"]) for row in rows} == {("tng", "source"), ("simba", "target")}
    assert {row["split"] for row in rows} == {"valid", "test"}


def test_predictions_are_in_physical_units_and_leave_training_items_out(
    finished: run.RunResult,
) -> None:
    for predictions in finished.predictions:
        assert predictions.split in ("valid", "test")
        assert ((predictions.truth >= 0.1) & (predictions.truth <= 0.5)).all()
        assert np.isfinite(predictions.mean).all() and (predictions.std > 0).all()


def test_the_same_seed_gives_the_same_bytes(universe: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        run.train(load(universe), out=tmp_path / name)
    assert (tmp_path / "a/results.csv").read_bytes() == (tmp_path / "b/results.csv").read_bytes()
    other = run.train(load(universe, seed=1), out=tmp_path / "c").folder / "results.csv"
    assert other.read_bytes() != (tmp_path / "a/results.csv").read_bytes()


def test_an_interrupted_run_resumes_to_the_same_weights(
    universe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = load(universe, "training.epochs=3", compare_source_only=True)
    whole = run.train(experiment, out=tmp_path / "whole")

    calls = 0

    def interrupt(self: ProgressReport, step: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 15:  # within the second training, after its first epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProgressReport, "on_step", interrupt)
        with pytest.raises(Interrupted, match=r"dagnn train --resume .*broken"):
            run.train(experiment, out=tmp_path / "broken")
    resumed = run.resume(tmp_path / "broken")
    assert resumed.results == whole.results
    for name, value in weights(tmp_path / "whole").items():
        assert torch.equal(value, weights(tmp_path / "broken")[name]), name


def test_ctrl_c_after_the_training_names_the_run_too(
    universe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("dagnn.run.outputs.write_pages", interrupt)
        with pytest.raises(Interrupted, match=r"dagnn train --resume .*run"):
            run.train(load(universe), out=tmp_path / "run")
    run.resume(tmp_path / "run")
    assert (tmp_path / "run/report.html").exists()


def test_an_unlabelled_target_needs_no_table(universe: Path, tmp_path: Path) -> None:
    blind = tmp_path / "blind"
    shutil.copytree(universe, blind)
    (blind / "Parameters/SIMBA/CosmoAstroSeed_SIMBA_L25n256_LH.txt").unlink()
    result = run.train(load(blind), out=tmp_path / "run")
    assert {row.suite for row in result.results} == {"tng"}
    assert {p.suite for p in result.predictions} == {"tng", "simba"}


def test_source_only_never_reads_target_inputs_in_training(universe: Path, tmp_path: Path) -> None:
    overrides = ["loss.terms={none: {}}", "model.statistics=shared"]
    both = run.train(load(universe, *overrides), out=tmp_path / "both")
    alone = run.train(load(universe, *overrides, target=[]), out=tmp_path / "alone")
    for name, value in weights(both.folder).items():
        assert torch.equal(value, weights(alone.folder)[name])


def test_several_sources_and_targets(universe: Path, tmp_path: Path) -> None:
    result = run.train(
        load(universe, source=["tng", "astrid"], target=["simba"]), out=tmp_path / "run"
    )
    assert {p.suite for p in result.predictions} == {"tng", "astrid", "simba"}


def test_mock_data_are_stamped(universe: Path, tmp_path: Path) -> None:

    mocked = tmp_path / "mocked"
    shutil.copytree(universe, mocked)
    for path in mocked.rglob("*.hdf5"):
        with h5py.File(path, "a") as file:
            file["Header"].attrs["MockGenerator"] = "a test"
    made = run.train(load(mocked), out=tmp_path / "run")
    assert made.mock
    assert "MOCK" in (made.folder / "report.html").read_text()
    assert "MOCK" in (made.folder / "MODEL_CARD.md").read_text()


def test_real_spectra_train_and_report(shared: Path, tmp_path: Path) -> None:
    experiment = run.load(
        "spectra_mmd", ["training.epochs=4", "evaluation.bootstrap=100"], data=shared / "camels"
    )
    result = run.train(experiment, out=tmp_path / "spectra")
    assert not result.mock
    r2 = {
        row.suite: row.value
        for row in result.results
        if (row.metric, row.split, row.model) == ("r2", "test", "model")
    }
    assert r2["tng"] > 0.3 and set(r2) == {"tng", "simba"}
    table = shared / "camels" / "Pk_galaxies_SIMBA_LH_33_kmax=20.0.npy"
    assert run.predict(result.folder, [table], out=tmp_path / "p.csv").mean.shape == (1000, 1)


def test_statistics_per_suite_differ_and_travel_with_the_checkpoint(
    universe: Path, tmp_path: Path
) -> None:
    result = run.train(load(universe, "model.statistics=per_suite"), out=tmp_path / "run")
    state = weights(result.folder)
    for name in ("encoder.node_input.mean", "encoder.norm.mean"):
        assert len(state[name]) == 2
        assert not torch.allclose(state[name][0], state[name][1])
    before = (result.folder / "predictions.csv").read_bytes()
    run.evaluate(result.folder)
    assert (result.folder / "predictions.csv").read_bytes() == before


def test_shared_statistics_of_several_sources_are_those_of_all_of_them(
    universe: Path, tmp_path: Path
) -> None:
    settings = ["model.statistics=shared", "training.epochs=1"]
    made = run.train(load(universe, *settings, source=["tng", "astrid"]), out=tmp_path / "run")
    alone = run.train(load(universe, *settings, source=["tng"]), out=tmp_path / "alone")
    name = "encoder.node_input.mean"
    assert len(weights(made.folder)[name]) == 1
    assert not torch.allclose(weights(made.folder)[name], weights(alone.folder)[name])


def test_a_target_that_no_term_reads_shares_the_statistics_of_the_source(
    universe: Path, tmp_path: Path
) -> None:
    settings = ["model.statistics=per_suite", "loss.terms.mmd.weight=0"]
    made = run.train(load(universe, *settings), out=tmp_path / "run")
    state = weights(made.folder)
    assert len(state["encoder.norm.batches"]) == 1
    assert state["encoder.norm.batches"].min() > 0
    run.evaluate(made.folder)


def test_two_redshifts_and_two_parameters_go_the_whole_road(shared: Path, tmp_path: Path) -> None:
    settings = ["training.epochs=1", "evaluation.bootstrap=100", "evaluation.latent_map=pca"]
    settings += ["data.redshifts=[0.0, 1.05]", "data.parameters=[Omega_m, sigma_8]"]
    made = run.train(
        run.load("spectra_mmd", settings, data=shared / "camels"), out=tmp_path / "run"
    )
    assert {row.parameter for row in made.results} == {"Omega_m", "sigma_8"}
    files = [
        shared / "camels" / f"Pk_galaxies_SIMBA_LH_{snapshot}_kmax=20.0.npy"
        for snapshot in (33, 18)
    ]
    predicted = run.predict(made.folder, files, out=tmp_path / "p.csv")
    assert predicted.mean.shape == (1000, 2) and predicted.suite == "simba"
    with pytest.raises(UsageError, match="2 files"):
        run.predict(made.folder, files[:1], out=tmp_path / "p.csv")


FOR_CLASSES = {name for name, term in TERMS.items() if term.needs_classes}


@pytest.mark.parametrize("term", sorted(FOR_CLASSES))
def test_terms_for_classes_are_refused(term: str, universe: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"classes.*parameters"):
        run.train(load(universe, f"loss.terms={{{term}: {{}}}}"), out=tmp_path / "run")


@pytest.mark.parametrize("term", sorted(TERMS.keys() - FOR_CLASSES))
def test_every_domain_term_trains_by_its_name(term: str, universe: Path, tmp_path: Path) -> None:
    settings = [f"loss.terms={{{term}: {{weight: 0.1}}}}", "training.epochs=1"]
    made = run.train(load(universe, *settings), out=tmp_path / "run")
    assert all(np.isfinite(p.mean).all() for p in made.predictions)


def test_a_suite_is_described_by_a_file_of_ones_own(
    universe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    for kind in ("FOF_Subfind", "Parameters"):
        (data / kind).mkdir(parents=True)
        (data / kind / "IllustrisTNG").symlink_to(universe / kind / "IllustrisTNG")
    (data / "FOF_Subfind" / "Horizon").symlink_to(universe / "FOF_Subfind" / "SIMBA")
    table = universe / "Parameters" / "SIMBA" / "CosmoAstroSeed_SIMBA_L25n256_LH.txt"
    shutil.copy(table, data / "Parameters" / "CosmoAstroSeed_Horizon_L25n256_LH.txt")
    file = tmp_path / "horizon.yaml"
    file.write_text("inherits: _camels\nname: Horizon\nshort_name: horizon\nspellings: [Horizon]\n")
    monkeypatch.chdir(tmp_path)
    made = run.train(load(data, target=["horizon.yaml"]), out=tmp_path / "run")
    assert {row.suite for row in made.results} == {"tng", "horizon"}
    assert "tng → horizon" in (made.folder / "report.html").read_text()
    monkeypatch.chdir(data)
    assert run.evaluate(made.folder).results == made.results, "from any other folder"
    pairs = pairings(["TNG", str(file)], leave_one_out=False)
    assert pairs == [(("tng",), str(file)), ((str(file),), "tng")]


def test_an_encoder_that_a_script_lists_trains_and_predicts(
    universe: Path, tmp_path: Path, few_figures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENCODERS, "deep_set", define("DeepSet"))
    experiment = load(universe, "model.encoder={name: deep_set, hidden: 8}")
    result = run.train(experiment, out=tmp_path / "run")
    assert "deep_set" in result.folder.joinpath("config.yaml").read_text()
    again = run.evaluate(result.folder)
    assert [row.value for row in again.results] == [row.value for row in result.results]
