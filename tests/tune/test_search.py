"""A study from file to report, in one process."""

import json
import warnings
from dataclasses import replace

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from tiny_studies import QUIET, SPACE, search, write_study, write_suite

from dagnn import run, tune
from dagnn.config import load_experiment
from dagnn.errors import DagnnError, Interrupted, NonFiniteLossError
from dagnn.run import selection as run_trial
from dagnn.training import Callback
from dagnn.tune import worker as tune_worker
from dagnn.tune.report import open_study, write_study_report
from dagnn.tune.storage import StudyFolder, with_driver, without_password
from dagnn.yaml_files import to_yaml


@pytest.fixture(scope="module")
def done(spectra, tmp_path_factory):
    out = tmp_path_factory.mktemp("studies") / "tiny"
    return search(spectra, out, draw=True, trials=5, reverse_validation=True)


def test_every_trial_records_its_scores_and_the_default_is_the_first(done):
    assert [outcome.state for outcome in done.outcomes] == ["complete"] * 5
    names = {"source_error", "source_nll", "domain_auc", "reverse_error"}
    assert all(set(outcome.scores) == names for outcome in done.outcomes)
    study = open_study(done.folder).study
    assert done.outcomes[0].values == study.default()
    values = [outcome.objectives["source_error"] for outcome in done.outcomes]
    assert len(set(values)) == 5


def test_the_report_shows_every_figure_and_says_oracle(done):
    page = done.report.read_text()
    for name in ("history", "importance", "slices", "pareto", "cost"):
        assert f'id="{name}"' in page
        assert (done.folder / "figures" / f"{name}.png").is_file()
    assert "ORACLE" in page and "MOCK" not in page
    assert "dagnn tune best" in page


def test_a_study_of_mocks_is_stamped(done, tmp_path):
    opened = open_study(done.folder)
    mocks = [replace(outcome, mock=True) for outcome in opened.outcomes]
    elsewhere = StudyFolder(tmp_path)
    page = write_study_report(opened.study, opened.joined, elsewhere, mocks[:3]).read_text()
    assert "MOCK" in page


def test_the_best_trial_trains_again_to_the_same_score(done, tmp_path):
    out = tmp_path / "best.yaml"
    tune.best(done.folder, out=out, by="rank_sum", console=QUIET)
    assert "no target label" in out.read_text().splitlines()[0]
    experiment = run.load(out)
    result = run.train(experiment, out=tmp_path / "run", console=QUIET)
    last = json.loads((result.folder / "metrics.jsonl").read_text().splitlines()[-1])
    chosen = next(
        o for o in done.outcomes if f"# Trial {o.number} of" in out.read_text().splitlines()[0]
    )
    assert last["valid"]["source_error"] == pytest.approx(chosen.scores["source_error"], abs=1e-9)


def test_best_takes_the_lowest_and_any_trial_asked_for(done, tmp_path):
    tune.best(done.folder, out=tmp_path / "a.yaml", console=QUIET)
    lowest = min(done.outcomes, key=lambda outcome: outcome.objectives["source_error"])
    weight = lowest.values["loss.terms.mmd.weight"]
    assert load_experiment(tmp_path / "a.yaml").loss.terms["mmd"].weight == weight
    tune.best(done.folder, out=tmp_path / "b.yaml", trial=3, console=QUIET)
    weight = done.outcomes[3].values["loss.terms.mmd.weight"]
    assert load_experiment(tmp_path / "b.yaml").loss.terms["mmd"].weight == weight
    for refused in ({"trial": 77}, {"by": "target_error"}):
        with pytest.raises(DagnnError):
            tune.best(done.folder, out=tmp_path / "c.yaml", console=QUIET, **refused)
    with pytest.raises(DagnnError, match="exists"):
        tune.best(done.folder, out=tmp_path / "a.yaml", console=QUIET)


def test_show_prints_trials_importances_and_the_dashboard_line(done, capsys, monkeypatch):
    monkeypatch.setattr("dagnn.tune.report.write_study_report", lambda *_: None)
    tune.show(done.folder)
    text = capsys.readouterr().out
    assert "importance" in text and "learning_rate" in text
    assert f"optuna-dashboard sqlite:///{done.folder / 'study.db'}" in text
    assert "ORACLE" in text


