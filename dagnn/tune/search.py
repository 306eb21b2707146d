"""The search ``dagnn tune``: checks before the first trial, workers, and the report."""

import multiprocessing
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from shlex import quote

import torch
from rich.console import Console

from dagnn.console import log, print_line
from dagnn.errors import DagnnError, Interrupted
from dagnn.run.data import locate_data
from dagnn.run.selection import require_buildable
from dagnn.tune.outcomes import Outcome, read_outcomes
from dagnn.tune.report import write_study_report
from dagnn.tune.storage import (
    HEARTBEAT_S,
    StudyFolder,
    join_study,
    open_storage,
    remember,
    require_same_data,
    require_same_folder,
    storage_errors,
)
from dagnn.tune.study import Study, read_study
from dagnn.tune.worker import Worker, count_finished
from dagnn.workers import without_main

PATIENCE_S = 20.0
"""How long workers have to end after Ctrl-C before they get it again, then are terminated."""


@dataclass(frozen=True)
class StudyResult:
    """What a search returns.

    Attributes:
        folder: of the study.
        outcomes: of all trials.
        report: the page; None where no trial is complete.
    """

    folder: Path
    outcomes: list[Outcome]
    report: Path | None


def tune(
    source: str | Path,
    *,
    out: Path | None = None,
    trials: int | None = None,
    hours: float | None = None,
    storage: str | None = None,
    data: Path | None = None,
    mock: bool = False,
    jobs: int = 1,
    overrides: Sequence[str] = (),
    heartbeat: int = HEARTBEAT_S,
    console: Console | None = None,
) -> StudyResult:
    """Search for hyper-parameters without target labels; join the study if it is under way.

    Args:
        source: study file, or the name of a shipped one.
        out: folder of the study; ``studies/NAME`` if None.
        trials: finished trials after which the study is done, all workers together.
        hours: after which this call starts no further trial.
        storage: address of a database; an SQLite file in ``out`` if None.
        data: data folder.
        mock: use mock universes even where there are data.
        jobs: worker processes on this machine.
        overrides: ``key=value`` for the experiment.
        heartbeat: seconds between two signs of life; a worker silent for four is given up.
        console: where progress goes; standard error if None.

    Raises:
        Interrupted: Ctrl-C; the same call continues.
        DagnnError: the study, the data or the storage cannot be used; all that can be
            known before the first trial is.
    """
    console = console or log()
    study = read_study(source, data=data, trials=trials, hours=hours, overrides=overrides)
    folder = StudyFolder.create(out or Path("studies") / study.name)
    with folder.lock, storage_errors(folder, storage):
        require_same_folder(folder, study)
        joined = join_study(study, open_storage(folder, storage, heartbeat))
        remember(folder, study, storage)
    print_line(
        console,
        f"{study.name}: {len(study.space.keys)} keys, {study.trials()} trials, minimising "
        f"{', '.join(study.objectives)}; {count_finished(joined)} are done. {folder.path}",
    )
    place = locate_data(study.experiment, mock, console).absolute()
    worker = Worker(study, joined, folder, place, console)
    prepared = worker.data(study.experiment)
    require_same_data(joined, {suite.name: suite.loaded.fingerprint for suite in prepared.suites})
    # Keys of data are as good as the experiment's here.
    study.require_edges(lambda experiment: require_buildable(experiment, prepared))
    try:
        with storage_errors(folder, storage):
            if jobs == 1:
                worker.work()
            else:
                _start_workers(jobs, study, folder.path, storage, heartbeat, place)
    except (KeyboardInterrupt, Interrupted) as interruption:
        raise Interrupted(
            f"Interrupted. {count_finished(joined)} of {study.trials()} trials are finished and "
            f"kept in {folder.path}; the one that was running is queued again. The same command "
            "goes on."
        ) from interruption
    outcomes = read_outcomes(joined, study.objectives, folder.trials)
    report = None
    if any(outcome.state == "complete" for outcome in outcomes):
        try:
            with console.status("Drawing the report"):
                report = write_study_report(study, joined, folder, outcomes)
        except KeyboardInterrupt as interruption:
            raise Interrupted(
                f"Interrupted. All trials are finished and kept in {folder.path}; the same command "
                "draws the report."
            ) from interruption
        print_line(console, f"Report: {report}")
        print_line(console, f"Next: dagnn tune best {quote(str(folder.path))} --out best.yaml")
    return StudyResult(folder.path, outcomes, report)


def _start_workers(
    jobs: int, study: Study, folder: Path, url: str | None, heartbeat: int, place: Path
) -> None:
    """Start workers in processes of their own, and wait for them."""
    context = multiprocessing.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // jobs)
    given = (study, folder, url, heartbeat, place, threads)
    workers = [context.Process(target=_work_in_process, args=given) for _ in range(jobs)]
    with without_main():
        for worker in workers:
            worker.start()
    try:
        for worker in workers:
            worker.join()
    except KeyboardInterrupt:
        _end(workers)
        raise
    codes = [worker.exitcode for worker in workers]
    if 130 in codes:
        raise Interrupted("A worker was interrupted.")
    if any(codes) and all(codes):
        raise DagnnError(
            f"Every worker ended with an error (exit codes {', '.join(map(str, codes))}); their "
            "messages are above. Try again with --jobs 1."
        )


def _work_in_process(
    study: Study, path: Path, url: str | None, heartbeat: int, place: Path, threads: int
) -> None:
    """Be one of several workers: print an error in a line, and end with its exit code."""
    torch.set_num_threads(threads)
    console = log(force_terminal=False, width=200)
    folder = StudyFolder(path)
    try:
        with storage_errors(folder, url):
            joined = join_study(study, open_storage(folder, url, heartbeat))
            Worker(study, joined, folder, place, console).work()
    except (KeyboardInterrupt, Interrupted):
        raise SystemExit(130) from None
    except DagnnError as error:
        print_line(console, f"A worker ended: {error}")
        raise SystemExit(error.exit_code) from None


def _end(workers: Sequence[BaseProcess]) -> None:
    """Wait for workers that Ctrl-C has reached; send it to those it has not; then end them."""
    for again in (False, True):
        for worker in workers:
            if again and worker.pid and worker.is_alive():
                os.kill(worker.pid, signal.SIGINT)
            worker.join(PATIENCE_S / 10 if not again else PATIENCE_S)
    for worker in workers:
        worker.terminate()
