"""A finished run is evaluated, predicts, reports, and lends its weights."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from tiny_runs import load, weights

from dagnn import run
from dagnn.errors import (
    CheckpointError,
    Interrupted,
    MismatchError,
    MissingDataError,
    UsageError,
)
from dagnn.models import GraphEncoder, Network, SignedMomentsHead
from dagnn.parameters import PARAMETERS
from dagnn.run.fitting import inherited_notes
from dagnn.training import ProgressReport


def test_the_stored_configuration_runs_again(finished: run.RunResult, tmp_path: Path) -> None:
    experiment = run.load(finished.folder / "config.yaml")
    again = run.train(experiment, out=tmp_path / "again")
    assert again.results == finished.results


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


@pytest.mark.parametrize("mock", [True, False])
def test_every_row_of_predictions_says_whether_it_is_mock(
    finished: run.RunResult, universe: Path, tmp_path: Path, mock: bool
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(finished.folder, copied)
    facts = json.loads((copied / "environment.json").read_text())
    (copied / "environment.json").write_text(json.dumps(facts | {"mock": mock}))
    box = universe / "FOF_Subfind/SIMBA/L25n256/LH/LH_0/groups_090.hdf5"
    run.predict(copied, [box], out=tmp_path / "out.csv")
    with (tmp_path / "out.csv").open() as stream:
        assert {row["mock"] for row in csv.DictReader(stream)} == {str(mock)}


def test_tables_of_before_are_read_that_do_not_say_whether_they_are_mock(
    finished: run.RunResult, tmp_path: Path
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(finished.folder, copied)
    for name in ("results.csv", "predictions.csv"):
        lines = (copied / name).read_text().splitlines()
        assert lines[0].endswith(",mock")
        (copied / name).write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")
    assert run.report(copied).is_file()


def test_predict_new_files_and_warn_outside_the_training_range(
    finished: run.RunResult, universe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box = universe / "FOF_Subfind/SIMBA/L25n256/LH/LH_0/groups_090.hdf5"
    made = run.predict(finished.folder, [box], out=tmp_path / "out.csv")
    assert np.isnan(made.truth).all() and np.isfinite(made.mean).all()
    assert str(box) in (tmp_path / "out.csv").read_text()
    astrid = universe / "FOF_Subfind/Astrid/L25n256/LH"
    run.predict(finished.folder, sorted(astrid.rglob("*.hdf5")), out=tmp_path / "out.csv")
    warned = capsys.readouterr().err
    assert "outside the training range" in warned
    with (tmp_path / "out.csv").open() as stream:
        told = {row["id"]: row["outside_training_range"] for row in csv.DictReader(stream)}
    # The file says of each input all of which the screen says the start, and nothing of others.
    lines = [line for line in warned.splitlines() if line.startswith("Warning: ")]
    outside = [(item, what) for item, what in told.items() if what]
    assert lines and any("; and 1 more" in line for line in lines)
    for line, (item, what) in zip(lines, outside, strict=False):
        start, _, more = line.partition("; and ")
        assert f"Warning: {item} is outside the training range: {what}".startswith(start)
        left = what.removeprefix(start.split("range: ")[1])
        assert more == (f"{left.count('; ')} more" if left else "")
    assert "" in told.values()


def test_report_is_the_same_from_stored_results(finished: run.RunResult) -> None:
    before = (finished.folder / "report.html").read_text()
    run.report(finished.folder)
    assert (finished.folder / "report.html").read_text() == before


def test_init_from_starts_where_another_run_ended(
    finished: run.RunResult, universe: Path, tmp_path: Path
) -> None:
    tiny_steps = ["training.epochs=1", "training.steps_per_epoch=1", "training.learning_rate=1e-12"]
    made = run.train(load(universe, *tiny_steps, init_from=finished.folder), out=tmp_path / "next")
    before, after = weights(finished.folder, "best.pt"), weights(made.folder)
    for name in before:
        if name.endswith("weight"):
            torch.testing.assert_close(before[name], after[name], atol=1e-6, rtol=1e-4)


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


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Write a tiny network as the public programs do; it predicts 1.7 prior units."""
    encoder = GraphEncoder(
        {"node": 0, "edge": 3, "global": 1}, 8, 1, standardize=False, batch_norm=False
    )
    network = Network(encoder, SignedMomentsHead(encoder.width, 1, [8]))
    names = {
        r"encoder\.blocks\.(\d+)\.(edge|node)_mlp": r"layers.\1.\2_model.\2_mlp",
        r"head\.layers": "outlayer",
    }
    state = {}
    for name, value in network.named_parameters():
        for ours, theirs in names.items():
            name = re.sub(ours, theirs, name)
        state[name] = torch.zeros_like(value)
    last = [name for name in state if name.startswith("outlayer")][-1]
    state[last] = torch.tensor([1.7, -0.2])
    torch.save(state, tmp_path / "IllustrisTNG_LH_rlink_1.50e-02")
    return tmp_path / "IllustrisTNG_LH_rlink_1.50e-02"


