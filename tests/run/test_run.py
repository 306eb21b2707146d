"""The whole road, from files to a report, on tiny suites."""

import csv
import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml

from dagnn import run
from dagnn.config import load_experiment
from dagnn.errors import (
    CheckpointError,
    DagnnError,
    Interrupted,
    MismatchError,
    MissingDataError,
    UsageError,
)
from dagnn.losses import TERMS
from dagnn.resources import resource_folder
from dagnn.run.assemble import check
from dagnn.run.folder import RunFolder
from dagnn.training import ProgressReport

#: Small enough for seconds, large enough for every part of a run.
TINY = [
    "training.epochs=2",
    "training.batch_size=4",
    "data.workers=1",
    "model.encoder.hidden=8",
    "evaluation.bootstrap=100",
    "evaluation.latent_map=pca",
]


def load(universe: Path, *overrides: str, **values: object) -> run.Experiment:
    values = {"source": ["tng"], "target": ["simba"], **values}
    return run.load("base", [*TINY, *overrides], data=universe, **values)


@pytest.fixture(scope="module")
def finished(universe: Path, tmp_path_factory: pytest.TempPathFactory) -> run.RunResult:
    out = tmp_path_factory.mktemp("runs") / "first"
    return run.train(load(universe, compare_source_only=True), out=out)


def weights(folder: Path, name: str = "last.pt") -> dict[str, torch.Tensor]:
    stored = torch.load(folder / "checkpoints" / name, weights_only=True)
    return stored["network"]


def test_the_run_directory_is_complete(finished: run.RunResult) -> None:
    folder = RunFolder(finished.folder)
    for path in vars(folder).values():
        assert path.exists(), path
    assert (folder.checkpoints / "last.pt").is_file() and (folder.checkpoints / "best.pt").is_file()
    assert len(folder.metrics.read_text().splitlines()) == 2
    facts = json.loads(folder.environment.read_text())
    assert facts["mock"] is False and set(facts["data"]) == {"tng", "simba"}


