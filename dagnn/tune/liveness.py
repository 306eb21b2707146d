"""Who is alive: a trial whose worker has died is given up and tried again.

On one machine a worker holds a lock on a file of its own for as long as it
lives; the system lets go of it however the worker ends, also by SIGKILL, so there
is nothing to wait for and no clock to trust. On a database, where workers may be
on other machines, a worker writes that it is alive every few seconds (Optuna's
heartbeat).
"""

import fcntl
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO
from warnings import catch_warnings, simplefilter

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from dagnn.tune.folder import StudyFolder

WORKER, FIRST, ATTEMPT, ERROR = "worker", "first", "attempt", "error"
"""User attributes of a trial."""
MOST_ATTEMPTS = 3
"""A trial whose workers keep dying may be what kills them."""
ANONYMOUS_S = 60.0
"""A running trial that no worker has signed after this long lost its worker at birth."""


def first_number(trial: FrozenTrial | Trial) -> int:
    """Return the number of a trial's first attempt, after which its folder is called."""
    return int(trial.user_attrs.get(FIRST, trial.number))


def retry(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a trial again, with the same values and in the same folder.

    Args:
        study: where it was lost.
        trial: given up already.
    """
    attempt = int(trial.user_attrs.get(ATTEMPT, 1))
    if not trial.params or attempt >= MOST_ATTEMPTS:
        return
    attributes = {FIRST: first_number(trial), ATTEMPT: attempt + 1}
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=attributes,
            system_attrs=trial.system_attrs,
        )
    )


def give_up(study: optuna.Study, trial: FrozenTrial | Trial) -> None:
    """Mark a running trial as lost and queue it again."""
    lost = study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    retry(study, lost)


class LockedWorker:
    """Liveness by a locked file, for workers on one machine.

    Args:
        folder: of the files.
    """

    def __init__(self, folder: StudyFolder) -> None:
        self.folder = folder.workers
        self.name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.path = self.folder / f"{self.name}.lock"
        self._held: IO[str] = self.path.open("w")
        fcntl.flock(self._held, fcntl.LOCK_EX)

    def sign(self, trial: Trial) -> None:
        """Take a trial as one's own."""
        trial.set_user_attr(WORKER, self.name)

    @contextmanager
    def running(self, trial: Trial) -> Iterator[None]:
        """Do nothing: the lock is held anyway."""
        yield

    def recover(self, study: optuna.Study) -> None:
        """Give up running trials whose workers no longer hold their lock."""
        for trial in running_trials(study):
            name = trial.user_attrs.get(WORKER)
            if name is None:
                if _older_than(trial, ANONYMOUS_S):
                    give_up(study, trial)
            elif name != self.name and _is_free(self.folder / f"{name}.lock"):
                give_up(study, trial)

    def close(self) -> None:
        """Stop being alive."""
        self.path.unlink(missing_ok=True)
        self._held.close()


class BeatingWorker:
    """Liveness by Optuna's heartbeat, for workers on one database.

    Args:
        storage: opened with a heartbeat.
    """

    def __init__(self, storage: RDBStorage) -> None:
        self.storage = storage

    def sign(self, trial: Trial) -> None:
        """Take a trial as one's own, with a first sign of life."""
        self.storage.record_heartbeat(trial._trial_id)
        trial.set_user_attr(WORKER, f"{socket.gethostname()}-{os.getpid()}")

    @contextmanager
    def running(self, trial: Trial) -> Iterator[None]:
        """Say every few seconds that the trial's worker is alive."""
        number = trial._trial_id  # what the storage knows a trial by
        done = threading.Event()
        interval = self.storage.get_heartbeat_interval() or 60

        def beat() -> None:
            while not done.wait(interval):
                self.storage.record_heartbeat(number)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def recover(self, study: optuna.Study) -> None:
        """Let the storage give up trials that have been silent for too long."""
        with catch_warnings():
            simplefilter("ignore", ExperimentalWarning)
            optuna.storages.fail_stale_trials(study)
        for trial in running_trials(study):
            if WORKER not in trial.user_attrs and _older_than(trial, ANONYMOUS_S):
                give_up(study, trial)

    def close(self) -> None:
        """Nothing is held between trials."""


def liveness(storage: BaseStorage, folder: StudyFolder) -> LockedWorker | BeatingWorker:
    """Return the way of a storage to tell who is alive."""
    if isinstance(storage, RDBStorage):
        return BeatingWorker(storage)
    return LockedWorker(folder)


def anybody(folder: StudyFolder) -> bool:
    """Whether any worker on this machine is alive."""
    return any(not _is_free(path) for path in folder.workers.glob("*.lock"))


def running_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that some worker has, or had when it died."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def _is_free(path: Path) -> bool:
    """Whether nobody holds the lock of a file; a worker that ended in order has none."""
    if not path.is_file():
        return True
    with path.open("r+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _older_than(trial: FrozenTrial, seconds: float) -> bool:
    started = trial.datetime_start
    if started is None:
        return True
    return datetime.now(started.tzinfo) - started > timedelta(seconds=seconds)