def test_published_weights_give_the_columns_and_notes_of_a_run(
    published: Path,
    finished: run.RunResult,
    universe: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    boxes = [
        universe / f"FOF_Subfind/{suite}/L25n256/LH/LH_{number}/groups_090.hdf5"
        for suite in ("SIMBA", "Astrid", "IllustrisTNG")
        for number in (0, 1)
    ]

    def rows(predict: Callable[..., object], first: Path) -> list[dict[str, str]]:
        predict(first, boxes, out=tmp_path / "p.csv")
        with (tmp_path / "p.csv").open() as stream:
            return list(csv.DictReader(stream))

    of_run = rows(run.predict, finished.folder)
    capsys.readouterr()
    found = rows(run.predict_published, published)
    told = " ".join(capsys.readouterr().err.split())
    assert list(found[0]) == list(of_run[0])
    suites = ["simba", "simba", "astrid", "astrid", "tng", "tng"]
    assert [row["suite"] for row in found] == suites == [row["suite"] for row in of_run]
    assert {row["outside_prior"] for row in found} == {
        "predicted Omega_m is 0.78 (prior: 0.1 to 0.5)"
    }
    assert {row["statistics"] for row in found} == {"shared"}
    assert {row["outside_training_range"] for row in found} == {"unknown"}
    assert "2 of 2 (100%) predictions lie outside the prior of Ωₘ" in told
    assert "Not calibrated" in told and "simba and astrid: the network was trained on tng" in told


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_not_finite_are_refused_wherever_they_are_loaded(
    published: Path, finished: run.RunResult, universe: Path, tmp_path: Path, value: float
) -> None:
    box = universe / "FOF_Subfind/SIMBA/L25n256/LH/LH_0/groups_090.hdf5"
    state = torch.load(published, weights_only=True)
    state["outlayer.0.weight"][0, 0] = value
    torch.save(state, published)
    copied = tmp_path / "copied"
    shutil.copytree(finished.folder, copied)
    best = copied / "checkpoints" / "best.pt"
    content = torch.load(best, weights_only=True)
    for stored in (content["network"], content["best_network"] or {}):
        for name in stored:
            if name.endswith("weight"):
                stored[name].view(-1)[0] = value
    torch.save(content, best)
    for use in (
        lambda: run.predict_published(published, [box]),
        lambda: run.predict(copied, [box]),
        lambda: run.evaluate(copied),
        lambda: run.train(load(universe, init_from=copied), out=tmp_path / "next"),
    ):
        with pytest.raises(CheckpointError, match=r"NaN or infinite values in .*weight") as caught:
            use()
        assert caught.value.exit_code == 3


def test_an_unseen_suite_can_bring_its_own_statistics(
    universe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run.train(load(universe, "model.statistics=per_suite"), out=tmp_path / "run")
    through_source = run.evaluate(made.folder, suites=["astrid"])
    assert "seen through the statistics of tng" in capsys.readouterr().err
    own = run.evaluate(made.folder, suites=["astrid"], adapt_statistics=True)
    assert "estimated from its own unlabelled" in (made.folder / "report.html").read_text()
    old, new = (
        next(p for p in result.predictions if (p.suite, p.model) == ("astrid", "model"))
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
        if (p.suite, p.split, p.model) == ("simba", "test", "model")
        for name, value in zip(p.ids, p.mean[:, 0], strict=True)
    }
    found = {Path(i).parent.name: m for i, m in zip(target.ids, target.mean[:, 0], strict=True)}
    for name, value in trained.items():
        assert found[name] == pytest.approx(value, rel=1e-5)
    with pytest.raises(UsageError, match="not trained on astrid"):
        run.predict(made.folder, boxes, suite="astrid", out=tmp_path / "p.csv")
    with pytest.raises(UsageError, match="at least 20"):
        run.predict(made.folder, boxes[:3], adapt_statistics=True, out=tmp_path / "p.csv")


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
    assert stored[0]["inherited"] == []
    labelled = "the run that training started from read labels of tng, a target now."
    assert {"kind": "LABELLED", "text": labelled} in stored[1]["inherited"]


def test_what_weights_have_seen_is_passed_on_from_run_to_run() -> None:
    training = {"select_on": "source_loss"}
    first = {"mock": True, "experiment": {"source": ["tng"], "training": training}}
    told = inherited_notes(SimpleNamespace(meta=first), [])
    assert len(told) == 1 and told[0].kind == "MOCK"
    for _ in range(2):  # runs on real data that start from it, one after the other
        later = {"mock": False, "experiment": first["experiment"], "inherited": told}
        told = inherited_notes(SimpleNamespace(meta=later), [])
    assert len(told) == 1 and told[0].kind == "MOCK"


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


def test_predict_checks_headers_and_prints_notes(
    finished: run.RunResult, universe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box = tmp_path / "IllustrisTNG_LH_3_groups_090.hdf5"
    shutil.copy(universe / "FOF_Subfind/IllustrisTNG/L25n256/LH/LH_3/groups_090.hdf5", box)
    with h5py.File(box, "a") as file:
        file["Subhalo/SubhaloVmax"][:3] = np.inf
    run.predict(finished.folder, [box], out=tmp_path / "p.csv")
    assert "3 galaxies with a NaN, infinite or negative value" in capsys.readouterr().err
    with h5py.File(box, "a") as file:
        file["Header"].attrs["Redshift"] = 2.0
    with pytest.raises(MismatchError, match="edshift"):
        run.predict(finished.folder, [box], out=tmp_path / "p.csv")


def test_the_pyg_recipe_of_the_tutorial_runs(universe: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "tutorial.md").read_text()
    block = next(
        b for b in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "DataLoader" in b
    )
    names: dict[str, object] = {}
    exec(compile(block.replace('"DATA"', repr(str(universe))), "tutorial.md", "exec"), names)
    assert names["mean"].shape[1] == 1


def test_predictions_tell_their_statistics_and_what_is_a_guess(
    universe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run.train(load(universe, "model.statistics=per_suite"), out=tmp_path / "run")
    boxes = sorted((universe / "FOF_Subfind/Astrid/L25n256/LH").rglob("*.hdf5"))
    out = tmp_path / "p.csv"

    def rows(**options: object) -> list[dict[str, str]]:
        run.predict(made.folder, boxes, out=out, **options)
        with out.open() as stream:
            return list(csv.DictReader(stream))

    through = [
        {row["statistics"] for row in rows(**options)} for options in ({}, {"suite": "simba"})
    ]
    assert through == [{"tng"}, {"simba"}]
    capsys.readouterr()
    own = rows(adapt_statistics=True)
    assert {row["statistics"] for row in own} == {"these files"}
    told = " ".join(capsys.readouterr().err.split())
    assert "spread like those of training. Nothing here can tell whether they are" in told
    low, high = (PARAMETERS["Omega_m"].low, PARAMETERS["Omega_m"].high)
    guesses = [row for row in own if not low <= float(row["mean"]) <= high]
    assert [row for row in own if "predicted Omega_m is " in row["outside_prior"]] == guesses
    share = f"{len(guesses)} of {len(own)} ({len(guesses) / len(own):.0%}) predictions lie outside"
    assert (share in told) == bool(guesses)
    assert {row["suite"] for row in own} == {"astrid"}


@pytest.mark.parametrize("text", ["# About\n", "a,b\n1,2\n"])
def test_predict_replaces_predictions_and_nothing_else(
    finished: run.RunResult, universe: Path, tmp_path: Path, text: str
) -> None:
    box = universe / "FOF_Subfind/SIMBA/L25n256/LH/LH_0/groups_090.hdf5"
    other, out = tmp_path / "README.md", tmp_path / "p.csv"
    other.write_text(text)
    for wrong in (other, tmp_path):
        with pytest.raises(UsageError, match="Give"):
            run.predict(finished.folder, [box], out=wrong)
    assert other.read_text() == text
    for _ in range(2):
        run.predict(finished.folder, [box], out=out)
    out.write_text("\n\nnotes")
    before = (finished.folder / "predictions.csv").read_text()
    for precious in (out, finished.folder / "predictions.csv"):
        with pytest.raises(UsageError, match="Give another --out"):
            run.predict(finished.folder, [box], out=precious)
    assert (finished.folder / "predictions.csv").read_text() == before


def test_statistics_that_all_share_are_called_so(
    universe: Path, tmp_path: Path, few_figures: None
) -> None:
    made = run.train(load(universe, "model.statistics=shared"), out=tmp_path / "run")
    box = universe / "FOF_Subfind/SIMBA/L25n256/LH/LH_0/groups_090.hdf5"
    out = tmp_path / "p.csv"
    run.predict(made.folder, [box], out=out)
    with out.open() as stream:
        assert [row["statistics"] for row in csv.DictReader(stream)] == ["shared"]


def test_an_unlabelled_suite_is_said_to_be_measured_by_nothing(
    finished: run.RunResult, universe: Path, tmp_path: Path
) -> None:
    copied, data = tmp_path / "copied", tmp_path / "data"
    shutil.copytree(finished.folder, copied)
    shutil.copytree(universe, data)
    for table in data.rglob("CosmoAstroSeed_Astrid*"):
        table.unlink()
    run.evaluate(copied, suites=["astrid"], data=data)
    assert (
        "astrid has no labels: what is predicted for it is in"
        in (copied / "report.html").read_text()
    )
    assert "\nastrid," in (copied / "predictions.csv").read_text()


def test_a_folder_without_the_suites_of_the_run_is_told_from_one_with_nothing(
    finished: run.RunResult, universe: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    for kind in ("FOF_Subfind", "Parameters"):
        shutil.copytree(universe / kind / "Astrid", data / kind / "Astrid")
    with pytest.raises(MissingDataError, match=r"(?s)tng is not in .*has to hold the suites of"):
        run.evaluate(finished.folder, suites=["astrid"], data=data)
