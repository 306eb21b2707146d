"""Where a study is kept: a folder, and in it an SQLite file unless a database server is named."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
from filelock import FileLock
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from dagnn.errors import MissingDataError, MissingPackageError, StorageError, UsageError
from dagnn.files import atomic_path, entries, write_text
from dagnn.report.comparison.runs import differing, flatten
from dagnn.run.folder import lacking
from dagnn.stored import read_text, reading
from dagnn.tune.outcomes import first_number, no_experimental_warnings
from dagnn.tune.study import Make, Study, reopen

FINGERPRINT, DESCRIPTION, DATA = "dagnn_fingerprint", "dagnn_study", "dagnn_data"
"""User attributes of a study."""
LOCK = "study.lock"
HEARTBEAT_S = 15
"""How often a worker records that it is alive; a trial is given up after four of these."""
MOST_ATTEMPTS = 3
"""A trial whose workers keep dying may be what kills them."""
CREATION_S = 30.0
"""How long to wait for the worker that creates a study to describe it."""
LOCKED_S = 60.0
"""How long to wait for another worker that writes to the same SQLite file."""


class StudyFolder:
    """Paths of one study.

    Args:
        path: the folder.

    Attributes:
        lock: held by one worker at a time, while it decides what to do next.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.study = path / "study.yaml"
        self.database = path / "study.db"
        self.journal = path / "journal.log"  # of older versions
        self.address = path / "storage.txt"
        self.trials = path / "trials"
        self.report = path / "report.html"
        self.figures = path / "figures"
        self.lock = FileLock(path / LOCK)

    @classmethod
    def open(cls, path: Path) -> "StudyFolder":
        """Open the folder of an existing study.

        Raises:
            MissingDataError: there is none; the message lists those beside it.
        """
        folder = cls(path)
        if folder.study.is_file():
            return folder
        raise MissingDataError(f"{path} is not a study: {lacking(path, 'study.yaml', 'studies')}")

    @classmethod
    def create(cls, path: Path) -> "StudyFolder":
        """Make the folder of a study, or take the one that is there.

        Raises:
            UsageError: the folder holds something else.
        """
        folder = cls(path)
        # Of two workers that begin at once, one may find what the other has just made.
        known = any(each.is_file() for each in (folder.study, folder.database, path / LOCK))
        if path.exists() and not known and (not path.is_dir() or entries(path)):
            raise UsageError(f"{path} holds something that is no study. Give another --out.")
        path.mkdir(parents=True, exist_ok=True)
        return folder

    def stored_url(self) -> str | None:
        """Return the address of the database that the study was begun with, if it was one."""
        if not self.address.is_file():
            return None
        return read_text(self.address, "Delete it, and name the database with --storage.").strip()

    def trial(self, number: int) -> Path:
        """Return the folder of a trial; a retried one keeps that of its first attempt."""
        return self.trials / f"{number:04d}"


