"""Which epoch to keep, and when to stop: by label-free criteria, but for one.

No target label reaches an :class:`~dagnn.records.EpochRecord` unless the oracle is
asked for by name.
"""

import math
from collections.abc import Callable, Iterable

from dagnn.errors import ConfigError, NonFiniteLossError, nearest
from dagnn.records import EpochRecord

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
    """Remembers the best epoch and says when patience has run out.

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
