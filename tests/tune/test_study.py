"""Study files: invalid ones are refused before any data are read."""

import optuna
import pytest
from tiny_studies import SPACE, write_study

from dagnn.errors import DagnnError
from dagnn.files import resource_folder
from dagnn.tune.storage import PerTrial
from dagnn.tune.study import PRUNERS, SAMPLERS, read_study, reopen

RANGE = {"type": "float", "low": 0.1, "high": 1}
STEPPED = {"training.batch_size": [8, 16], "model.encoder.dropout": {**RANGE, "step": 0.3}}


@pytest.mark.parametrize("name", sorted(p.stem for p in resource_folder("tuning").glob("*.yaml")))
def test_every_shipped_study_reads(name):
    study = read_study(name)
    assert study.sampler() and study.pruner()
    assert set(study.objectives) <= set(study.scores)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"space": {"training.learning_rte": RANGE}}, "learning_rate"),
        ({"space": {"trainin.learning_rate": RANGE}}, "training"),
        ({"space": {"loss.terms.mmd.wieght": RANGE}}, "'weight'"),
        ({"space": {"loss.terms.mdm.weight": RANGE}}, "'mmd'"),
        ({"space": {"data.binz": [8]}}, "'bins'"),
        ({"space": {"training.learning_rate": {**RANGE, "low": -1}}}, "value -1 is refused"),
        ({"space": {"training.epochs": {"type": "float", "low": 1.5, "high": 3}}}, "epochs"),
        ({"space": {"training.schedule": ["one_cycle", "one_cycel"]}}, "one_cycel"),
        ({"space": {}}, "space"),
        ({"objectives": "target_error"}, "source_error"),
        ({"objectives": {"source_error": "maximize"}}, "minimize"),
        ({"sampler": "tpee"}, "'tpe'"),
        ({"sampler": {"name": "tpe", "startup": 3}}, "startup_trials"),
        ({"sampler": "grid"}, "continuous"),
        ({"pruner": "medain"}, "'median'"),
        ({"pruner": "median", "objectives": ["source_error", "source_nll"]}, "pruner: none"),
        ({"settings": {"training.select_on": "target_oracle"}}, "target labels"),
        ({"settings": {"training.epoch": 3}}, "epochs"),
        ({"budget": {"trails": 3}}, "trials"),
        ({"buget": {"trials": 3}}, "budget"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, changes, words):
    file = write_study(tmp_path / "tiny.yaml", **changes)
    with pytest.raises(DagnnError) as refused:
        read_study(file)
    assert words in str(refused.value)
    assert refused.value.exit_code == 2


def test_an_objective_that_needs_a_target_is_refused_without_one(tmp_path):
    file = write_study(tmp_path / "a.yaml", objectives="domain_auc")
    text = file.read_text().replace("  - simba\n", "").replace("target:", "target: []")
    file.write_text(text.replace("config: spectra_mmd", "config: gnn_source_only"))
    with pytest.raises(DagnnError):
        read_study(file)


def test_unknown_studies_name_the_nearest():
    with pytest.raises(DagnnError, match="spectra"):
        read_study("spectr")


def test_a_stored_study_is_the_same_study(tmp_path):
    study = read_study(write_study(tmp_path / "a.yaml"))
    copy = tmp_path / "copy.yaml"
    copy.write_text(study.to_yaml())
    again = reopen(copy)
    assert again.fingerprint() == study.fingerprint()
    assert again.experiment == study.experiment
    assert again.default() == study.default() is not None


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"budget": {"trials": 99}, "sampler": "random", "pruner": "median"}, True),
        ({"settings": {"data.workers": 1, "training.device": "cpu"}}, True),
        ({"space": {**SPACE, "model.encoder.dropout": RANGE}}, False),
        ({"objectives": "source_nll"}, False),
        ({"settings": {"seed": 3}}, False),
        ({"reverse_validation": True}, False),
    ],
)
def test_the_fingerprint_tells_what_may_differ(tmp_path, changes, same):
    one = read_study(write_study(tmp_path / "a.yaml"))
    other = read_study(write_study(tmp_path / "b.yaml", **changes))
    assert (one.fingerprint() == other.fingerprint()) == same


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_proposes_by_trial_number_alone(tmp_path, name):
    if name == "cmaes":
        pytest.importorskip("cmaes", reason="the extra 'cmaes' is not installed")
    file = write_study(tmp_path / "a.yaml", sampler=name, space=STEPPED)
    study = read_study(file)

    def proposals(restart: bool) -> list:
        joined = optuna.create_study(sampler=PerTrial(study.sampler(), study.file.seed))
        found = []
        for _ in range(6):
            trial = joined.ask()
            found.append(study.space.suggest(trial))
            joined.tell(trial, float(trial.number % 3))
            if restart:
                joined.sampler = PerTrial(study.sampler(), study.file.seed)
        return found

    whole, interrupted = proposals(False), proposals(True)
    assert whole == interrupted
    assert len({tuple(values.items()) for values in whole}) > 1


def test_a_grid_is_queued_whole(tmp_path):
    study = read_study(write_study(tmp_path / "a.yaml", sampler="grid", space=STEPPED), trials=50)
    points = {tuple(values.items()) for values in study.queued()}
    assert len(points) == study.trials() == 2 * 4
    assert (("training.batch_size", 16), ("model.encoder.dropout", pytest.approx(0.7))) in [
        (a, (b[0], pytest.approx(b[1]))) for a, b in points
    ]


@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_is_made_by_its_name(tmp_path, name):
    assert read_study(write_study(tmp_path / "a.yaml", pruner=name)).pruner()
