"""How to train, which epoch to keep, and when to stop.

No target label reaches an :class:`~dagnn.records.EpochRecord` unless the criterion is the oracle.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from dagnn.errors import ConfigError, NonFiniteLossError, nearest
from dagnn.records import EpochRecord
from dagnn.training.forward import PRECISIONS
from dagnn.training.optimizers import OPTIMIZERS, SCHEDULES

TARGET_ORACLE = "target_oracle"
"""Reads target labels: for research, and stamped ORACLE wherever it was used."""


def _validated(name: str) -> Callable[[EpochRecord], float]:
    """Return the criterion that reads one validation number."""

    def score(record: EpochRecord) -> float:
        if name not in record.valid:
            raise ConfigError(
                f"training.select_on: validation gave no {name!r}. {nearest(name, record.valid)}"
            )
        return record.valid[name]

    return score


def _newest(record: EpochRecord) -> float:
    """Score every epoch better than all before it."""
    return -float(record.epoch)


# Name → score of an epoch; lower is better.
CRITERIA: dict[str, Callable[[EpochRecord], float]] = {
    "last": _newest,
    "source_loss": _validated("source_loss"),
    "source_error": _validated("source_error"),
    TARGET_ORACLE: _validated("target_error"),
}


class Selection:
    """The best epoch so far, and whether patience has run out.

    It holds nothing that the history does not: replaying the records of a
    stored run brings it back.

    Args:
        criterion: name in :data:`CRITERIA`.
        patience: epochs without a better score before stopping; None never stops.
        minimum_epochs: never stop before this epoch.

    Example:
        >>> selection = Selection("source_loss", patience=2)
        >>> for epoch, loss in enumerate([0.5, 0.3, 0.4, 0.6], start=1):
        ...     record = EpochRecord(epoch, epoch, 1e-3, 1.0, {}, {"source_loss": loss})
        ...     print(selection.update(record), selection.exhausted)
        True False
        True False
        False False
        False True
    """

    def __init__(
        self, criterion: str = "last", patience: int | None = None, minimum_epochs: int = 0
    ) -> None:
        self.criterion = criterion
        self.patience = patience
        self.minimum_epochs = minimum_epochs
        self.best_epoch = 0
        self.best_score = math.inf
        self._epoch = 0

    def update(self, record: EpochRecord) -> bool:
        """Take in one epoch and return whether it is the best so far.

        Raises:
            NonFiniteLossError: the score is NaN or infinite.
        """
        score = CRITERIA[self.criterion](record)
        if not math.isfinite(score):
            raise NonFiniteLossError(
                f"Validation after epoch {record.epoch} gave {self.criterion} {score}, although "
                f"the training loss was finite. Try a smaller training.learning_rate, and look "
                f"for validation items that are not finite."
            )
        self._epoch = record.epoch
        better = score < self.best_score
        if better:
            self.best_epoch, self.best_score = record.epoch, score
        return better

    def replay(self, history: Iterable[EpochRecord]) -> None:
        """Take in the epochs of a stored run."""
        for record in history:
            self.update(record)

    @property
    def exhausted(self) -> bool:
        """Whether ``patience`` epochs have passed without a better score."""
        if self.patience is None or self._epoch < self.minimum_epochs:
            return False
        return self._epoch - self.best_epoch >= self.patience


# Settings that decide when to stop, not which way the weights go.
FREE_ON_RESUME = ("patience", "minimum_epochs")


@dataclass(frozen=True)
class TrainSettings:
    """Everything about the walk that is not network, loss or data.

    Attributes:
        epochs: number of epochs; with the steps per epoch it fixes the schedule.
        optimizer: name in :data:`~dagnn.training.optimizers.OPTIMIZERS`.
        learning_rate: peak learning rate.
        weight_decay: on weight matrices and kernels only, see
            :func:`~dagnn.training.optimizers.parameter_groups`.
        schedule: name in :data:`~dagnn.training.optimizers.SCHEDULES`.
        clip_norm: largest norm of the whole gradient; None never clips.
        patience: epochs without a better score after which training stops; None never stops early.
        minimum_epochs: early stopping waits for at least this many.
        select_on: name in :data:`~dagnn.training.settings.CRITERIA`.
        precision: name in :data:`~dagnn.training.forward.PRECISIONS`, in which the network is
            run while training; losses, statistics, weights and validation are in float32 always.

    Raises:
        ConfigError: a value cannot be meant; the message names the field.
    """

    epochs: int = 30
    optimizer: str = "adamw"
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    schedule: str = "one_cycle"
    clip_norm: float | None = 1.0
    patience: int | None = None
    minimum_epochs: int = 0
    select_on: str = "last"
    precision: str = "float32"

    def __post_init__(self) -> None:
        for field, known in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("select_on", CRITERIA),
            ("precision", PRECISIONS),
        ):
            value = getattr(self, field)
            if value not in known:
                raise ConfigError(f"training.{field}: unknown {value!r}. {nearest(value, known)}")
        self._require("epochs", self.epochs >= 1, "at least 1")
        self._require("learning_rate", 0 < self.learning_rate < math.inf, "positive and finite")
        self._require("weight_decay", 0 <= self.weight_decay < math.inf, "finite, not negative")
        self._require("clip_norm", self.clip_norm is None or self.clip_norm > 0, "positive or null")
        self._require("patience", self.patience is None or self.patience >= 1, "1 or more, or null")
        self._require("minimum_epochs", self.minimum_epochs >= 0, "not negative")
        if self.patience is not None and self.select_on == "last":
            raise ConfigError(
                "training.patience: with select_on 'last' every epoch is the best so far, so "
                "training would never stop early. Choose another criterion, e.g. 'source_loss'."
            )

    def _require(self, field: str, fine: bool, expected: str) -> None:
        if not fine:
            raise ConfigError(f"training.{field}: must be {expected}, got {getattr(self, field)}.")

    def shaping(self) -> dict[str, str | int | float | None]:
        """Return the settings that a resumed run must share with the stored one."""
        return {key: value for key, value in asdict(self).items() if key not in FREE_ON_RESUME}
