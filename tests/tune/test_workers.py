"""Several workers on one study, and one of them dies."""

import os
import signal

import pytest
from tiny_studies import QUIET, search, write_study
from workers import SLOW, Workers, check_that_a_killed_worker_loses_nothing, wait_until

from dagnn import tune
from dagnn.tune import worker as tune_worker
from dagnn.tune.report import open_study
from dagnn.tune.storage import StudyFolder, give_up, join_study, open_storage
from dagnn.tune.study import read_study


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_on_sqlite(spectra, tmp_path):
    workers = Workers(tmp_path, spectra, "--heartbeat", "1", settings=SLOW)
    check_that_a_killed_worker_loses_nothing(workers)


@pytest.mark.slow
def test_ctrl_c_exits_130_and_tells_how_to_go_on(spectra, tmp_path):
    workers = Workers(tmp_path, spectra, settings=SLOW)
    process = workers.start()
    wait_until(lambda: workers.epochs(0) >= 2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "The same command goes on" in output and "Traceback" not in output
    assert [outcome.state for outcome in workers.outcomes()] == ["lost", "queued again"]


@pytest.mark.slow
def test_two_jobs_share_the_trials(spectra, tmp_path):
    file = write_study(tmp_path / "tiny.yaml")
    result = tune.tune(file, data=spectra, out=tmp_path / "tiny", trials=4, jobs=2, console=QUIET)
    assert [outcome.state for outcome in result.outcomes] == ["complete"] * 4
    joined = open_study(tmp_path / "tiny").joined
    owners = {trial.user_attrs["worker"] for trial in joined.get_trials()}
    assert all(f"-{os.getpid()}-" not in owner for owner in owners)


def test_a_trial_that_another_worker_has_given_up_costs_a_worker_that_trial_only(
    spectra, tmp_path, monkeypatch
):
    """What happens to a worker whose machine was asleep for longer than four heartbeats."""
    real = tune_worker.train_prepared

    def asleep(experiment, *given, **named):
        joined = open_study(tmp_path / "tiny").joined
        trials = joined.get_trials()
        if len(trials) == 1:
            give_up(joined, trials[0])
        return real(experiment, *given, **named)

    monkeypatch.setattr(tune_worker, "train_prepared", asleep)
    result = search(spectra, tmp_path / "tiny", trials=2)
    found = [(outcome.state, outcome.folder) for outcome in result.outcomes]
    assert found == [("lost", 0), ("complete", 0), ("complete", 2)]
    assert result.outcomes[0].values == result.outcomes[1].values


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
def test_a_trial_that_kills_its_workers_is_left_after_three(spectra, tmp_path):
    """Every attempt at the first trial dies without a heartbeat, on another machine."""
    file = write_study(tmp_path / "tiny.yaml")
    folder = StudyFolder.create(tmp_path / "tiny")
    joined = join_study(read_study(file), open_storage(folder))
    for _ in range(3):
        trial = joined.get_trials()[joined.ask().number]
        give_up(joined, trial)
    assert [trial.state.name for trial in joined.get_trials()] == ["FAIL"] * 3
    result = search(spectra, tmp_path / "tiny", trials=1)
    found = [(outcome.state, outcome.folder) for outcome in result.outcomes]
    assert found == [("lost", 0)] * 3 + [("complete", 3)]
