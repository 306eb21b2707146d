"""How to train: validated when it is made, plain values only."""

import math
from dataclasses import asdict, dataclass

from dagnn.errors import ConfigError, nearest
from dagnn.training.optimizers import OPTIMIZERS
from dagnn.training.precision import PRECISIONS
from dagnn.training.schedules import SCHEDULES
from dagnn.training.selection import CRITERIA

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
        schedule: name in :data:`~dagnn.training.schedules.SCHEDULES`.
        clip_norm: largest norm of the whole gradient; None never clips.
        patience: epochs without a better score after which training stops; None never stops early.
        minimum_epochs: early stopping waits for at least this many.
        select_on: name in :data:`~dagnn.training.selection.CRITERIA`.
        precision: name in :data:`~dagnn.training.precision.PRECISIONS`, in which the network is
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
