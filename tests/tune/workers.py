"""Workers as real processes, to be killed."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tiny_studies import write_study

from dagnn.tune.outcomes import Outcome
from dagnn.tune.report import open_study

EPOCHS = 200
SLOW = {"training.epochs": EPOCHS, "training.steps_per_epoch": 2}
"""Settings with which a trial takes a few seconds."""
DAGNN = """
import dagnn.tune.search
from dagnn.cli import main
dagnn.tune.search.write_study_report = lambda *given: None
main()
"""
"""The command line, without the report that takes as long as all trials here."""


class Workers:
    """Two workers on one study.

    Args:
        place: where the study's file and folder lie.
        data: data folder.
        options: further options of ``dagnn tune``.
        **changes: to the study file.
    """

    def __init__(self, place: Path, data: Path, *options: str, **changes: object) -> None:
        self.folder = place / "tiny"
        file = write_study(place / "tiny.yaml", **changes)
        self.command = [
            sys.executable, "-c", DAGNN, "tune", str(file), "--data", str(data),
            "--out", str(self.folder), *options,
        ]  # fmt: skip

    def start(self) -> subprocess.Popen:
        """Start a worker in a process of its own."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment,
        )  # fmt: skip

    def outcomes(self, storage: str | None = None) -> list[Outcome]:
        """Read the trials."""
        return open_study(self.folder, storage).outcomes

    def epochs(self, trial: int) -> int:
        """Count the finished epochs of a trial."""
        metrics = self.folder / "trials" / f"{trial:04d}" / "metrics.jsonl"
        return len(metrics.read_text().splitlines()) if metrics.is_file() else 0

    def first_line(self, trial: int) -> str:
        """Return the record of a trial's first epoch, with its seconds."""
        metrics = self.folder / "trials" / f"{trial:04d}" / "metrics.jsonl"
        return metrics.read_text().splitlines()[0]


def wait_until(fine, seconds: float = 120.0) -> None:
    """Wait for something that processes shall bring about."""
    deadline = time.monotonic() + seconds
    while not fine():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def kill_the_worker_of(workers: Workers, processes: list, trial: int) -> subprocess.Popen:
    """Send SIGKILL to the process that runs a trial, and return the other one."""
    owner = open_study(workers.folder).joined.get_trials()[trial].user_attrs["worker"]
    victim = next(p for p in processes if re.search(rf"-{p.pid}(-|$)", owner))
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    return next(process for process in processes if process is not victim)


def check_that_a_killed_worker_loses_nothing(workers: Workers) -> None:
    """Start two workers, kill the one with trial 0, and see the other finish everything."""
    processes = [workers.start(), workers.start()]
    try:
        wait_until(lambda: workers.epochs(0) >= 3)
        survivor = kill_the_worker_of(workers, processes, 0)
        epochs, stamp = workers.epochs(0), workers.first_line(0)
        assert epochs < EPOCHS, "the trial was too short to be killed"
        output, _ = survivor.communicate(timeout=240)
    finally:
        for process in processes:
            process.kill()
    assert survivor.returncode == 0, output
    outcomes = workers.outcomes()
    assert sorted(outcome.state for outcome in outcomes) == ["complete"] * 3 + ["lost"]
    lost = outcomes[0]
    again = next(o for o in outcomes if o.folder == 0 and o.state == "complete")
    assert lost.state == "lost" and again.values == lost.values
    # It went on from the checkpoint: the first epoch is the one that the dead worker trained.
    assert workers.first_line(0) == stamp
    assert workers.epochs(0) == EPOCHS
