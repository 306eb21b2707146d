"""What a callback is told, and when."""

from collections.abc import Sequence
from typing import NamedTuple

from dagnn.records import EpochRecord


class Plan(NamedTuple):
    """What a training run is going to do.

    Attributes:
        epochs: number of epochs, if nothing stops it early.
        steps: optimiser steps per epoch.
    """

    epochs: int
    steps: int


class Callback:
    """Base of the callbacks; every method does nothing.

    Order: ``on_start`` once; per epoch ``on_step`` after every optimiser step
    and ``on_epoch`` after validation and after the checkpoint is on disk;
    ``on_close`` once, also where training stops by an error or by Ctrl-C. A
    callback that raises stops the training, with the finished epoch saved.
    """

    def on_start(self, plan: Plan, history: Sequence[EpochRecord]) -> None:
        """Training starts; ``history`` holds the epochs of a resumed run."""

    def on_step(self, step: int) -> None:
        """Step number ``step`` of the run (counted from 1) is done."""

    def on_epoch(self, record: EpochRecord) -> None:
        """Report that an epoch is done and saved."""

    def on_close(self) -> None:
        """Training is over, for whatever reason."""