class PerTrial:
    """A sampler made anew for every trial, seeded by how many trials were drawn before it.

    So several workers never draw the same numbers, and an interrupted study continues as it
    would have: a trial that is tried again was drawn already and is not counted. What a
    sampler has to remember is in the study's storage.

    Args:
        make: seed → sampler.
        seed: of the study.
        trials: returns every trial of the study; nothing where none is ever tried again.
    """

    def __init__(
        self, make: Make, seed: int, trials: Callable[[], Sequence[FrozenTrial]] = lambda: ()
    ) -> None:
        self._make = make
        self._seed = seed
        self._trials = trials
        self._renew(seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Make the sampler of this trial."""
        first = first_number(trial)
        earlier = self._trials()[:first]
        again = sum(first_number(other) != other.number for other in earlier)
        mixed = np.random.SeedSequence([self._seed, first - again]).generate_state(1)[0]
        self._renew(int(mixed))
        self._sampler.before_trial(study, trial)

    def _renew(self, seed: int) -> None:
        with no_experimental_warnings():
            self._sampler = self._make(seed=seed)

    def __getattr__(self, name: str) -> Any:
        """Return any other method from the sampler of this trial."""
        return getattr(self._sampler, name)


def retry_callback(most: int | None = MOST_ATTEMPTS) -> RetryHeartbeatStaleTrialCallback:
    """Return what queues a lost trial again, with the same values and in the same folder.

    Args:
        most: attempts after which a trial is left; None for no limit.
    """
    with no_experimental_warnings():
        return RetryHeartbeatStaleTrialCallback(max_retry=None if most is None else most - 1)


def open_storage(
    folder: StudyFolder, url: str | None = None, heartbeat: int = HEARTBEAT_S
) -> RDBStorage:
    """Open the storage of a study.

    Args:
        folder: of the study.
        url: of a database; None takes the one that the folder was begun with.
        heartbeat: seconds between two signs of life.

    Raises:
        StorageError: it cannot be reached or read.
        UsageError: no storage has such an address.
        MissingPackageError: the driver of the database is not installed.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = url or folder.stored_url()
    try:
        with storage_errors(folder, url, RuntimeError, OSError):
            if url is not None:
                return _open_database(with_driver(url), heartbeat)
            if folder.journal.is_file() and not folder.database.is_file():
                with folder.lock:
                    _import_journal(folder)
            return _open_file(folder.database, heartbeat)
    except ImportError as error:
        raise MissingPackageError(
            f"The driver of {without_password(str(url))} is not installed ({error}). For "
            "PostgreSQL: pip install 'dagnn[postgres]'; for MySQL: pip install pymysql and "
            "mysql+pymysql://..."
        ) from None


@contextmanager
def storage_errors(
    folder: StudyFolder, url: str | None, *others: type[Exception]
) -> Iterator[None]:
    """Turn errors of a storage into one that names it and why it cannot be used.

    Args:
        folder: of the study.
        url: of a database; None takes the one that the folder was begun with.
        *others: what else can only be an error of the storage.
    """
    errors: tuple[type[Exception], ...] = (SQLAlchemyError, StorageInternalError, *others)
    try:
        yield
    except errors as error:
        url = url or folder.stored_url()
        shown = str(folder.database) if url is None else without_password(url)
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise StorageError(
            f"The storage {shown} cannot be used ({reason}). Of a file: is it damaged, or its "
            "folder not writable? Of a server: check address, user and password, and that it "
            "runs. --storage takes for example sqlite:///study.db or "
            "postgresql://user:password@host/database."
        ) from None


def _open_file(path: Path, heartbeat: int = HEARTBEAT_S) -> RDBStorage:
    """Open an SQLite file by its path, which may hold what an address cannot."""

    def connect() -> sqlite3.Connection:
        found = sqlite3.connect(path.absolute(), timeout=LOCKED_S, check_same_thread=False)
        # Readers and a writer do not wait for each other, nor a commit for the disk; a crash
        # of the machine may cost the last commits, and never the file.
        found.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL")
        return found

    return _rdb("sqlite:///study.db", heartbeat, {"creator": connect})


def _open_database(address: str, heartbeat: int, tries: int = 5) -> RDBStorage:
    """Open a database; of workers that make its tables at once, all but one try again."""
    waiting = {"timeout": LOCKED_S} if address.startswith("sqlite") else {}
    try:
        return _rdb(address, heartbeat, {"pool_pre_ping": True, "connect_args": waiting})
    except SQLAlchemyError as error:
        raced = isinstance(error, IntegrityError) or "already exists" in str(error)
        if not raced or tries == 1:
            raise
    time.sleep(1)
    return _open_database(address, heartbeat, tries - 1)


def _rdb(address: str, heartbeat: int, engine: dict[str, Any]) -> RDBStorage:
    with no_experimental_warnings():
        return RDBStorage(
            address,
            engine_kwargs=engine,
            heartbeat_interval=heartbeat,
            grace_period=4 * heartbeat,
            heartbeat_stale_trial_callback=retry_callback(),
        )


def _import_journal(folder: StudyFolder) -> None:
    """Copy a study of an older version, which kept a journal, into its SQLite file."""
    if folder.database.is_file():
        return
    restore = "Restore it, or remove its last lines."
    with reading(folder.journal, restore, StorageError):
        journal = JournalStorage(JournalFileBackend(str(folder.journal)))
        (name,) = (study.study_name for study in journal.get_all_studies())
    with (
        atomic_path(folder.database) as temporary,
        reading(folder.journal, restore, StorageError),
    ):
        storage = _open_file(temporary)
        optuna.copy_study(from_study_name=name, from_storage=journal, to_storage=storage)
        copied = optuna.load_study(study_name=name, storage=storage)
        # Their workers were of the older version, and leave no sign of life here.
        for trial in copied.get_trials(states=(TrialState.RUNNING,)):
            give_up(copied, trial)
        storage.engine.dispose()


def give_up(joined: optuna.Study, trial: FrozenTrial, most: int | None = MOST_ATTEMPTS) -> None:
    """Mark a running trial as lost and queue it again."""
    lost = joined.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    if lost.state == TrialState.FAIL:
        retry_callback(most)(joined, lost)


def with_driver(url: str) -> str:
    """Return the address that SQLAlchemy takes, with the driver that dagnn installs.

    Raises:
        UsageError: it is no address of a database.

    Example:
        >>> with_driver("postgresql://me@host/studies")
        'postgresql+psycopg://me@host/studies'
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme in ("redis", "http", "https", "file"):
        raise UsageError(
            f"--storage takes the address of a database, for example sqlite:///study.db or "
            f"postgresql://user@host/database; got {without_password(url)!r}. Without it, an "
            "SQLite file in the study's folder is used."
        )
    if scheme in ("postgres", "postgresql"):
        scheme = "postgresql+psycopg"
    return f"{scheme}://{rest}"


def without_password(url: str) -> str:
    """Return an address that can be shown and stored.

    Example:
        >>> without_password("postgresql://me:secret@host:5432/studies")
        'postgresql://me@host:5432/studies'
    """
    scheme, separator, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    user, at, host = place.rpartition("@")
    return f"{scheme}{separator}{user.partition(':')[0]}{at}{host}{slash}{path}"


def join_study(study: Study, storage: RDBStorage) -> optuna.Study:
    """Create a study in a storage, or join the one that is there.

    Exactly one worker creates and describes it; the others compare.

    Raises:
        UsageError: a study of this name is about something else.
    """
    try:
        joined = optuna.create_study(
            storage=storage, study_name=study.name, directions=["minimize"] * len(study.objectives)
        )
    except DuplicatedStudyError:
        joined = optuna.load_study(study_name=study.name, storage=storage)
        _require_same(study, joined)
    else:
        with no_experimental_warnings():
            joined.set_metric_names(list(study.objectives))
        for values in study.queued():
            joined.enqueue_trial(values)
        joined.set_user_attr(DESCRIPTION, study.describe())
        joined.set_user_attr(FINGERPRINT, study.fingerprint())
    per_trial = PerTrial(
        study.sampler(), study.file.seed, lambda: joined.get_trials(deepcopy=False)
    )
    joined.sampler = cast("BaseSampler", per_trial)
    joined.pruner = study.pruner()
    return joined


def _require_same(study: Study, joined: optuna.Study) -> None:
    deadline = time.monotonic() + CREATION_S
    while FINGERPRINT not in joined.user_attrs and time.monotonic() < deadline:
        time.sleep(0.2)
    stored = joined.user_attrs.get(FINGERPRINT)
    if stored is None:
        raise UsageError(
            f"The storage has a study {study.name!r} that dagnn did not begin, or whose first "
            "worker died at once. Give this study another name, or delete that one with: "
            f"optuna delete-study --study-name {study.name} --storage URL"
        )
    if stored != study.fingerprint():
        raise UsageError(
            _difference("The storage", joined.user_attrs[DESCRIPTION], study.describe())
        )


def require_same_data(joined: optuna.Study, fingerprints: dict[str, str]) -> None:
    """Remember what data a study is about, or refuse other ones.

    Raises:
        UsageError: a worker has other data than the study began with.
    """
    before = joined.user_attrs.get(DATA)
    if before is None:
        joined.set_user_attr(DATA, fingerprints)
    elif before != fingerprints:
        names = [name for name in fingerprints if before.get(name) != fingerprints[name]]
        raise UsageError(
            f"The data of {', '.join(names or before)} are not those that the study "
            f"{joined.study_name!r} began with. Give the same --data, or begin another study."
        )


def require_same_folder(folder: StudyFolder, study: Study) -> None:
    """Refuse a folder that was begun with another study.

    Raises:
        UsageError: it was; the message names what differs.
    """
    if not folder.study.is_file():
        return
    before = reopen(folder.study)
    if before.name != study.name:
        raise UsageError(
            f"{folder.path} holds the study {before.name!r}, not {study.name!r}. Give another "
            "--out."
        )
    if before.fingerprint() != study.fingerprint():
        raise UsageError(_difference(folder.path, before.describe(), study.describe()))


def _difference(where: Path | str, before: dict[str, Any], now: dict[str, Any]) -> str:
    found = differing([dict(flatten(before)), dict(flatten(now))])
    listed = "; ".join(f"{key}: {was}, now {is_now}" for key, (was, is_now) in found.items())
    return (
        f"{where} has a study of this name with other contents ({listed}). Trials of both could "
        "not be compared: give this study another name or --out, or undo the change."
    )


def remember(folder: StudyFolder, study: Study, url: str | None) -> None:
    """Write the study and the address of its database into its folder."""
    if not folder.study.is_file():
        write_text(folder.study, study.to_yaml())
    if url is not None and folder.stored_url() is None:
        write_text(folder.address, without_password(url) + "\n")
