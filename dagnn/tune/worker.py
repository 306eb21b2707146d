"""The search ``dagnn tune``: one worker or several ask for trials and run them to the budget."""

import json
import math
import multiprocessing
import os
import signal
import socket
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from shlex import quote

import optuna
import torch
from filelock import FileLock
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.trial import Trial, TrialState
from rich.console import Console

from dagnn.config import Experiment
from dagnn.console import log
from dagnn.errors import DagnnError, Interrupted, NonFiniteLossError, UsageError
from dagnn.files import write_text
from dagnn.records import EpochRecord
from dagnn.run.locate import locate_data
from dagnn.run.parts import reads_target
from dagnn.run.prepared import Prepared
from dagnn.run.scores import target_scores
from dagnn.run.trial import prepare_once, require_buildable, train_prepared
from dagnn.training import Callback, Plan
from dagnn.tune.outcomes import (
    ERROR,
    MOCK,
    SCORES,
    SEALED,
    SECONDS,
    WORKER,
    Outcome,
    outcome_of,
    read_outcomes,
)
from dagnn.tune.report import write_study_report
from dagnn.tune.samplers import first_number
from dagnn.tune.space import Values
from dagnn.tune.storage import (
    HEARTBEAT_S,
    StudyFolder,
    give_up,
    join_study,
    open_storage,
    remember,
    require_same_data,
    require_same_folder,
    storage_errors,
)
from dagnn.tune.study import Study, read_study
from dagnn.workers import without_main

KEPT_DATA = 4
"""How many differently prepared data sets (linking radii, say) stay in memory."""
ITS_OWN_FAULT = (NonFiniteLossError, UsageError, torch.OutOfMemoryError)
"""Errors of a trial that do not end the study: these values do not work."""
POLL_S = 1.0
"""How often a worker with nothing to do looks whether another one has died."""
UNSIGNED = timedelta(seconds=60)
"""A running trial that no worker has signed after this long lost its worker at once."""
PATIENCE_S = 20.0
"""How long workers have to end after Ctrl-C before they are asked again, then ended."""


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
        Interrupted: Ctrl-C; the same call goes on.
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
    console.print(
        f"{study.name}: {len(study.space.keys)} keys, {study.trials()} trials, minimising "
        f"{', '.join(study.objectives)}; {count_finished(joined)} are done. {folder.path}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    place = locate_data(study.experiment, mock, console).absolute()
    shared = SharedData(place, console)
    prepared = shared.of(study.experiment)
    require_same_data(joined, {suite.name: suite.loaded.fingerprint for suite in prepared.suites})
    # Keys of data are as good as the experiment's here.
    study.require_edges(lambda experiment: require_buildable(experiment, prepared))
    try:
        with storage_errors(folder, storage):
            if jobs == 1:
                Worker(study, joined, folder, shared, console).work()
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
        for line in (
            f"Report: {report}",
            f"Next: dagnn tune best {quote(str(folder.path))} --out best.yaml",
        ):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    return StudyResult(folder.path, outcomes, report)


def count_finished(joined: optuna.Study) -> int:
    """Return how many trials count: complete, pruned, or failed by their own fault."""
    return sum(
        trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or ERROR in trial.user_attrs
        for trial in joined.get_trials(deepcopy=False)
    )


class SharedData:
    """Data prepared once for all trials that read them alike.

    Args:
        place: data folder.
        console: where reading is reported.
    """

    def __init__(self, place: Path, console: Console) -> None:
        self.place = place
        self.console = console
        self._known: OrderedDict[str, Prepared] = OrderedDict()

    def of(self, experiment: Experiment) -> Prepared:
        """Return the data of an experiment, read only if no trial had the same."""
        key = json.dumps(
            [
                experiment.data.model_dump(mode="json", exclude={"workers", "path"}),
                experiment.source,
                experiment.target,
                experiment.seed,
                experiment.loss.prior_guard and reads_target(experiment),
            ]
        )
        if key not in self._known:
            self._known[key] = prepare_once(experiment, self.place, self.console)
            if len(self._known) > KEPT_DATA:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]


