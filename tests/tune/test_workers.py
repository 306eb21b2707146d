"""Several workers on one study, and one of them dies."""

import os
import signal

import pytest
from tiny_studies import QUIET, write_study
from workers import SLOW, Workers, check_that_a_killed_worker_loses_nothing, wait_until

from dagnn import tune
from dagnn.tune.finished import open_study


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_on_the_journal(spectra, tmp_path):
    check_that_a_killed_worker_loses_nothing(Workers(tmp_path, spectra, settings=SLOW))


@pytest.mark.slow
def test_ctrl_c_exits_130_and_tells_how_to_go_on(spectra, tmp_path):
    workers = Workers(tmp_path, spectra, settings=SLOW)
    process = workers.start()
    wait_until(lambda: workers.epochs(0) >= 2)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "The same command goes on" in said and "Traceback" not in said
    assert [outcome.state for outcome in workers.outcomes()] == ["lost", "queued again"]


@pytest.mark.slow
def test_two_jobs_share_the_trials(spectra, tmp_path):
    file = write_study(tmp_path / "tiny.yaml")
    result = tune.tune(file, data=spectra, out=tmp_path / "tiny", trials=4, jobs=2, console=QUIET)
    assert [outcome.state for outcome in result.outcomes] == ["complete"] * 4
    joined = open_study(tmp_path / "tiny").joined
    owners = {trial.user_attrs["worker"] for trial in joined.get_trials()}
    assert all(f"-{os.getpid()}-" not in owner for owner in owners)
    assert not list((tmp_path / "tiny" / "workers").iterdir())