def test_the_table_has_prior_mean_source_only_and_model(finished: run.RunResult) -> None:
    with (finished.folder / "results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["model"] for row in rows} == {"prior-mean", "source-only", "model"}
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


def test_the_stored_configuration_runs_again(finished: run.RunResult, tmp_path: Path) -> None:
    experiment = run.load(finished.folder / "config.yaml")
    again = run.train(experiment, out=tmp_path / "again")
    assert again.results == finished.results


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


def test_resume_refuses_other_data(finished: run.RunResult, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(finished.folder, copied)
    facts = json.loads((copied / "environment.json").read_text())
    facts["data"]["simba"] = "something else"
    (copied / "environment.json").write_text(json.dumps(facts))
    with pytest.raises(CheckpointError, match="simba"):
        run.resume(copied)


def test_evaluate_measures_an_unseen_suite(
    finished: run.RunResult, universe: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(finished.folder, copied)
    result = run.evaluate(copied, suites=["Astrid"], data=universe)
    unseen = [row for row in result.results if row.suite == "astrid"]
    assert {(row.role, row.split) for row in unseen} == {("other", "all")}
    assert [row for row in result.results if row.suite != "astrid"] == finished.results
    assert "astrid" in (copied / "report.html").read_text()


def test_predict_new_files_and_warn_outside_the_training_range(
    finished: run.RunResult, universe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box = universe / "FOF_Subfind/SIMBA/L25n256/LH/LH_0/groups_090.hdf5"
    made = run.predict(finished.folder, [box], out=tmp_path / "out.csv")
    assert np.isnan(made.truth).all() and np.isfinite(made.mean).all()
    assert str(box) in (tmp_path / "out.csv").read_text()
    astrid = universe / "FOF_Subfind/Astrid/L25n256/LH"
    run.predict(finished.folder, sorted(astrid.rglob("*.hdf5")), out=tmp_path / "out.csv")
    assert "outside the training range" in capsys.readouterr().err


def test_report_is_the_same_from_stored_results(finished: run.RunResult) -> None:
    before = (finished.folder / "report.html").read_text()
    run.report(finished.folder)
    assert (finished.folder / "report.html").read_text() == before


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


def test_init_from_starts_where_another_run_ended(
    finished: run.RunResult, universe: Path, tmp_path: Path
) -> None:
    tiny_steps = ["training.epochs=1", "training.steps_per_epoch=1", "training.learning_rate=1e-12"]
    made = run.train(load(universe, *tiny_steps, init_from=finished.folder), out=tmp_path / "next")
    before, after = weights(finished.folder, "best.pt"), weights(made.folder)
    for name in before:
        if name.endswith("weight"):
            torch.testing.assert_close(before[name], after[name], atol=1e-6, rtol=1e-4)


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


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model.encoder.hiden=3"], "Did you mean 'hidden'"),
        (["model.encoder.name=grap"], "Did you mean 'graph'"),
        (["loss.terms.mmd.bandwith=median"], "Did you mean 'bandwidth'"),
        (["loss.terms={mmmd: {}}"], "Did you mean 'mmd'"),
        (["training.optimizer=adamww"], "Did you mean 'adamw'"),
        (["training.select_on=target_rmse"], "training.select_on"),
        (["data.linking_radius=0.7"], "below 0.5"),
        (["data.convention=publised"], "Did you mean 'published'"),
        (["data.name=galaxy"], "Did you mean 'galaxies'"),
        (["training.device=gpu"], "training.device"),
        (["target=[]"], "--target"),
        (["target=IllustrisTNG"], "source and target at once"),
    ],
)
def test_impossible_experiments_fail_before_any_data_are_read(
    overrides: list[str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        run.train(run.load("base", overrides, data=tmp_path))
    assert words in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_named_data_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="nowhere"):
        run.train(run.load(data=tmp_path / "nowhere"))


def test_a_run_is_never_overwritten(finished: run.RunResult, universe: Path) -> None:
    with pytest.raises(UsageError, match="--resume"):
        run.train(load(universe), out=finished.folder)


def test_runs_without_a_name_get_numbers(tmp_path: Path) -> None:
    first, second = (RunFolder.create(None, "demo").path for _ in range(2))
    assert (first, second) == (Path("runs/demo"), Path("runs/demo-2"))


def test_opening_something_else_lists_the_runs_beside(finished: run.RunResult) -> None:
    with pytest.raises(MissingDataError, match="first"):
        run.report(finished.folder.parent / "frist")


def test_a_changed_configuration_is_refused_with_its_path(
    finished: run.RunResult, tmp_path: Path
) -> None:
    tree = yaml.safe_load((finished.folder / "config.yaml").read_text())
    tree["training"]["epoch"] = 3
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(UsageError, match=r"config\.yaml"):
        run.report(tmp_path)


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


def test_published_weights_through_the_verb(shared: Path, tmp_path: Path) -> None:
    reference = shared / "reference"
    expected = np.load(reference / "expected_tng_noda.npz")
    file = next((reference / "weights").glob("IllustrisTNG_LH_NoDA*"))
    boxes = [
        reference / "catalogs" / f"IllustrisTNG_LH_{i}_fof_subhalo_tab_033.hdf5"
        for i in expected["ids"]
    ]
    made = run.predict_published(file, boxes, out=tmp_path / "p.csv")
    mean = 0.1 + 0.4 * expected["IllustrisTNG/mean"]
    std = 0.4 * np.abs(expected["IllustrisTNG/std_signed"])
    np.testing.assert_allclose(made.mean[:, 0], mean, rtol=1e-4)
    np.testing.assert_allclose(made.std[:, 0], std, rtol=1e-4)


def test_published_weights_without_a_radius_in_their_name(shared: Path, tmp_path: Path) -> None:
    file = next((shared / "reference" / "weights").glob("SIMBA_LH_NoDA*"))
    nameless = tmp_path / "weights.pt"
    nameless.write_bytes(file.read_bytes())
    with pytest.raises(UsageError, match="--linking-radius"):
        run.predict_published(nameless, [])


@pytest.mark.parametrize("name", sorted(p.stem for p in resource_folder("configs").glob("*.yaml")))
def test_every_shipped_configuration_names_parts_that_exist(name: str) -> None:
    check(load_experiment(name))


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


def test_an_unseen_suite_can_bring_its_own_statistics(
    universe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run.train(load(universe, "model.statistics=per_suite"), out=tmp_path / "run")
    through_source = run.evaluate(made.folder, suites=["astrid"])
    assert "seen through the statistics of tng" in capsys.readouterr().err
    own = run.evaluate(made.folder, suites=["astrid"], adapt_statistics=True)
    assert "estimated from its own unlabelled" in (made.folder / "report.html").read_text()
    old, new = (
        next(p for p in result.predictions if p.suite == "astrid")
        for result in (through_source, own)
    )
    assert not np.allclose(old.mean, new.mean)
    # The latent of the adapted network is normalised on the suite itself.
    assert np.abs(new.latent.mean(0)).max() < np.abs(old.latent.mean(0)).max()


def test_predict_names_the_suite_whose_statistics_it_uses(universe: Path, tmp_path: Path) -> None:
    made = run.train(load(universe, "model.statistics=per_suite"), out=tmp_path / "run")
    boxes = sorted((universe / "FOF_Subfind/SIMBA/L25n256/LH").rglob("*.hdf5"))
    source, target, guessed = (
        run.predict(made.folder, boxes, suite=name, out=tmp_path / "p.csv")
        for name in ("tng", "SIMBA", None)
    )
    assert not np.allclose(source.mean, target.mean)
    assert np.array_equal(guessed.mean, target.mean)
    trained = {
        name: value
        for p in made.predictions
        if (p.suite, p.split) == ("simba", "test")
        for name, value in zip(p.ids, p.mean[:, 0], strict=True)
    }
    found = {Path(i).parent.name: m for i, m in zip(target.ids, target.mean[:, 0], strict=True)}
    for name, value in trained.items():
        assert found[name] == pytest.approx(value, rel=1e-5)
    with pytest.raises(UsageError, match="not trained on astrid"):
        run.predict(made.folder, boxes, suite="astrid", out=tmp_path / "p.csv")
    with pytest.raises(UsageError, match="at least 20"):
        run.predict(made.folder, boxes[:3], adapt_statistics=True, out=tmp_path / "p.csv")


def test_a_target_that_no_term_reads_shares_the_statistics_of_the_source(
    universe: Path, tmp_path: Path
) -> None:
    settings = ["model.statistics=per_suite", "loss.terms.mmd.weight=0"]
    made = run.train(load(universe, *settings), out=tmp_path / "run")
    state = weights(made.folder)
    assert len(state["encoder.norm.batches"]) == 1
    assert state["encoder.norm.batches"].min() > 0
    run.evaluate(made.folder)


def test_init_from_keeps_the_splits_so_that_nothing_leaks(
    finished: run.RunResult, universe: Path, tmp_path: Path
) -> None:
    experiment = load(universe, seed=5, init_from=finished.folder, source=["simba"], target=["tng"])
    made = run.train(experiment, out=tmp_path / "next")
    stored = [
        torch.load(folder / "checkpoints" / "best.pt", weights_only=True)["meta"]
        for folder in (finished.folder, made.folder)
    ]
    assert stored[0]["splits"] == stored[1]["splits"]
    assert "init_from" in (made.folder / "config.yaml").read_text()


def test_init_from_with_a_comparison_resumes_exactly(
    finished: run.RunResult, universe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = load(universe, init_from=finished.folder, compare_source_only=True)
    whole = run.train(experiment, out=tmp_path / "whole")

    def interrupt(self: ProgressReport, step: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProgressReport, "on_step", interrupt)
        with pytest.raises(Interrupted):
            run.train(experiment, out=tmp_path / "broken")
    assert run.resume(tmp_path / "broken").results == whole.results


def test_init_from_refuses_another_network_before_a_folder_is_made(
    finished: run.RunResult, universe: Path, tmp_path: Path
) -> None:
    for setting in ("model.encoder.hidden=16", "data.parameters=sigma_8"):
        with pytest.raises(CheckpointError):
            run.train(load(universe, setting, init_from=finished.folder), out=tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_evaluate_refuses_other_data(
    finished: run.RunResult, universe: Path, tmp_path: Path
) -> None:
    copied, moved = tmp_path / "copied", tmp_path / "moved"
    shutil.copytree(finished.folder, copied)
    shutil.copytree(universe, moved)
    run.evaluate(copied, data=moved)
    table = moved / "Parameters/SIMBA/CosmoAstroSeed_SIMBA_L25n256_LH.txt"
    table.write_text(table.read_text().replace(" 0.8 ", " 0.8 ", 1).replace("LH_0 0.", "LH_0 0.1"))
    with pytest.raises(CheckpointError, match="simba"):
        run.evaluate(copied, data=moved)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.yaml", "a: ["),
        ("environment.json", "{"),
        ("latents.npz", "PK"),
        ("latents.npz", None),
    ],
)
def test_a_damaged_run_is_an_error_with_the_file_named(
    finished: run.RunResult, tmp_path: Path, name: str, content: str | None
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(finished.folder, copied)
    (copied / name).unlink()
    if content is not None:
        (copied / name).write_text(content)
    with pytest.raises(DagnnError, match=name.replace(".", r"\.")):
        run.report(copied)


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


def test_predict_checks_headers_and_prints_notes(
    finished: run.RunResult, universe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box = tmp_path / "IllustrisTNG_LH_3_groups_090.hdf5"
    shutil.copy(universe / "FOF_Subfind/IllustrisTNG/L25n256/LH/LH_3/groups_090.hdf5", box)
    with h5py.File(box, "a") as file:
        file["Subhalo/SubhaloVmax"][:3] = np.inf
    run.predict(finished.folder, [box], out=tmp_path / "p.csv")
    assert "3 galaxies with a non-finite column" in capsys.readouterr().err
    with h5py.File(box, "a") as file:
        file["Header"].attrs["Redshift"] = 2.0
    with pytest.raises(MismatchError, match="edshift"):
        run.predict(finished.folder, [box], out=tmp_path / "p.csv")


def test_too_few_simulations_are_refused_before_a_folder_is_made(
    universe: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="fewer than 2"):
        run.train(load(universe, "data.limit=5"), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("term", sorted(TERMS))
def test_every_domain_term_trains_by_its_name(term: str, universe: Path, tmp_path: Path) -> None:
    settings = [f"loss.terms={{{term}: {{weight: 0.1}}}}", "training.epochs=1"]
    made = run.train(load(universe, *settings), out=tmp_path / "run")
    assert all(np.isfinite(p.mean).all() for p in made.predictions)


def test_the_pyg_recipe_of_the_tutorial_runs(universe: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "tutorial.md").read_text()
    block = next(
        b for b in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "DataLoader" in b
    )
    names: dict[str, object] = {}
    exec(compile(block.replace('"DATA"', repr(str(universe))), "tutorial.md", "exec"), names)
    assert names["mean"].shape[1] == 1
