"""Every shipped configuration of images, and what only runs of images do."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from tiny_images import EXAMINED, tiny, write_survey, write_surveys

from dagnn import run
from dagnn.config import build, load_experiment, shipped_names
from dagnn.data import MODALITIES
from dagnn.data.mocking import skies
from dagnn.errors import CheckpointError, UsageError
from dagnn.robustness.examine import read_examination
from dagnn.run.assemble import assemble, check, load_parameters
from dagnn.run.baselines import measure
from dagnn.run.data import locate_data, prepare, read_suite
from dagnn.run.fitting import fit_network, load_initial
from dagnn.run.folder import RunFolder
from dagnn.run.robustness import paired
from dagnn.run.trained import predict_all
from dagnn.trust.novelty import Novelty

QUIET = Console(quiet=True)
CONFIGS = [
    name
    for name in shipped_names("configs")
    if load_experiment(name).data.name == "images"
    and name not in ("deepmerge", "resnet18", "adversaries")  # the same as their variant mmd
]


@pytest.fixture(scope="module")
def surveys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with two tiny surveys."""
    return write_surveys(tmp_path_factory.mktemp("surveys"))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_configuration_of_images_is_assembled(name: str, surveys: Path) -> None:
    experiment = tiny(name, surveys)
    check(load_experiment(name))
    made = assemble(experiment, prepare(experiment, surveys, QUIET))
    assert sum(weight.numel() for weight in made.network.parameters()) > 1000


@pytest.mark.parametrize("name", CONFIGS)
def test_every_configuration_of_images_trains(name: str, surveys: Path, tmp_path: Path) -> None:
    experiment = tiny(name, surveys)
    prepared = prepare(experiment, surveys, QUIET)
    folder = RunFolder(tmp_path / "run")
    network = fit_network(
        experiment, prepared, folder, QUIET, initial=None, label=name, root=tmp_path
    )
    predictions = predict_all(network, prepared, "model", transductive=True)
    results = measure(experiment, prepared, predictions)
    target = [r for r in results if (r.suite, r.metric) == ("second", "balanced_accuracy")]
    assert target and all(0 <= row.value <= 1 for row in target)


def test_networks_are_examined_and_the_report_redrawn(
    surveys: Path, tmp_path: Path, few_figures: None
) -> None:
    experiment = tiny("deepmerge_mmd", surveys, EXAMINED, compare_source_only=True)
    folder = run.train(experiment, out=tmp_path / "run", console=QUIET).folder
    found = read_examination(folder)
    assert found is not None
    assert {(row.model, row.suite, row.change) for row in found.rows} == {
        (model, suite, change)
        for model in ("source-only", "model")
        for suite in ("first", "second")
        for change in ("poisson", "one-pixel")
    }
    assert set(found.windows) == {"source-only", "model"}
    assert {e.title.split(":")[0] for e in found.examples} == {"first", "second"}
    drawn = {path.stem for path in (folder / "figures").glob("*.png")}
    assert {"noise", "church", "gradcam"} <= drawn
    before = (folder / "report.html").read_text()
    assert "Robustness" in before and "Where each network looks" in before
    (folder / "figures" / "gradcam.png").unlink()
    run.report(folder, console=QUIET)
    assert (folder / "report.html").read_text() == before
    assert (folder / "figures" / "gradcam.png").is_file()


def test_the_same_objects_of_two_surveys_are_compared_with_and_without_adaptation(
    tmp_path: Path, few_figures: None
) -> None:
    objects = np.array([f"galaxy {n}" for n in range(36)])
    write_survey(tmp_path, "first", 120, 0, object_id=objects)
    write_survey(tmp_path, "second", 60, 1, object_id=objects[::-1])
    write_survey(tmp_path, "third", 60, 2)
    experiment = tiny(
        "deepmerge_mmd", tmp_path, EXAMINED, compare_source_only=True, target=["second", "third"]
    )
    prepared = prepare(experiment, tmp_path, QUIET)
    ((source, other, before, after),) = paired(prepared, seed=0)
    assert (source.name, other.name) == ("first", "second"), "the third shares no object"
    ids = [
        [s.loaded.dataset.ids[i] for i in rows] for s, rows in ((source, before), (other, after))
    ]
    assert ids[0] == ids[1]
    for suite in (source, other):
        assert suite.split is not None
        held = {suite.loaded.dataset.ids[row] for row in suite.split.test}
        assert set(ids[0]) == held
    folder = run.train(experiment, out=tmp_path / "run", console=QUIET).folder
    found = read_examination(folder)
    assert found is not None
    rows = [row for row in found.rows if row.change == "paired"]
    assert [(row.model, row.suite, row.items) for row in rows] == [
        (model, "first → second", len(before)) for model in ("source-only", "model")
    ]
    page = (folder / "report.html").read_text()
    assert "first → second · same objects · source-only" in page