def test_the_same_call_goes_on_with_a_larger_budget(spectra, tmp_path):
    first = search(spectra, tmp_path / "tiny", trials=2)
    again = search(spectra, tmp_path / "tiny", trials=2)
    more = search(spectra, tmp_path / "tiny", trials=3)
    whole = search(spectra, tmp_path / "whole", trials=3)
    assert [len(result.outcomes) for result in (first, again, more)] == [2, 2, 3]
    for resumed, straight in zip(more.outcomes, whole.outcomes, strict=True):
        assert resumed.values == straight.values
        assert resumed.scores == straight.scores


@pytest.mark.parametrize(
    "changes",
    [
        {"space": {**SPACE, "model.encoder.dropout": {"type": "float", "low": 0, "high": 0.5}}},
        {"objectives": "source_nll"},
        {"settings": {"training.epochs": 4}},
    ],
)
def test_another_study_of_the_same_name_is_refused_before_the_first_trial(
    spectra, tmp_path, changes
):
    search(spectra, tmp_path / "tiny", trials=1)
    with pytest.raises(DagnnError, match="other contents"):
        search(spectra, tmp_path / "tiny", trials=2, **changes)
    assert len(open_study(tmp_path / "tiny").outcomes) == 1


def test_a_folder_holds_one_study(spectra, tmp_path):
    search(spectra, tmp_path / "tiny", trials=1)
    with pytest.raises(DagnnError, match="'tiny', not 'other'"):
        search(spectra, tmp_path / "tiny", name="other")
    with pytest.raises(DagnnError, match="other contents"):
        search(
            spectra,
            tmp_path / "tiny",
            storage=f"sqlite:///{tmp_path}/a.db",
            objectives="source_nll",
        )


