"""The folder of a study: where each file lies, and whose it is."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagnn.errors import DataError, MissingDataError, UsageError
from dagnn.files import entries
from dagnn.run.folder import lacking


class StudyFolder:
    """Paths of one study.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.study = path / "study.yaml"
        self.journal = path / "journal.log"
        self.address = path / "storage.txt"
        self.trials = path / "trials"
        self.workers = path / "workers"
        self.report = path / "report.html"
        self.figures = path / "figures"

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
        # Of two workers that begin at once, one meets what the other has just made.
        known = folder.study.is_file() or folder.workers.is_dir()
        if path.exists() and not known and (not path.is_dir() or entries(path)):
            raise UsageError(f"{path} holds something that is no study. Give another --out.")
        folder.workers.mkdir(parents=True, exist_ok=True)
        return folder

    def stored_url(self) -> str | None:
        """Return the address of the database that the study was begun with, if it was one."""
        if not self.address.is_file():
            return None
        return self.address.read_text(encoding="utf-8").strip()

    def trial(self, number: int) -> "TrialFolder":
        """Return the folder of a trial; a retried one keeps that of its first attempt."""
        return TrialFolder(self.trials / f"{number:04d}")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let one worker on this machine at a time decide what to do next."""
        with (self.path / "turn.lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


class TrialFolder:
    """Paths of one trial.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.metrics = path / "metrics.jsonl"
        self.sealed = path / "sealed.json"

    def read_sealed(self) -> dict[str, float]:
        """Read what the trial was worth on labelled target items; empty where nobody knows.

        Raises:
            DataError: the file is damaged.
        """
        if not self.sealed.is_file():
            return {}
        try:
            content: dict[str, Any] = json.loads(self.sealed.read_text(encoding="utf-8"))
            return {name: float(value) for name, value in content["target_test"].items()}
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise DataError(f"{self.sealed} is damaged: {error}. Remove it.") from None
