"""Calibrated error bars, the guard, the stress test and the ORACLE, through whole runs."""

import html
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_spectra import load, write_suites
from typer.testing import CliRunner

from dagnn import run
from dagnn.cli import app
from dagnn.errors import DataError, MismatchError, UsageError
from dagnn.evaluation.paired import difference_with_interval, paired_bootstrap
from dagnn.evaluation.storage import read_predictions, read_results
from dagnn.run.folder import RunFolder
from dagnn.run.outputs import summary
from dagnn.tasks.prior import Prior


@pytest.fixture(scope="module")
def spectra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data folder of two suites of spectra."""
    return write_suites(tmp_path_factory.mktemp("spectra"))


@pytest.fixture(scope="module")
def trusted(spectra: Path, tmp_path_factory: pytest.TempPathFactory) -> run.RunResult:
    """Give a finished run with everything that makes it trustworthy."""
    out = tmp_path_factory.mktemp("runs") / "trusted"
    experiment = load(spectra, compare_source_only=True, compare_oracle=True)
    return run.train(experiment, out=out)


def chi2(result: run.RunResult, model: str, suite: str, split: str) -> float:
    """Return the mean z² of one model on one part of a suite."""
    (found,) = (
        p for p in result.predictions if (p.model, p.suite, p.split) == (model, suite, split)
    )
    return float((((found.truth - found.mean) / found.std) ** 2).mean())


def test_error_bars_are_calibrated_on_the_source(trusted: run.RunResult) -> None:
    for model in ("source-only", "model"):
        assert chi2(trusted, model, "tng", "valid") == pytest.approx(1.0, abs=1e-6)
    assert chi2(trusted, "oracle", "simba", "valid") == pytest.approx(1.0, abs=1e-6)


def test_the_surrogate_inflates_the_target_only(trusted: run.RunResult, tmp_path: Path) -> None:
    assert (RunFolder(trusted.folder).surrogate("redshift").checkpoints / "best.pt").is_file()
    copy = RunFolder(Path(shutil.copytree(trusted.folder, tmp_path / "copy")))
    stored = json.loads(copy.calibration.read_text())
    copy.calibration.write_text(json.dumps(stored | {"inflation": [4 * stored["inflation"][0]]}))
    wider = run.evaluate(copy.path)
    ratios = {
        suite: deviations(wider, suite) / deviations(trusted, suite) for suite in ("tng", "simba")
    }
    assert ratios["tng"] == pytest.approx(1.0) and ratios["simba"] == pytest.approx(2.0)


def deviations(result: run.RunResult, suite: str) -> np.ndarray:
    """Return the error bars of the model on the test items of a suite."""
    (found,) = (
        p for p in result.predictions if (p.model, p.suite, p.split) == ("model", suite, "test")
    )
    return found.std


def test_without_its_calibration_a_run_says_so(
    trusted: run.RunResult, spectra: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = RunFolder(Path(shutil.copytree(trusted.folder, tmp_path / "copy")))
    copy.calibration.unlink()
    file = spectra / "Pk_galaxies_SIMBA_LH_33_kmax=20.0.npy"
    run.predict(copy.path, [file], suite="simba", out=tmp_path / "p.csv")
    assert "Not calibrated" in capsys.readouterr().err


def test_error_bars_do_not_depend_on_the_spelling(
    trusted: run.RunResult, spectra: Path, tmp_path: Path
) -> None:
    file = spectra / "Pk_galaxies_IllustrisTNG_LH_33_kmax=20.0.npy"
    short, long = (
        run.predict(trusted.folder, [file], suite=name, out=tmp_path / "p.csv").std
        for name in ("tng", "IllustrisTNG")
    )
    assert np.array_equal(short, long)
    with pytest.raises(UsageError, match="one of them"):
        run.predict(trusted.folder, [file], suite="tng", adapt_statistics=True)


def test_the_oracle_stands_beside_a_run_that_it_chose(spectra: Path, tmp_path: Path) -> None:
    settings = ["training.select_on=target_oracle", "calibration.surrogate=none"]
    result = run.train(load(spectra, *settings, compare_oracle=True), out=tmp_path / "run")
    assert "oracle" in {row.model for row in result.results}
    with pytest.raises(UsageError, match="needs a target"):
        run.train(load(spectra, "training.select_on=target_oracle", "loss.terms={none: {}}",
                       target=[]))  # fmt: skip


def test_a_stress_test_keeps_its_range_with_inherited_splits(
    trusted: run.RunResult, spectra: Path, tmp_path: Path
) -> None:
    quick = ["training.epochs=1", "calibration.surrogate=none"]
    ranges = {"Omega_m": (0.3, 0.5)}
    started = load(spectra, *quick, init_from=trusted.folder, target_prior=ranges, seed=5)
    result = run.train(started, out=tmp_path / "run")
    assert min(p.truth.min() for p in result.predictions if p.suite == "simba") >= 0.3


def test_target_labels_do_not_reach_the_calibration(spectra: Path, tmp_path: Path) -> None:
    """Other target labels, same error bars: nothing read them."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for file in spectra.glob("*.*"):
        (elsewhere / file.name).symlink_to(file)
    for table in (spectra / "params").rglob("*.txt"):
        place = elsewhere / table.relative_to(spectra)
        place.parent.mkdir(parents=True)
        lines = table.read_text().splitlines()
        if "SIMBA" in table.name:
            names, rest = zip(*(line.split(" ", 1) for line in lines[1:]), strict=True)
            lines[1:] = [f"{n} {r}" for n, r in zip(names, reversed(rest), strict=True)]
        place.write_text("\n".join(lines) + "\n")
    quick = ["training.epochs=1", "evaluation.baselines=false"]
    one, other = (
        run.train(load(data, *quick), out=tmp_path / name)
        for name, data in (("one", spectra), ("other", elsewhere))
    )
    for ours, theirs in zip(one.predictions, other.predictions, strict=True):
        assert ours.ids == theirs.ids or set(ours.ids) == set(theirs.ids)
        assert np.array_equal(ours.mean, theirs.mean)
        assert np.array_equal(ours.std, theirs.std)
    assert not np.array_equal(one.predictions[-1].truth, other.predictions[-1].truth)