def test_objects_of_training_make_no_pairs(tmp_path: Path) -> None:
    """Where the files themselves put images of one object into several parts."""
    objects = np.array([f"galaxy {n}" for n in range(36)])
    parts = np.array(["train"] * 20 + ["valid"] * 6 + ["test"] * 10)
    write_survey(tmp_path, "second", 60, 1, object_id=objects, split=parts)
    objects[:2] = "galaxy 30", "galaxy 31"  # in training, and once more in the test part
    write_survey(tmp_path, "first", 120, 0, object_id=objects, split=parts)
    prepared = prepare(tiny("deepmerge_mmd", tmp_path), tmp_path, QUIET)
    ((source, _, before, _),) = paired(prepared, seed=0)
    found = {source.loaded.dataset.groups[row] for row in before}
    assert found == {f"galaxy {n}" for n in (26, 27, 28, 29, 32, 33, 34, 35)}


def test_an_ensemble_of_images_is_examined_like_a_single_network(
    surveys: Path, tmp_path: Path, few_figures: None
) -> None:
    experiment = tiny("adversaries_mmd", surveys, EXAMINED, members=2)
    folder = run.train(experiment, out=tmp_path / "run", console=QUIET).folder
    found = read_examination(folder)
    assert found is not None and found.members == 2
    assert {row.change for row in found.rows} == {"poisson", "one-pixel"}
    drawn = {path.stem for path in (folder / "figures").glob("*.png")}
    assert {"noise", "church", "gradcam"} <= drawn
    assert "Of an ensemble" in (folder / "report.html").read_text()


def test_sim_to_real_starts_from_the_weights_of_sim_to_sim(
    surveys: Path, tmp_path: Path, few_figures: None
) -> None:
    first = run.train(tiny("deepmerge_mmd", surveys), out=tmp_path / "first", console=QUIET).folder
    next_one = tiny("deepmerge_sim_to_real", surveys, init_from=first)
    initial = load_initial(next_one)
    assert initial is not None
    prepared = prepare(next_one, surveys, QUIET, splits=initial.meta["splits"])
    made = assemble(next_one, prepared)
    load_parameters(made.network, initial)
    weights = dict(made.network.named_parameters())
    assert all(torch.equal(initial.selected[name], weights[name]) for name in weights)
    assert [s.split.to_ids(s.loaded.dataset.ids) for s in prepared.suites if s.split] == [
        initial.meta["splits"][name] for name in ("first", "second")
    ]
    other = tiny(
        "deepmerge_sim_to_real",
        surveys,
        "data.classes=[featured, smooth, edgeon]",
        init_from=first,
    )
    with pytest.raises(CheckpointError, match="in the same order"):
        run.train(other, out=tmp_path / "other", console=QUIET)


def test_without_data_a_mock_sky_is_made(tmp_path: Path) -> None:
    pytest.importorskip("galsim")
    experiment = run.load("deepmerge_mmd", ["data.mock_images=6", "data.workers=1"])
    place = locate_data(experiment, False, QUIET)
    assert sorted(path.stem for path in place.glob("*.npz")) == ["noisy", "observed", "pristine"]
    again = experiment.model_copy(
        update={"data": experiment.data.model_copy(update={"path": place.absolute()})}
    )
    assert locate_data(again, False, QUIET) == place.absolute()
    truth = build(MODALITIES, experiment.data, "data").truth(["pristine"], ["noisy"], [], place)
    assert truth.classes == ("non-merger", "merger")
    loaded = read_suite(experiment, "noisy", place, truth, QUIET, labelled=False)
    assert loaded.mock and len(loaded.dataset) == 6


def test_a_survey_without_data_and_without_mock_is_refused() -> None:
    with pytest.raises(UsageError, match="no mock sky has the surveys sdss, decals"):
        locate_data(run.load("survey"), False, QUIET)
    with pytest.raises(UsageError, match="mocks exist for galaxies and images"):
        locate_data(run.load("spectra"), False, QUIET)
    assert skies(["y1"], 10).jobs[0][0] == "depth"


def test_a_stranger_points_it_at_paired_arrays(tmp_path: Path, few_figures: None) -> None:
    random = np.random.default_rng(0)
    for name in ("sima", "simb"):
        np.save(tmp_path / f"{name}_X.npy", random.normal(size=(24, 3, 16, 16)).astype(np.float32))
    np.save(tmp_path / "sima_y.npy", np.arange(24) % 2)
    small = ["training.epochs=1", "training.batch_size=8", "evaluation.bootstrap=100", EXAMINED]
    experiment = run.load(
        "deepmerge_mmd",
        [*small, "data.classes=[disc, merger]", "evaluation.latent_map=pca"],
        source=["SimA"],
        target=["SimB"],
        data=tmp_path,
    )
    result = run.train(experiment, out=tmp_path / "run", console=QUIET)
    page = (result.folder / "report.html").read_text()
    assert "sima (source)" in page and "balanced accuracy" in page and "MOCK" not in page
    assert "simb: no image has a label (looked in simb_X.npy and for simb_y.npy)" in page
    unlabelled = [p for p in result.predictions if p.suite == "simb" and p.split == "test"]
    assert unlabelled and (unlabelled[0].truth == -1).all()
    assert unlabelled[0].classes == ("disc", "merger")