def test_a_database_holds_one_study_of_a_name(spectra, tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    search(spectra, tmp_path / "one", trials=1, storage=url)
    with pytest.raises(DagnnError, match=r"storage.*other contents.*source_nll"):
        search(spectra, tmp_path / "two", trials=1, storage=url, objectives="source_nll")


def test_other_data_are_refused(spectra, tmp_path):
    search(spectra, tmp_path / "tiny", trials=1)
    other = tmp_path / "other"
    write_suite(other, "IllustrisTNG", 0.0, 0)
    write_suite(other, "SIMBA", 0.4, 7)
    with pytest.raises(DagnnError, match="data of simba"):
        search(other, tmp_path / "tiny", trials=2)


def test_what_the_data_show_to_be_wrong_is_refused_before_the_first_trial(spectra, tmp_path):
    space = {"model.encoder.dropout": {"type": "float", "low": 0.0, "high": 1.5}}
    with pytest.raises(DagnnError, match=r"dropout.*1.5 is refused"):
        search(spectra, tmp_path / "tiny", space=space)
    assert not (tmp_path / "tiny" / "trials").exists()


def test_missing_data_and_foreign_folders_are_errors(spectra, tmp_path):
    with pytest.raises(DagnnError) as missing:
        search(tmp_path / "nowhere", tmp_path / "tiny")
    assert missing.value.exit_code == 3
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(DagnnError, match="no study"):
        search(spectra, tmp_path / "mine")
    with pytest.raises(DagnnError, match="not a study"):
        tune.show(tmp_path / "mine")


def test_data_are_read_once_for_all_trials_that_share_them(spectra, tmp_path, monkeypatch):
    read = []
    real = run_trial.read_data

    def counting(experiment, *given, **named):
        read.append(experiment.data.options["bins"])
        return real(experiment, *given, **named)

    monkeypatch.setattr(run_trial, "read_data", counting)
    space = {"training.learning_rate": [1e-3, 3e-3], "model.encoder.dropout": [0.0, 0.2]}
    search(spectra, tmp_path / "same", trials=4, sampler="grid", space=space)
    assert read == [8]
    read.clear()
    space = {"data.bins": [4, 8], "model.encoder.dropout": [0.0, 0.2]}
    search(spectra, tmp_path / "apart", trials=4, sampler="grid", space=space)
    assert sorted(read) == [4, 8]


def test_pruned_trials_stop_early_and_are_marked(spectra, tmp_path):
    space = {"training.learning_rate": [1e-9, 1e-2]}
    result = search(
        spectra,
        tmp_path / "tiny",
        trials=2,
        sampler="grid",
        space=space,
        settings={"training.epochs": 6},
        pruner={"name": "median", "startup_trials": 1, "warmup_epochs": 1},
        seed=2,
    )
    states = {outcome.values["training.learning_rate"]: outcome for outcome in result.outcomes}
    if result.outcomes[0].values["training.learning_rate"] == 1e-9:
        pytest.fail("the order of the grid has changed: choose another seed")
    slow = states[1e-9]
    assert slow.state == "pruned" and slow.epochs < 6
    lines = (tmp_path / "tiny" / "trials" / "0001" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == slow.epochs
    assert slow.target == {} and slow.objectives == {}


def test_several_objectives_have_a_front(spectra, tmp_path):
    result = search(
        spectra, tmp_path / "tiny", draw=True, objectives=["source_error", "domain_auc"]
    )
    assert all(set(o.objectives) == {"source_error", "domain_auc"} for o in result.outcomes)
    assert 'id="pareto"' in result.report.read_text()
    tune.best(tmp_path / "tiny", out=tmp_path / "best.yaml", console=QUIET)


def test_a_trial_that_diverges_fails_alone(spectra, tmp_path, monkeypatch):
    real = tune_worker.train_prepared

    def diverging(experiment, *given, **named):
        if experiment.name.endswith("-1"):
            raise NonFiniteLossError("the loss is not finite")
        return real(experiment, *given, **named)

    monkeypatch.setattr(tune_worker, "train_prepared", diverging)
    result = search(spectra, tmp_path / "tiny", trials=3)
    assert [outcome.state for outcome in result.outcomes] == ["complete", "failed", "complete"]
    assert "not finite" in result.outcomes[1].reason


class Stop(Callback):
    """Presses Ctrl-C after the second epoch, once."""

    pressed = False

    def on_epoch(self, record):
        if record.epoch == 2 and not Stop.pressed:
            Stop.pressed = True
            raise KeyboardInterrupt


def test_ctrl_c_queues_the_trial_again_and_it_resumes(spectra, tmp_path, monkeypatch):
    Stop.pressed = False
    real = tune_worker.train_prepared

    def stopping(*given, callbacks, **named):
        return real(*given, callbacks=[*callbacks, Stop()], **named)

    monkeypatch.setattr(tune_worker, "train_prepared", stopping)
    with pytest.raises(Interrupted, match="0 of 2 trials") as interrupted:
        search(spectra, tmp_path / "tiny", trials=2)
    assert interrupted.value.exit_code == 130
    first = tmp_path / "tiny" / "trials" / "0000"
    assert len((first / "metrics.jsonl").read_text().splitlines()) == 2
    stamp = (first / "metrics.jsonl").read_text().splitlines()[0]
    result = search(spectra, tmp_path / "tiny", trials=2)
    states = [(outcome.state, outcome.folder) for outcome in result.outcomes]
    assert states == [("lost", 0), ("complete", 0), ("complete", 2)]
    # The first epoch was not trained again: its line with its seconds is the same.
    assert (first / "metrics.jsonl").read_text().splitlines()[0] == stamp
    straight = search(spectra, tmp_path / "straight", trials=2)
    assert result.outcomes[1].scores == straight.outcomes[0].scores
    # The next trial is the one that an uninterrupted study would have had.
    assert result.outcomes[2].values == straight.outcomes[1].values
    assert result.outcomes[2].scores == straight.outcomes[1].scores


def test_no_target_label_reaches_the_storage(spectra, tmp_path, monkeypatch):
    monkeypatch.setattr(tune_worker, "target_scores", lambda *_: {"error": 0.123456789, "r2": 0.5})
    result = search(spectra, tmp_path / "tiny", trials=2)
    assert b"0.1234567" not in (tmp_path / "tiny" / "study.db").read_bytes()
    assert "0.1234567" not in str(open_study(tmp_path / "tiny").joined.get_trials())
    assert all(outcome.target["error"] == 0.123456789 for outcome in result.outcomes)
    sealed = json.loads((tmp_path / "tiny" / "trials" / "0000" / "sealed.json").read_text())
    assert "ORACLE" in sealed["note"]


def test_other_target_labels_change_no_score_and_no_choice(spectra, tmp_path):
    """The same search with the target's parameter table shuffled."""
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    for file in spectra.iterdir():
        (shuffled / file.name).write_bytes(file.read_bytes())
    table = shuffled / "CosmoAstroSeed_SIMBA_L25n256_LH.txt"
    header, *rows = table.read_text().splitlines()
    cells = [row.split() for row in rows]
    moved = [[c[0], cells[(i + 1) % len(cells)][1], *c[2:]] for i, c in enumerate(cells)]
    table.write_text("\n".join([header, *map(" ".join, moved)]) + "\n")
    one = search(spectra, tmp_path / "one", trials=3, reverse_validation=True)
    other = search(shuffled, tmp_path / "other", trials=3, reverse_validation=True)
    for true, false in zip(one.outcomes, other.outcomes, strict=True):
        assert true.values == false.values
        assert true.scores == false.scores
        assert true.target != false.target


def remove_storage(place):
    for file in place.glob("study.db*"):
        file.unlink()


def test_a_journal_of_an_older_version_is_read_and_gone_on_with(spectra, tmp_path):
    place = tmp_path / "tiny"
    before = search(spectra, place, trials=2)
    with warnings.catch_warnings(action="ignore"):
        journal = JournalStorage(JournalFileBackend(str(place / "journal.log")))
    joined = open_study(place).joined
    optuna.copy_study(from_study_name="tiny", from_storage=joined._storage, to_storage=journal)
    optuna.load_study(study_name="tiny", storage=journal).ask()  # its worker has died
    remove_storage(place)
    assert open_study(place).outcomes[:2] == before.outcomes
    result = search(spectra, place, trials=3)
    assert [outcome.state for outcome in result.outcomes] == [
        "complete", "complete", "lost", "complete",
    ]  # fmt: skip
    whole = search(spectra, tmp_path / "whole", trials=3)
    assert result.outcomes[3].scores == whole.outcomes[2].scores
    assert result.outcomes[3].folder == 2


@pytest.mark.parametrize("name", ["study.db", "journal.log"])
def test_a_damaged_storage_is_named(spectra, tmp_path, name):
    place = tmp_path / "tiny"
    search(spectra, place, trials=1)
    remove_storage(place)
    (place / name).write_bytes(b'{"op_code": 4, "worker' * 200)
    for verb in (
        lambda: tune.show(place),
        lambda: tune.best(place, out=tmp_path / "best.yaml", console=QUIET),
        lambda: search(spectra, place, trials=2),
    ):
        with pytest.raises(DagnnError, match=name) as refused:
            verb()
        assert refused.value.exit_code == 3


def test_a_folder_may_have_any_name(spectra, tmp_path):
    place = tmp_path / "a {b}?c=d%20#e é"
    search(spectra, place, trials=1)
    assert len(search(spectra, place, trials=2).outcomes) == 2
    assert (place / "study.db").is_file()


def test_a_database_takes_the_place_of_the_file_in_the_folder(spectra, tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    search(spectra, tmp_path / "tiny", trials=1, storage=url)
    result = search(spectra, tmp_path / "tiny", trials=2)  # the folder remembers
    assert len(result.outcomes) == 2
    assert not (tmp_path / "tiny" / "study.db").exists()


@pytest.mark.parametrize(
    ("url", "code"),
    [("redis://host", 2), ("study.db", 2), ("sqlite:////nowhere/at/all.db", 3), ("foo://x/y", 3)],
)
def test_storages_that_cannot_be_used_are_errors(spectra, tmp_path, url, code):
    with pytest.raises(DagnnError) as refused:
        search(spectra, tmp_path / "tiny", storage=url)
    assert refused.value.exit_code == code, refused.value


def test_passwords_are_not_written_down():
    assert without_password("postgresql://me:secret@h/x") == "postgresql://me@h/x"
    assert without_password("sqlite:///x.db") == "sqlite:///x.db"
    assert with_driver("postgres://h/x") == "postgresql+psycopg://h/x"


def test_the_file_may_lie_beside_its_configuration(spectra, tmp_path):
    config = {"extends": "spectra_mmd", "training": {"epochs": 2}}
    (tmp_path / "own.yaml").write_text(to_yaml(config))
    file = write_study(tmp_path / "tiny.yaml", experiment={"config": "own.yaml"})
    assert tune.read_study(file).experiment.training.epochs == 2
