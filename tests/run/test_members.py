"""Deep ensembles go the whole road: train, resume, evaluate, predict, lend their weights."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from tiny_runs import load, weights
from typer.testing import CliRunner

from dagnn import run
from dagnn.cli import app
from dagnn.errors import CheckpointError, ConfigError, Interrupted
from dagnn.models import Ensemble
from dagnn.run.assemble import assemble
from dagnn.run.data import prepare
from dagnn.run.folder import RunFolder
from dagnn.training import ProgressReport


@pytest.fixture(scope="module")
def ensemble(universe: Path, tmp_path_factory: pytest.TempPathFactory) -> run.RunResult:
    """Give a finished run of two members, and its source-only comparison."""
    out = tmp_path_factory.mktemp("runs") / "ensemble"
    return run.train(load(universe, members=2, compare_source_only=True), out=out)


def test_the_run_says_how_many_members_it_has(ensemble: run.RunResult) -> None:
    folder = RunFolder(ensemble.folder)
    assert json.loads(folder.environment.read_text())["members"] == 2
    assert "deep ensemble of 2 networks" in folder.model_card.read_text()
    assert "members: 2" in folder.config.read_text()
    for name, value in weights(ensemble.folder).items():
        assert len(value) == 2 or name.endswith(("_input.mean", "_input.std")), name


def test_predictions_are_those_of_the_mixture(ensemble: run.RunResult) -> None:
    folder = RunFolder.open(ensemble.folder)
    network, checkpoint = run.load_network(folder, folder.read_experiment())
    assert isinstance(network, Ensemble)
    width = network.width
    ours = [p for p in ensemble.predictions if p.model in ("source-only", "model")]
    assert {p.latent.shape[1] for p in ours} == {2 * width}
    stored = folder.source_only
    alone, _ = run.load_network(stored, folder.read_experiment().without_adaptation())
    assert isinstance(alone, Ensemble) and alone.member_count == 2
    assert checkpoint.meta["statistics"] == 2


def test_the_first_member_starts_as_the_single_network(universe: Path) -> None:
    made = []
    for members in (1, 3):
        experiment = load(universe, "loss.terms={dann: {}}", members=members)
        made.append(assemble(experiment, prepare(experiment, universe, Console(quiet=True))))
    single, joint = made
    assert isinstance(joint.network, Ensemble)
    first = joint.network.member(0).state_dict()
    for name, value in single.network.state_dict().items():
        assert torch.equal(first[name], value), name
    for name, value in single.objective.state_dict().items():
        assert torch.equal(joint.objective.members[0].state_dict()[name], value), name
    one, other = (joint.network.member(i).head.layers[0].weight for i in (0, 1))
    assert not torch.equal(one, other)


def test_evaluate_repeats_the_numbers_and_adapts_to_an_unseen_suite(
    ensemble: run.RunResult, universe: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(ensemble.folder, copied)
    result = run.evaluate(copied, suites=["astrid"], data=universe, adapt_statistics=True)
    assert [row for row in result.results if row.suite != "astrid"] == ensemble.results
    through_source = run.evaluate(copied, suites=["astrid"], data=universe)
    own, first = (
        next(p.mean for p in each.predictions if (p.suite, p.model) == ("astrid", "model"))
        for each in (result, through_source)
    )
    assert np.isfinite(own).all() and not np.allclose(own, first)


def test_new_files_are_predicted(ensemble: run.RunResult, universe: Path, tmp_path: Path) -> None:
    box = universe / "FOF_Subfind/IllustrisTNG/L25n256/LH/LH_0/groups_090.hdf5"
    made = run.predict(ensemble.folder, [box], out=tmp_path / "out.csv")
    assert made.mean.shape == (1, 1) and (made.std > 0).all()


def test_an_interrupted_ensemble_resumes_to_the_same_weights(
    ensemble: run.RunResult, universe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def interrupt(self: ProgressReport, step: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 13:  # within the second training, after its first epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProgressReport, "on_step", interrupt)
        with pytest.raises(Interrupted):
            run.train(load(universe, members=2, compare_source_only=True), out=tmp_path / "broken")
    assert run.resume(tmp_path / "broken").results == ensemble.results


def test_members_start_from_the_members_of_another_run(
    ensemble: run.RunResult, universe: Path, tmp_path: Path
) -> None:
    still = ["training.epochs=1", "training.steps_per_epoch=1", "training.learning_rate=1e-12"]
    experiment = load(universe, *still, init_from=ensemble.folder, members=2)
    before = weights(ensemble.folder, "best.pt")
    after = weights(run.train(experiment, out=tmp_path / "next").folder)
    for name in before:
        if name.endswith("weight"):
            torch.testing.assert_close(before[name], after[name], atol=1e-6, rtol=1e-4)
    with pytest.raises(CheckpointError, match="--members 2"):
        run.train(load(universe, init_from=ensemble.folder), out=tmp_path / "single")


def test_the_command_line_takes_members(
    universe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(run, "train", lambda experiment, **_: asked.append(experiment))
    runner = CliRunner()
    done = runner.invoke(app, ["train", "--members", "4", "--data", str(universe)])
    assert done.exit_code == 0, done.output
    assert asked[0].model.members == 4
    assert runner.invoke(app, ["train", "--members", "0"]).exit_code == 2
    with pytest.raises(ConfigError, match=r"model\.members"):
        run.load(overrides=["model.members=0"])


def test_spectra_train_side_by_side(shared: Path, tmp_path: Path) -> None:
    settings = ["training.epochs=1", "data.limit=60", "evaluation.bootstrap=100"]
    experiment = run.load("spectra_mmd", settings, data=shared / "camels", members=3)
    result = run.train(experiment, out=tmp_path / "run")
    network, _ = run.load_network(RunFolder.open(result.folder), experiment)
    assert isinstance(network, Ensemble) and network.together
    sources = experiment.source
    assert {p.suite for p in result.predictions} >= set(sources)
    assert all(np.isfinite(p.mean).all() for p in result.predictions)