def test_the_oracle_and_the_baselines_are_in_the_table(trusted: run.RunResult) -> None:
    folder = RunFolder(trusted.folder)
    models = {row.model for row in read_results(folder.results)}
    assert {"prior-mean", "ridge", "ridge-aligned", "source-only", "model", "oracle"} <= models
    page = folder.report.read_text()
    assert "ORACLE" in page and "domain" in page
    assert {p.model for p in read_predictions(folder.predictions)} >= {"oracle", "ridge"}


def test_report_and_evaluate_say_the_same(trusted: run.RunResult) -> None:
    folder = RunFolder(trusted.folder)
    before = folder.results.read_text()
    run.report(trusted.folder)
    run.evaluate(trusted.folder)
    assert folder.results.read_text() == before


def test_predict_calibrates_as_the_run_did(trusted: run.RunResult, spectra: Path) -> None:
    file = spectra / "Pk_galaxies_SIMBA_LH_33_kmax=20.0.npy"
    said = run.predict(trusted.folder, [file], suite="simba", out=trusted.folder / "p.csv")
    (test,) = (
        p for p in trusted.predictions if (p.model, p.suite, p.split) == ("model", "simba", "test")
    )
    row = int(test.ids[0].removeprefix("LH_"))
    assert said.std[row] == pytest.approx(test.std[0], rel=1e-5)
    assert said.mean[row] == pytest.approx(test.mean[0], rel=1e-5)


@pytest.mark.parametrize("narrow", [True, False])
def test_a_further_suite_with_statistics_of_its_own_is_guarded_too(
    trusted: run.RunResult, spectra: Path, tmp_path: Path, few_figures: None, narrow: bool
) -> None:
    folder, data = tmp_path / "run", tmp_path / "data"
    shutil.copytree(trusted.folder, folder)
    shutil.copytree(spectra, data)
    table = next((spectra / "params").rglob("*SIMBA*.txt"))
    omega_m = np.array([float(line.split()[1]) for line in table.read_text().splitlines()[1:]])
    power = np.load(spectra / "Pk_galaxies_SIMBA_LH_33_kmax=20.0.npy")
    kept = power[omega_m > (0.38 if narrow else 0.0)]
    np.save(data / "Pk_galaxies_Astrid_LH_33_kmax=20.0.npy", kept)
    run.evaluate(folder, suites=["astrid"], data=data, adapt_statistics=True)
    told = (folder / "report.html").read_text()
    assert ("astrid seems to span only" in told) == narrow
    run.evaluate(folder, suites=["astrid"], data=data)
    assert "astrid seems to span only" not in (folder / "report.html").read_text()


def test_a_stress_test_keeps_its_range_and_raises_the_alarm(spectra: Path, tmp_path: Path) -> None:
    experiment = load(spectra, "calibration.surrogate=none", target_prior={"Omega_m": (0.35, 0.5)})
    result = run.train(experiment, out=tmp_path / "narrow")
    for found in result.predictions:
        if found.suite == "simba":
            assert found.truth.min() >= 0.35
        else:
            assert found.truth.min() < 0.3
    facts = json.loads(RunFolder(result.folder).environment.read_text())
    low, high, limit = facts["prior_intervals"]["simba, Omega_m"]
    assert high - low < limit
    page = RunFolder(result.folder).report.read_text()
    assert "ALARM" in page and "STRESS TEST" in page


