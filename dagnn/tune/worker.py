"""A worker: gets trials from the storage, runs them and stores their scores."""

import json
import math
import os
import socket
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import torch
from filelock import FileLock
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState
from rich.console import Console

from dagnn.config import Experiment
from dagnn.console import print_line
from dagnn.errors import Interrupted, NonFiniteLossError, UsageError
from dagnn.records import EpochRecord
from dagnn.run.prepared import Prepared, reads_target
from dagnn.run.selection import prepare_once, target_items, target_scores, train_prepared
from dagnn.training import Callback, Plan
from dagnn.tune.outcomes import (
    ERROR,
    MOCK,
    SCORES,
    SECONDS,
    WORKER,
    first_number,
    no_experimental_warnings,
    outcome_of,
    write_sealed,
)
from dagnn.tune.storage import StudyFolder, give_up
from dagnn.tune.study import Study

KEPT_DATA = 4
"""How many differently prepared data sets (such as by linking radius) stay in memory."""
ITS_OWN_FAULT = (NonFiniteLossError, UsageError, torch.OutOfMemoryError)
"""Errors of a trial that do not end the study: these values do not work."""
POLL_S = 1.0
"""How often an idle worker checks whether another one has died."""
UNSIGNED = timedelta(seconds=60)
"""A running trial without the name of a worker after this long has lost its worker."""


def count_finished(joined: optuna.Study) -> int:
    """Return how many trials count: complete, pruned, or failed by their own fault."""
    return sum(
        trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or ERROR in trial.user_attrs
        for trial in joined.get_trials(deepcopy=False)
    )


class Progress(Callback):
    """Shows the progress of a trial, and reports it to the pruner, if there is one.

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
            self._report(past)

    def on_epoch(self, record: EpochRecord) -> None:
        """Report an epoch.

        Raises:
            TrialPruned: the trial is worse than others at this epoch.
        """
        self.show(f"epoch {record.epoch} of {self._epochs}")
        self._report(record)
        if self.trial and record.epoch < self._epochs and self.trial.should_prune():
            raise optuna.TrialPruned

    def _report(self, record: EpochRecord) -> None:
        if self.trial:
            self.trial.report(record.valid[self.score], record.epoch)


class Worker:
    """One process of a study.

    Args:
        study: what is searched.
        joined: the study in its storage.
        folder: of the study.
        place: data folder.
        console: where reading and finished trials are reported.
    """

    def __init__(
        self, study: Study, joined: optuna.Study, folder: StudyFolder, place: Path, console: Console
    ) -> None:
        self.study, self.joined, self.folder = study, joined, folder
        self.place, self.console = place, console
        self._data: dict[str, Prepared] = {}
        self._number = -1  # of the running trial
        self._given_up = False

    def data(self, experiment: Experiment) -> Prepared:
        """Return the data of an experiment, read only if no recent trial had the same."""
        data = experiment.data.model_dump(mode="json", exclude={"workers", "path"})
        guard = experiment.loss.prior_guard and reads_target(experiment)
        key = json.dumps([data, experiment.source, experiment.target, experiment.seed, guard])
        found = self._data.pop(key, None) or prepare_once(experiment, self.place, self.console)
        self._data[key] = found  # the latest is the last
        if len(self._data) > KEPT_DATA:
            del self._data[next(iter(self._data))]
        return found

    def work(self) -> None:
        """Run trials until the budget is spent and no other worker is running one.

        Raises:
            Interrupted: Ctrl-C; the running trial is queued again.
            DagnnError: the data or the storage cannot be used.
        """
        hours = self.study.file.budget.hours or math.inf
        deadline = time.monotonic() + 3600 * hours
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
                print_line(
                    self.console,
                    "Waiting for the trials of other workers; one that is silent for four "
                    "heartbeats is given up.",
                )
            waiting = True
            time.sleep(POLL_S)

    def _recover(self) -> int:
        """Queue the trials of dead workers again, and return how many are running."""
        with no_experimental_warnings():
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
        """Get a trial and run it, by Study.optimize because that sends heartbeats."""
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
        """Run a trial, and store its label-free results in its attributes."""
        first = first_number(self.joined.get_trials(deepcopy=False)[trial.number])
        place = self.folder.trial(first)
        started = time.perf_counter()
        try:
            experiment = self.study.variation(self.study.space.suggest(trial))
            trial.set_user_attr(WORKER, f"{trial.number}-{socket.gethostname()}-{os.getpid()}")
            place.mkdir(parents=True, exist_ok=True)
            data = experiment.data.model_copy(update={"path": self.place})
            name = f"{self.study.name}-trial-{first}"
            named = experiment.model_copy(update={"name": name, "data": data})
            # A worker that was given up while its machine slept may still be writing there.
            with FileLock(place / ".lock"):
                scores = self._train(trial, named, place)
            trial.set_user_attr(SECONDS, time.perf_counter() - started)
            return scores
        except ITS_OWN_FAULT as error:
            trial.set_user_attr(ERROR, str(error))
            raise
        except optuna.TrialPruned:
            trial.set_user_attr(SECONDS, time.perf_counter() - started)
            raise

    def _train(self, trial: Trial, experiment: Experiment, place: Path) -> list[float]:
        """Train and score a variation, and write its scores on target labels into a sealed file."""
        prepared = self.data(experiment)
        watched = None if self.study.file.pruner.name == "none" else trial
        shown = f"trial {trial.number}"
        with self.console.status(shown) as status:
            progress = Progress(
                watched, self.study.file.prune_on, lambda text: status.update(f"{shown}: {text}")
            )
            reverse = "reverse_error" in self.study.scores
            trained = train_prepared(
                experiment, prepared, place, callbacks=[progress], reverse=reverse
            )
        seen = trained.network, prepared
        write_sealed(place, target_scores(*seen), target_items(*seen))
        plain = {name: v if math.isfinite(v) else None for name, v in trained.scores.items()}
        trial.set_user_attr(SCORES, plain)
        trial.set_user_attr(MOCK, prepared.mock)
        objectives = {name: trained.scores[name] for name in self.study.objectives}
        if not all(map(math.isfinite, objectives.values())):
            listed = ", ".join(f"{name} {value}" for name, value in objectives.items())
            raise NonFiniteLossError(f"An objective could not be measured: {listed}.")
        return list(objectives.values())

    def _report(self, number: int) -> None:
        """Print the result of a trial in one line."""
        outcome = outcome_of(self.joined.get_trials(deepcopy=False)[number], self.study.objectives)
        text = "  ".join(f"{name} {value:.5g}" for name, value in outcome.objectives.items())
        if outcome.state == "pruned":
            text = f"pruned after epoch {outcome.epochs}"
        elif outcome.state != "complete":
            text = f"failed: {(outcome.reason or 'lost its worker').splitlines()[0]}"
        seconds = 0.0 if math.isnan(outcome.seconds) else outcome.seconds
        done = f"{count_finished(self.joined)}/{self.study.trials()}"
        print_line(self.console, f"trial {number:3d}  {text}  [{seconds:.1f} s, {done}]")
