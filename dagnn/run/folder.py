"""The run directory: where each file of a run lies, and what may be overwritten."""

import json
import os
from pathlib import Path
from shlex import quote
from typing import Any

from pydantic import BaseModel, StrictBool, StrictFloat, StrictStr, ValidationError

from dagnn.config import Experiment, experiment_from
from dagnn.errors import DataError, MissingDataError, UsageError
from dagnn.files import entries, matching, write_text
from dagnn.stored import read_json
from dagnn.yaml_files import read_yaml

NAMED = 8
"""Folders that a message lists."""
_OTHER = "Give another --out"
_RESTORE = "Restore it from a copy of the run, or train again."


class _Evaluation(BaseModel):
    mock: StrictBool
    notes: list[StrictStr]


class _Facts(BaseModel):
    """What is read back of ``environment.json``; there is more in it; old runs lack the last."""

    mock: StrictBool
    evaluation: _Evaluation
    notes: list[StrictStr]
    priors: dict[str, tuple[StrictFloat, StrictFloat]]
    description: StrictStr
    training_items: dict[str, Any]
    inputs: dict[str, Any]
    classes: list[StrictStr] = []
    data: dict[str, StrictStr] = {}
    prior_intervals: dict[str, tuple[StrictFloat, StrictFloat, StrictFloat]] = {}
    git_revision: StrictStr | None = None


class RunFolder:
    """Paths of one run.

    Args:
        path: the run directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.jsonl"
        self.checkpoints = path / "checkpoints"
        self.predictions = path / "predictions.csv"
        self.results = path / "results.csv"
        self.latents = path / "latents.npz"
        self.calibration = path / "calibration.json"
        self.novelty = path / "novelty.npz"
        self.report = path / "report.html"
        self.figures = path / "figures"
        self.model_card = path / "MODEL_CARD.md"

    @classmethod
    def create(cls, path: Path | None, name: str) -> "RunFolder":
        """Make the folder of a new run; ``runs/NAME``, ``runs/NAME-2`` ... by default.

        Raises:
            UsageError: the folder that was asked for holds something already.
        """
        require_free(path)
        path = path or _free(Path("runs") / name)
        path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open the folder of an existing run.

        Raises:
            MissingDataError: there is no run; the message lists those beside it.
        """
        folder = cls(path)
        if folder.config.is_file():
            return folder
        raise MissingDataError(f"{path} is not a run: {lacking(path, 'config.yaml', 'runs')}")

    @property
    def source_only(self) -> "RunFolder":
        """The folder of the comparison without adaptation, inside this one."""
        return RunFolder(self.path / "source_only")

    @property
    def oracle(self) -> "RunFolder":
        """The folder of the training on target labels, inside this one."""
        return RunFolder(self.path / "oracle")

    def surrogate(self, name: str) -> "RunFolder":
        """Return the folder of a training that calibrates error bars, inside this one."""
        return RunFolder(self.path / "surrogates" / name)

    def is_finished(self) -> bool:
        """Whether training and evaluation have left everything that they leave."""
        last = (self.environment, self.results, self.predictions, self.report, self.model_card)
        return self.config.is_file() and all(path.is_file() for path in last)

    def read_experiment(self) -> Experiment:
        """Read the resolved experiment.

        Raises:
            ConfigError: the file was changed into something that does not validate.
        """
        return experiment_from(read_yaml(self.config), where=str(self.config))

    def read_environment(self) -> dict[str, Any]:
        """Read versions, command line and facts about the data.

        Raises:
            MissingDataError: there is no such file.
            DataError: it is damaged.
        """
        if not self.environment.is_file():
            raise MissingDataError(f"{self.path} is not a complete run: no environment.json.")
        facts = read_json(self.environment, _RESTORE)
        try:
            _Facts.model_validate(facts)
        except ValidationError as error:
            wrong = error.errors()[0]
            where = ".".join(map(str, wrong["loc"]))
            raise DataError(
                f"{self.environment} is damaged ({where}: {wrong['msg']}). {_RESTORE}"
            ) from None
        return facts

    def write_environment(self, facts: dict[str, Any]) -> None:
        """Write versions, command line and facts about the data."""
        write_text(self.environment, json.dumps(facts, indent=2) + "\n")


def lacking(path: Path, mark: str, usual: str) -> str:
    """Say what a folder lacks to be one of a kind, and where there are some.

    Args:
        path: what was named.
        mark: file that every folder of the kind holds.
        usual: name of the folder that they lie in by default, which is also what they are.
    """
    why = f"it holds no {mark}" if path.is_dir() else "there is no such folder"
    places = (path, path.parent, Path(usual))
    found = dict.fromkeys(str(file.parent) for p in places for file in matching(p, f"*/{mark}"))
    shown = ", ".join(list(found)[:NAMED]) + (", ..." if len(found) > NAMED else "")
    return f"{why}. Known {usual}: {shown}." if found else f"{why}."


def require_free(path: Path | None) -> None:
    """Refuse a folder that holds something, or that cannot be made.

    Args:
        path: the folder; None if it is yet to be chosen.

    Raises:
        UsageError: it holds something, is a file, or lies where nothing can be written.
    """
    wanted = path or Path("runs")
    there = next(each for each in (wanted, *wanted.absolute().parents) if each.exists())
    if not there.is_dir():
        what = "it" if there == wanted else there
        raise UsageError(f"{wanted} cannot be the folder of a run: {what} is a file. {_OTHER}.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"{wanted} cannot be written: {there} is closed to you. {_OTHER}.")
    if path is not None and path.is_dir() and entries(path):
        if (path / "config.yaml").is_file():
            raise UsageError(
                f"{path} is a run already. {_OTHER}, or continue it with: dagnn train --resume "
                f"{quote(str(path))}"
            )
        raise UsageError(f"{path} exists and holds something else than a run. {_OTHER}.")


def _free(path: Path) -> Path:
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