def test_the_guard_can_be_switched_off(spectra: Path, tmp_path: Path) -> None:
    off = ["calibration.surrogate=none", "loss.prior_guard=false", "training.epochs=1"]
    result = run.train(load(spectra, *off), out=tmp_path / "off")
    assert json.loads(RunFolder(result.folder).environment.read_text())["prior_intervals"] == {}


def test_choosing_by_target_labels_is_stamped(spectra: Path, tmp_path: Path) -> None:
    experiment = load(spectra, "training.select_on=target_oracle", "calibration.surrogate=none")
    folder = RunFolder(run.train(experiment, out=tmp_path / "oracle").folder)
    assert "ORACLE" in folder.report.read_text()
    assert "ORACLE" in folder.model_card.read_text()
    epochs = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    assert all("target_error" in epoch["valid"] for epoch in epochs)


def test_without_another_redshift_it_says_so(
    spectra: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    for file in [*spectra.glob("*_33_*"), spectra / "k_values.txt", spectra / "params"]:
        (alone / file.name).symlink_to(file)
    run.train(
        load(alone, "training.epochs=1", "calibration.surrogate=redshift"), out=tmp_path / "run"
    )
    assert "no other redshift" in capsys.readouterr().err
    assert not (tmp_path / "run" / "surrogates").exists()


def test_two_parameters_and_two_redshifts(spectra: Path, tmp_path: Path) -> None:
    both = ["data.redshifts=[0.0, 1.0]", "data.parameters=[Omega_m, A_SN1]", "training.epochs=1"]
    folder = RunFolder(run.train(load(spectra, *both), out=tmp_path / "two").folder)
    assert (folder.figures / "tarp.png").is_file()
    assert "z=1 is read from the snapshot at z=1.0" in folder.report.read_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("Omega_m=0.3", "NAME=LOW:HIGH"),
        ("Omega_m=0.5:0.3", "is empty"),
        ("sigma_8=0.7:0.8", "not among the inferred parameters"),
        ("Omega_b=0.7:0.8", "Omega_b"),
    ],
)
def test_a_stress_test_that_cannot_be_meant(spectra: Path, given: str, said: str) -> None:
    asked = ["train", "--config", "spectra", "--data", str(spectra), "--target-prior", given]
    asked += ["--set", "data.bins=4"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_the_oracle_needs_labels(spectra: Path, tmp_path: Path) -> None:
    alone = tmp_path / "unlabelled"
    alone.mkdir()
    for file in [*spectra.glob("Pk_*"), spectra / "k_values.txt"]:
        (alone / file.name).symlink_to(file)
    (alone / "params").mkdir()
    (alone / "params" / "IllustrisTNG").symlink_to(spectra / "params" / "IllustrisTNG")
    with pytest.raises((DataError, UsageError), match="labels of simba"):
        run.train(load(alone, compare_oracle=True), out=tmp_path / "run")


def test_spectra_of_another_redshift_are_not_predicted(
    trusted: run.RunResult, spectra: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.csv"
    with pytest.raises(MismatchError, match=r"LH_18.*is at redshift"):
        run.predict(trusted.folder, [spectra / "Pk_galaxies_SIMBA_LH_18_kmax=20.0.npy"], out=out)
    assert not out.exists()


def test_the_headline_pairs_and_is_the_same_from_what_is_stored(
    trusted: run.RunResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(Path(shutil.copytree(trusted.folder, tmp_path / "copy")))
    experiment, results = folder.read_experiment(), trusted.results
    at_the_end = summary(experiment, trusted.predictions, results)
    assert "No verdict" not in at_the_end and " points [" in at_the_end
    model, control = (
        next(
            p for p in trusted.predictions if (p.suite, p.split, p.model) == ("simba", "test", name)
        )
        for name in ("model", "source-only")
    )
    priors = {"Omega_m": Prior.of("Omega_m")}
    found = next(
        d
        for d in paired_bootstrap(model, control, priors, seed=experiment.seed)
        if d.metric == "relative_error"
    )
    numbers = f"{difference_with_interval(found)} on the same {len(model.ids)} items"
    run.report(folder.path)
    printed = " ".join(capsys.readouterr().err.split())
    card = folder.model_card.read_text()
    page = html.unescape(folder.report.read_text())
    for text in (printed, card, page):
        assert at_the_end in text and numbers in text
    # A run of before has stored no predictions of the prior mean.
    lines = folder.predictions.read_text().splitlines(keepends=True)
    folder.predictions.write_text("".join(row for row in lines if ",prior-mean," not in row))
    run.report(folder.path)
    old = html.unescape(folder.report.read_text())
    assert numbers in old
    assert "No verdict on the model against predicting the prior mean" in old