def test_runs_of_classes_are_compared(
    surveys: Path, tmp_path: Path, few_figures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The function of the same name hides the module.
    monkeypatch.setattr(sys.modules["dagnn.run.compare"], "comparison_figures", lambda _: {})
    for name in ("survey", "survey_statistics"):
        run.train(tiny(name, surveys), out=tmp_path / "runs" / name, console=QUIET)
    page = run.compare([tmp_path / "runs"], console=QUIET)
    assert "Balanced accuracy on second (target)" in page.read_text()


def test_what_is_familiar_is_learned_once_and_judges_new_files(
    surveys: Path, tmp_path: Path, few_figures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = tiny("deepmerge_mmd", surveys, compare_source_only=True)
    result = run.train(experiment, out=tmp_path / "run", console=QUIET)
    folder = RunFolder(result.folder)
    measured = {(r.model, r.metric) for r in result.results if r.suite == "second"}
    assert {("model", "unknown_auroc"), ("source-only", "h_score")} <= measured
    chosen = ("second", "model", "test")
    (told,) = (p for p in result.predictions if (p.suite, p.model, p.split) == chosen)
    again = run.evaluate(result.folder, console=QUIET)
    (after,) = (p for p in again.predictions if (p.suite, p.model, p.split) == chosen)
    np.testing.assert_array_equal(told.novelty, after.novelty)
    new = run.predict(result.folder, [surveys / "gz_second.npz"], console=QUIET)
    place = {item: row for row, item in enumerate(new.ids)}
    rows = [place[item] for item in told.ids]
    np.testing.assert_allclose(new.novelty[rows], told.novelty, rtol=1e-5)
    assert "novelty" in capsys.readouterr().out
    assert folder.source_only.novelty.read_bytes() != folder.novelty.read_bytes()
    folder.novelty.unlink()
    without = run.predict(result.folder, [surveys / "gz_second.npz"], console=QUIET)
    assert without.novelty is None
    again = run.evaluate(result.folder, console=QUIET)
    (after,) = (p for p in again.predictions if (p.suite, p.model, p.split) == chosen)
    np.testing.assert_array_equal(told.novelty, after.novelty)


def test_training_on_forgets_what_was_fitted_to_older_weights(
    surveys: Path, tmp_path: Path, few_figures: None
) -> None:
    options = ("training.select_on=source_error", "training.patience=1", "training.epochs=6")
    short = tiny("deepmerge_mmd", surveys, *options)
    folder = RunFolder(run.train(short, out=tmp_path / "run", console=QUIET).folder)
    assert len(folder.metrics.read_text().splitlines()) < 6
    replace(Novelty.load(folder.novelty), unit=1e-6).save(folder.novelty)
    folder.calibration.write_text(json.dumps({"temperature": 1e6}))
    folder.config.write_text(folder.config.read_text().replace("patience: 1", "patience: null"))
    run.resume(folder.path, console=QUIET)
    assert len(folder.metrics.read_text().splitlines()) == 6
    assert json.loads(folder.calibration.read_text())["temperature"] < 1e6
    assert Novelty.load(folder.novelty).unit > 1e-6


def test_a_file_named_after_the_target_is_seen_through_its_statistics(
    surveys: Path, tmp_path: Path, few_figures: None
) -> None:
    trained = run.train(tiny("survey_statistics", surveys), out=tmp_path / "run", console=QUIET)
    file = surveys / "gz_second.npz"
    found, asked, source = (
        run.predict(trained.folder, [file], suite=suite, out=tmp_path / "p.csv", console=QUIET)
        for suite in (None, "second", "first")
    )
    assert found.suite == "second"
    np.testing.assert_array_equal(found.probability, asked.probability)
    assert not np.allclose(found.probability, source.probability)
    both = [file, surveys / "gz_first.npz"]
    with pytest.raises(UsageError, match=r"name first and second.*one suite at a time"):
        run.predict(trained.folder, both, console=QUIET)
    run.predict(trained.folder, both, suite="first", out=tmp_path / "p.csv", console=QUIET)


def test_a_survey_by_another_name_than_it_is_listed_under_is_found_again(
    surveys: Path, tmp_path: Path, few_figures: None
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(surveys / "gz_first.npz", data / "first_dr7.npz")
    shutil.copy(surveys / "gz_second.npz", data / "second.npz")
    experiment = tiny("survey", data, "data.images=null")
    folder = run.train(experiment, out=tmp_path / "run", console=QUIET).folder
    run.evaluate(folder, data=data, console=QUIET)
    run.train_seeds(experiment, 1, out=tmp_path / "seeds", console=QUIET)