class Progress(Callback):
    """Shows how far a trial is; where there is a pruner, reports to it and obeys it.

    Args:
        trial: to report to; None where there is no pruner.
        score: name of the validation number that the pruner watches.
        show: called with what to show.
    """

    def __init__(self, trial: Trial | None, score: str, show: Callable[[str], None]) -> None:
        self.trial = trial
        self.score = score
        self.show = show
        self._epochs = 0

    def on_start(self, plan: Plan, history: Sequence[EpochRecord]) -> None:
        """Report the epochs that a resumed trial had already trained."""
        self._epochs = plan.epochs
        for past in history:
            if self.trial is not None:
                self.trial.report(past.valid[self.score], past.epoch)

    def on_epoch(self, record: EpochRecord) -> None:
        """Report an epoch.

        Raises:
            TrialPruned: the trial is not worth going on with.
        """
        self.show(f"epoch {record.epoch} of {self._epochs}")
        if self.trial is not None:
            self.trial.report(record.valid[self.score], record.epoch)
            if record.epoch < self._epochs and self.trial.should_prune():
                raise optuna.TrialPruned


class Worker:
    """One process of a study.

    Args:
        study: what is searched.
        joined: the study in its storage.
        folder: of the study.
        data: shared by all trials.
        console: where finished trials are reported.
    """

    def __init__(
        self,
        study: Study,
        joined: optuna.Study,
        folder: StudyFolder,
        data: SharedData,
        console: Console,
    ) -> None:
        self.study = study
        self.joined = joined
        self.folder = folder
        self.data = data
        self.console = console
        self._number = -1  # of the trial that was asked for
        self._given_up = False

    def work(self) -> None:
        """Run trials until the budget is spent and no other worker is running one.

        Raises:
            Interrupted: Ctrl-C; the running trial is queued again.
            DagnnError: the data or the storage cannot be used.
        """
        hours = self.study.file.budget.hours
        deadline = math.inf if hours is None else time.monotonic() + 3600 * hours
        waiting = False
        while time.monotonic() < deadline:
            with self.folder.lock:
                running = self._recover()
                if count_finished(self.joined) + running < self.study.trials():
                    self._run_one()
                    waiting = False
                    continue
            if not running:
                return
            if not waiting:
                self.console.print(
                    "Waiting for the trials of other workers; one that is silent for four "
                    "heartbeats is given up."
                )
            waiting = True
            time.sleep(POLL_S)

    def _recover(self) -> int:
        """Queue the trials of dead workers again, and return how many are running."""
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            optuna.storages.fail_stale_trials(self.joined)
        running = self.joined.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        for trial in running:
            # A worker that died before its first heartbeat has not signed its trial either;
            # a retried trial keeps the signature of the last attempt, which has its number.
            signed = str(trial.user_attrs.get(WORKER)).startswith(f"{trial.number}-")
            started = trial.datetime_start or datetime.min
            if not signed and datetime.now() - started > UNSIGNED:
                give_up(self.joined, trial)
        return len(running)

    def _run_one(self) -> None:
        """Ask for a trial and run it, within Study.optimize as it beats for the trial."""
        self._number, self._given_up = -1, False
        try:
            self.joined.optimize(self._objective, n_trials=1, catch=ITS_OWN_FAULT)
        except (KeyboardInterrupt, Interrupted) as interruption:
            if self._number >= 0:
                trial = self.joined.get_trials(deepcopy=False)[self._number]
                if ERROR not in trial.user_attrs:
                    give_up(self.joined, trial, most=None)
            raise Interrupted("Interrupted; the running trial is queued again.") from interruption
        except ValueError:
            # Optuna refuses the result of a trial that was given up.
            if not self._given_up:
                raise
        if self._number >= 0:
            self._report(self._number)

    def _objective(self, trial: Trial) -> list[float]:
        self.folder.lock.release()
        self._number = trial.number
        try:
            return self._attempt(trial)
        except UpdateFinishedTrialError:
            self._given_up = True
            raise

    def _attempt(self, trial: Trial) -> list[float]:
        """Run a trial, and store what the search may know of it in its attributes."""
        first = first_number(self.joined.get_trials(deepcopy=False)[trial.number])
        place = self.folder.trial(first)
        started = time.perf_counter()
        try:
            values = self.study.space.suggest(trial)
            trial.set_user_attr(WORKER, f"{trial.number}-{socket.gethostname()}-{os.getpid()}")
            place.mkdir(parents=True, exist_ok=True)
            # A worker that was given up while its machine slept may still be writing there.
            with FileLock(place / ".lock"):
                scores = self._train(trial, values, f"{self.study.name}-trial-{first}", place)
            trial.set_user_attr(SECONDS, time.perf_counter() - started)
            return scores
        except ITS_OWN_FAULT as error:
            trial.set_user_attr(ERROR, str(error))
            raise
        except optuna.TrialPruned:
            trial.set_user_attr(SECONDS, time.perf_counter() - started)
            raise

    def _train(self, trial: Trial, values: Values, name: str, place: Path) -> list[float]:
        """Train and score a variation, and seal what it is worth on target labels in a file.

        The sealed file is written for the report after the search, and nothing here reads it.
        """
        experiment = self.study.variation(values)
        data = experiment.data.model_copy(update={"path": self.data.place})
        experiment = experiment.model_copy(update={"name": name, "data": data})
        prepared = self.data.of(experiment)
        watched = None if self.study.file.pruner.name == "none" else trial
        shown = f"trial {trial.number}"
        with self.console.status(shown) as status:
            progress = Progress(
                watched, self.study.file.prune_on, lambda text: status.update(f"{shown}: {text}")
            )
            trained = train_prepared(
                experiment,
                prepared,
                place,
                callbacks=[progress],
                reverse="reverse_error" in self.study.scores,
            )
        note = (
            "ORACLE: measured on target labels. Written for the report that is made after the "
            "search; the search never reads it."
        )
        sealed = {"note": note, "target_test": target_scores(trained.network, prepared)}
        write_text(place / SEALED, json.dumps(sealed, indent=2) + "\n")
        plain = {name: v if math.isfinite(v) else None for name, v in trained.scores.items()}
        trial.set_user_attr(SCORES, plain)
        trial.set_user_attr(MOCK, prepared.mock)
        objectives = {name: trained.scores[name] for name in self.study.objectives}
        if not all(map(math.isfinite, objectives.values())):
            listed = ", ".join(f"{name} {value}" for name, value in objectives.items())
            raise NonFiniteLossError(f"An objective could not be measured: {listed}.")
        return list(objectives.values())

    def _report(self, number: int) -> None:
        """Print in one line what a trial achieved."""
        outcome = outcome_of(self.joined.get_trials(deepcopy=False)[number], self.study.objectives)
        text = "  ".join(f"{name} {value:.5g}" for name, value in outcome.objectives.items())
        if outcome.state == "pruned":
            text = f"pruned after epoch {outcome.epochs}"
        elif outcome.state != "complete":
            text = f"failed: {(outcome.reason or 'lost its worker').splitlines()[0]}"
        seconds = 0.0 if math.isnan(outcome.seconds) else outcome.seconds
        self.console.print(
            f"trial {number:3d}  {text}  "
            f"[{seconds:.1f} s, {count_finished(self.joined)}/{self.study.trials()}]",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


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
            f"Every worker ended with an error (exit codes {', '.join(map(str, codes))}); what "
            "they said stands above. Try again with --jobs 1."
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
            Worker(study, joined, folder, SharedData(place, console), console).work()
    except (KeyboardInterrupt, Interrupted):
        raise SystemExit(130) from None
    except DagnnError as error:
        console.print(f"A worker ended: {error}", markup=False, highlight=False, soft_wrap=True)
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
