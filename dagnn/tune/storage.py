"""Where a study is kept: a journal file in its folder, or any database that Optuna knows."""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from dagnn.errors import MissingPackageError, StorageError, UsageError
from dagnn.evaluation.comparison.runs import differing, flatten
from dagnn.files import write_text
from dagnn.tune.folder import StudyFolder
from dagnn.tune.study import Study, reopen

FINGERPRINT, DESCRIPTION, DATA = "dagnn_fingerprint", "dagnn_study", "dagnn_data"
"""User attributes of a study."""
FIRST_WORDS_S = 30.0
"""How long to wait for the worker that creates a study to say what it is."""
HEARTBEAT_S = 15
"""How often a worker on a database says that it is alive; given up after four of these."""

WhenStale = Callable[[optuna.Study, optuna.trial.FrozenTrial], None]


def open_storage(
    folder: StudyFolder,
    url: str | None,
    when_stale: WhenStale | None = None,
    heartbeat: int = HEARTBEAT_S,
) -> BaseStorage:
    """Open the storage of a study.

    Args:
        folder: of the study; the journal lies in it.
        url: of a database; None takes the one that the folder was begun with.
        when_stale: what a database does with a trial whose worker has fallen silent.
        heartbeat: seconds between two signs of life on a database.

    Raises:
        StorageError: it cannot be reached.
        UsageError: no storage has such an address.
        MissingPackageError: the driver of the database is not installed.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = url or folder.stored_url()
    if url is None:
        return _open_journal(folder.journal)
    address = with_driver(url)
    try:
        return _open_database(address, when_stale, heartbeat)
    except ImportError as error:
        raise MissingPackageError(
            f"The driver of {without_password(url)} is not installed ({error}). For PostgreSQL: "
            "pip install 'dagnn[postgres]'; for MySQL: pip install pymysql and mysql+pymysql://..."
        ) from None
    except (SQLAlchemyError, RuntimeError, OSError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise StorageError(
            f"The storage {without_password(url)} cannot be used ({reason}). Check address, user "
            "and password, and that the server runs; --storage takes what Optuna takes, for "
            "example sqlite:///study.db or postgresql://user:password@host/database."
        ) from None


def _open_database(
    address: str, when_stale: WhenStale | None, heartbeat: int, tries: int = 5
) -> RDBStorage:
    """Open a database; of workers that make its tables at once, all but one try again."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return RDBStorage(
                address,
                heartbeat_interval=heartbeat,
                grace_period=4 * heartbeat,
                heartbeat_stale_trial_callback=when_stale,
                engine_kwargs={"pool_pre_ping": True},
            )
    except SQLAlchemyError as error:
        raced = isinstance(error, IntegrityError) or "already exists" in str(error)
        if not raced or tries == 1:
            raise
    time.sleep(1)
    return _open_database(address, when_stale, heartbeat, tries - 1)


def _open_journal(path: Path) -> JournalStorage:
    path.parent.mkdir(parents=True, exist_ok=True)
    backend = JournalFileBackend(str(path))
    try:
        return JournalStorage(backend)
    except (ValueError, KeyError) as error:
        raise StorageError(
            f"{path} is damaged ({error}). Restore it, or remove its last lines."
        ) from error


def mend_journal(path: Path) -> bool:
    """Cut off a last line that a killed worker has left unfinished.

    Optuna appends each line in one piece, so this is rare; but one torn line makes
    a journal unreadable as soon as another worker writes behind it. Call it while
    no other worker can be writing.

    Returns:
        Whether there was such a line.
    """
    if not path.is_file():
        return False
    content = path.read_bytes()
    if not content or content.endswith(b"\n"):
        return False
    with path.open("r+b") as journal:
        journal.truncate(content.rfind(b"\n") + 1)
    return True


def with_driver(url: str) -> str:
    """Return an address with the driver that dagnn installs for PostgreSQL.

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
            f"postgresql://user@host/database; got {without_password(url)!r}. Without it, a "
            "journal file in the study's folder is used."
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


def join_study(study: Study, storage: BaseStorage) -> optuna.Study:
    """Create a study in a storage, or join the one that is there.

    Exactly one worker creates it and says what it is; the others compare.

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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            joined.set_metric_names(list(study.objectives))
        for values in study.queued():
            joined.enqueue_trial(values)
        joined.set_user_attr(DESCRIPTION, study.describe())
        joined.set_user_attr(FINGERPRINT, study.fingerprint())
    joined.sampler = study.sampler()
    joined.pruner = study.pruner()
    return joined


def _require_same(study: Study, joined: optuna.Study) -> None:
    deadline = time.monotonic() + FIRST_WORDS_S
    while FINGERPRINT not in joined.user_attrs and time.monotonic() < deadline:
        time.sleep(0.2)
    stored = joined.user_attrs.get(FINGERPRINT)
    if stored is None:
        raise UsageError(
            f"The storage has a study {study.name!r} that dagnn did not begin, or whose first "
            "worker died at once. Give this study another name, or delete that one with: "
            f"optuna delete-study --study-name {study.name} --storage URL"
        )
    if stored == study.fingerprint():
        return
    raise UsageError(_told("The storage", joined.user_attrs[DESCRIPTION], study.describe()))


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
        raise UsageError(_told(folder.path, before.describe(), study.describe()))


def _told(where: Path | str, before: dict[str, Any], now: dict[str, Any]) -> str:
    found = differing([dict(flatten(before)), dict(flatten(now))])
    told = "; ".join(f"{key}: {was}, now {is_now}" for key, (was, is_now) in found.items())
    return (
        f"{where} has a study of this name with other contents ({told}). Trials of both could not "
        "be compared: give this study another name or --out, or undo the change."
    )


def remember(folder: StudyFolder, study: Study, url: str | None) -> None:
    """Write what the study is, and where, into its folder."""
    if not folder.study.is_file():
        write_text(folder.study, study.to_yaml())
    if url is not None and folder.stored_url() is None:
        write_text(folder.address, without_password(url) + "\n")
