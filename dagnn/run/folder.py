"""The run directory: where each file lies, what is recorded there, what may be overwritten."""

import json
import os
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal

from pydantic import (
    AliasPath,
    BaseModel,
    Field,
    FiniteFloat,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from dagnn.config import Experiment, experiment_from
from dagnn.errors import CheckpointError, DataError, MissingDataError, UsageError
from dagnn.files import entries, matching, write_text
from dagnn.parameters import Scaling
from dagnn.stored import read_json
from dagnn.training import Checkpoint, load_checkpoint
from dagnn.trust.label_shift import PriorInterval
from dagnn.yaml_files import read_yaml

NAMED = 8
"""Folders that a message lists."""
_OTHER = "Give another --out"
_RESTORE = "Restore it from a copy of the run, or train again."
NOTE_KINDS = ("MOCK", "ORACLE", "LABELLED", "STRESS TEST", "ALARM")
"""What numbers can be stamped with."""


class Note(BaseModel, frozen=True):
    """What qualifies the numbers of a run.

    Attributes:
        kind: one of :data:`NOTE_KINDS`; empty for a remark that stamps nothing.
        text: a sentence.
    """

    kind: Literal["", "MOCK", "ORACLE", "LABELLED", "STRESS TEST", "ALARM"] = ""
    text: StrictStr

    @model_validator(mode="before")
    @classmethod
    def _of_older_runs(cls, stored: Any) -> Any:
        """Accept a sentence that begins with its kind, as older runs stored it."""
        if not isinstance(stored, str):
            return stored
        kind, _, text = stored.partition(": ")
        return {"kind": kind, "text": text} if kind in NOTE_KINDS else {"text": stored}

    def __str__(self) -> str:
        """Return the sentence, after the kind where there is one."""
        return f"{self.kind}: {self.text}" if self.kind else self.text


class Evaluation(BaseModel):
    """What the last evaluation of a finished run added: whether it read mocks, and notes."""

    mock: StrictBool
    notes: list[Note]


NOT_EVALUATED = Evaluation(mock=False, notes=[])


class RunRecord(BaseModel, extra="allow"):
    """What a run records about itself, in ``environment.json``.

    Attributes:
        data: fingerprint of the data of each suite.
        mock: whether training, or what it started from, read mock data.
        notes: what qualifies the numbers since training began.
        prior_intervals: ``suite, parameter`` → low, high and limit, see
            :class:`~dagnn.trust.label_shift.PriorInterval`.
        training_items: role and suite → how many items each split has.
        coverage: suite → how many items were found and used.
        priors: of the training set, by parameter.
        inputs: how features were made, for the model card.
        complete: whether everything was trained, calibrated and then measured; None in older
            runs, which did not record it.
    """

    created: Any = None
    command: Any = None
    seed: Any = None
    device: Any = None
    git_revision: StrictStr | None = None
    platform: Any = None
    versions: Any = None
    data: dict[str, StrictStr] = {}
    mock: StrictBool
    evaluation: Evaluation
    notes: list[Note]
    prior_intervals: dict[str, tuple[StrictFloat, StrictFloat, StrictFloat]] = {}
    training_items: dict[str, Any]
    coverage: dict[str, Any] = {}
    priors: dict[str, tuple[StrictFloat, StrictFloat]]
    inputs: dict[str, Any]
    classes: list[StrictStr] = []
    members: Any = None
    description: StrictStr
    complete: StrictBool | None = None

    @property
    def any_mock(self) -> bool:
        """Whether training or the last evaluation read mock data."""
        return self.mock or self.evaluation.mock

    @property
    def intervals(self) -> tuple[PriorInterval, ...]:
        """How much of the prior each target seems to span."""
        found = [(name.split(", ", 1), ends) for name, ends in self.prior_intervals.items()]
        return tuple(PriorInterval(suite, name, *ends) for (suite, name), ends in found)

    def updated(self, **changes: Any) -> "RunRecord":
        """Return the record with other values."""
        return self.model_copy(update=changes)


_AnyFloat = Annotated[float, Field(allow_inf_nan=True)]


class _Spread(BaseModel):
    """See :func:`dagnn.run.ranges.training_spread`, which makes it."""

    scale: list[FiniteFloat]
    mean: list[FiniteFloat]
    axes: list[list[FiniteFloat]]
    variance: list[FiniteFloat]
    rest: FiniteFloat
    unit: FiniteFloat
    usual: FiniteFloat
    middle: list[FiniteFloat]


class _StoredSplit(BaseModel):
    train: list[StrictStr]
    valid: list[StrictStr]
    test: list[StrictStr]


class _StoredInputs(BaseModel, extra="forbid"):
    """See :class:`dagnn.data.requests.Inputs`."""

    settings: dict[StrictStr, Any] = {}
    grid: dict[StrictStr, list[FiniteFloat]] = {}
    kmax: dict[StrictStr, FiniteFloat] = {}
    files: dict[StrictStr, StrictStr] = {}
    level: dict[StrictStr, FiniteFloat] = {}


class _CheckpointMeta(BaseModel, allow_inf_nan=False):
    """See :func:`dagnn.run.fitting.checkpoint_meta`, which makes it; old ones lack the last."""

    source: list[StrictStr] = Field(validation_alias=AliasPath("experiment", "source"))
    select_on: StrictStr = Field(validation_alias=AliasPath("experiment", "training", "select_on"))
    model: dict[StrictStr, Any] = Field(validation_alias=AliasPath("experiment", "model"))
    members: StrictInt = Field(1, validation_alias=AliasPath("experiment", "model", "members"))
    sizes: dict[StrictStr, StrictInt]
    domains: list[StrictStr]
    statistics: StrictInt
    scaling: Scaling
    splits: dict[StrictStr, _StoredSplit]
    training_range: dict[StrictStr, tuple[_AnyFloat, _AnyFloat]]
    training_spread: _Spread | Annotated[dict[str, Any], Field(max_length=0)] = {}
    mock: StrictBool
    inputs: _StoredInputs = _StoredInputs()
    classes: list[StrictStr] = []
    inherited: list[Note] = []


def load_trained(path: Path) -> Checkpoint:
    """Read the checkpoint of a run.

    Raises:
        CheckpointError: there is none, it is damaged, or it was not written by a run.
    """
    checkpoint = load_checkpoint(path)
    try:
        meta = _CheckpointMeta.model_validate(checkpoint.meta)
    except ValidationError as error:
        raise CheckpointError(
            f"{path} does not say what it was trained on ({_first(error)}). Train again."
        ) from None
    if len({len(meta.scaling.names), len(meta.scaling.low), len(meta.scaling.high)}) > 1:
        raise CheckpointError(f"{path} has other priors than parameters. Train again.")
    return checkpoint


def _first(error: ValidationError) -> str:
    """Return where a stored record is wrong first, and why."""
    wrong = error.errors()[0]
    return f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"


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
            UsageError: the named folder holds something already.
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

    def read_record(self) -> RunRecord:
        """Read what the run recorded about itself.

        Raises:
            MissingDataError: there is no such file.
            DataError: it is damaged.
        """
        if not self.environment.is_file():
            raise MissingDataError(f"{self.path} is not a complete run: no environment.json.")
        stored = read_json(self.environment, _RESTORE)
        try:
            return RunRecord.model_validate(stored)
        except ValidationError as error:
            raise DataError(
                f"{self.environment} is damaged ({_first(error)}). {_RESTORE}"
            ) from None

    def write_record(self, record: RunRecord) -> None:
        """Write what the run records about itself; what an older run did not know stays away."""
        stored = record.model_dump(mode="json", exclude_unset=True)
        write_text(self.environment, json.dumps(stored, indent=2) + "\n")


def lacking(path: Path, mark: str, usual: str) -> str:
    """Return what a folder lacks to be one of a kind, and where there are some.

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
