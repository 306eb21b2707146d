"""A worker: asks for trials, runs them and tells, until the study is done."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState
from rich.console import Console

from dagnn.errors import Interrupted
from dagnn.tune.folder import StudyFolder
from dagnn.tune.liveness import (
    ERROR,
    BeatingWorker,
    LockedWorker,
    give_up,
    liveness,
    retry,
    running_trials,
)
from dagnn.tune.storage import join_study, open_storage
from dagnn.tune.study import Study
from dagnn.tune.trial import ITS_OWN_FAULT, SECONDS, SharedData, run_trial

POLL_S = 1.0
"""How often a worker with nothing to do looks whether another one has died."""


def finished_trials(joined: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count: done, pruned, or failed by their own fault."""
    return [
        trial
        for trial in joined.get_trials(deepcopy=False)
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or ERROR in trial.user_attrs
    ]


class Worker:
    """One process's share of a study.

    Args:
        study: what is searched.
        joined: the study in its storage.
        alive: how this worker shows that it lives.
        folder: of the study.
        data: shared by all trials.
        console: where finished trials are told.
    """

    def __init__(
        self,
        study: Study,
        joined: optuna.Study,
        alive: LockedWorker | BeatingWorker,
        folder: StudyFolder,
        data: SharedData,
        console: Console,
    ) -> None:
        self.study = study
        self.joined = joined
        self.alive = alive
        self.folder = folder
        self.data = data
        self.console = console
        hours = study.file.budget.hours
        self.deadline = None if hours is None else time.monotonic() + 3600 * hours

    def work(self) -> None:
        """Run trials until the budget is spent and no other worker has one left.

        Raises:
            Interrupted: Ctrl-C; the running trial is queued again.
            DagnnError: the data or the storage cannot be used.
        """
        waiting = False
        while not self._out_of_time():
            trial, others = self._next()
            if trial is not None:
                waiting = False
                self._run(trial)
            elif others:
                if not waiting:
                    self.console.print("Waiting for the trials of other workers.")
                waiting = True
                time.sleep(POLL_S)
            else:
                return

    def _out_of_time(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def _next(self) -> tuple[Trial | None, bool]:
        """Ask for a trial if the budget has one left; tell whether others are running any."""
        with self.folder.turn():
            self.alive.recover(self.joined)
            running = len(running_trials(self.joined))
            if len(finished_trials(self.joined)) + running >= self.study.trials():
                return None, running > 0
            trial = _ask(self.joined)
            # Signed within the same turn, so that nobody meets it without a name.
            self.alive.sign(trial)
        return trial, True

    def _run(self, trial: Trial) -> None:
        started = time.perf_counter()
        try:
            with self.alive.running(trial), self._shown(trial) as tell:
                values = run_trial(self.study, trial, self.data, self.folder, tell)
            trial.set_user_attr(SECONDS, time.perf_counter() - started)
            self.joined.tell(trial, values)
        except optuna.TrialPruned:
            trial.set_user_attr(SECONDS, time.perf_counter() - started)
            self.joined.tell(trial, state=TrialState.PRUNED)
        except ITS_OWN_FAULT as error:
            trial.set_user_attr(ERROR, str(error))
            self.joined.tell(trial, state=TrialState.FAIL)
        except (KeyboardInterrupt, Interrupted) as interruption:
            give_up(self.joined, trial)
            raise Interrupted(
                f"Interrupted in trial {trial.number}, which is queued again."
            ) from interruption
        except BaseException:
            self.joined.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            raise
        self._tell(trial.number)

    @contextmanager
    def _shown(self, trial: Trial) -> Iterator[Callable[[int, int], None]]:
        """Show in a terminal how far a trial is."""
        if not self.console.is_terminal:
            yield lambda epoch, epochs: None
            return
        with self.console.status(f"trial {trial.number}") as status:
            yield lambda epoch, epochs: status.update(
                f"trial {trial.number}: epoch {epoch} of {epochs}"
            )

    def _tell(self, number: int) -> None:
        """Say in one line what a trial came to."""
        trials = self.joined.get_trials(deepcopy=False)
        trial = trials[number]
        done = f"{len(finished_trials(self.joined))}/{self.study.trials()}"
        self.console.print(
            f"trial {number:3d}  {outcome(trial, self.study.objectives)}  "
            f"[{trial.user_attrs.get(SECONDS, 0.0):.1f} s, {done}]",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _ask(joined: optuna.Study) -> Trial:
    with warnings.catch_warnings():
        # Optuna beats in Study.optimize only; a worker here does so itself.
        warnings.filterwarnings("ignore", "Heartbeat of storage")
        return joined.ask()


def outcome(trial: FrozenTrial, objectives: tuple[str, ...]) -> str:
    """Return what a finished trial came to, in a few words."""
    if trial.state == TrialState.COMPLETE:
        values = zip(objectives, trial.values or (), strict=True)
        return "  ".join(f"{name} {value:.5g}" for name, value in values)
    if trial.state == TrialState.PRUNED:
        return f"pruned after epoch {trial.last_step}"
    return f"failed: {str(trial.user_attrs.get(ERROR, 'lost its worker')).splitlines()[0]}"


def begin(
    study: Study,
    folder: StudyFolder,
    url: str | None,
    heartbeat: int,
    data: SharedData,
    console: Console,
) -> None:
    """Join a study and work on it.

    Args:
        study: what is searched.
        folder: of the study.
        url: of a database; None stands for the journal.
        heartbeat: seconds between two signs of life on a database.
        data: shared by all trials.
        console: where finished trials are told.
    """
    storage = open_storage(folder, url, retry, heartbeat)
    joined = join_study(study, storage)
    alive = liveness(storage, folder)
    try:
        Worker(study, joined, alive, folder, data, console).work()
    finally:
        alive.close()
