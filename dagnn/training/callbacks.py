"""Callbacks: what happens during training besides training, and how progress is shown."""

import json
import math
import os
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from dagnn.console import log, print_line
from dagnn.files import named_errors, write_text
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


ERRORS = ("root mean square, 1 is the width of the prior", "fraction of wrong classes")
DISTANCE = "between the latents of the suites, 1 is their own spread"
SHORT = {"source_error": "error", "latent_distance": "latent distance"}
"""What of an epoch stands beside a bar, in few words."""


def legend(terminal: bool, classes: bool) -> str:
    """Return an explanation of the numbers of every epoch, beside a bar or in lines.

    Args:
        terminal: whether there is a bar.
        classes: whether classes are predicted.
    """
    error = ERRORS[classes]
    if terminal:
        return f"error: of validation items of the source ({error}); latent distance: {DISTANCE}."
    return (
        "Epoch lines: train, mean losses on training items (task: on source labels; total: what is "
        f"minimised); valid, on validation items (source_error: {error}; latent_distance: "
        f"{DISTANCE}); lr, learning rate; kept, these weights are the answer so far."
    )


def epoch_line(record: EpochRecord, epochs: int, silent: Collection[str] = ()) -> str:
    """Return one epoch as one line of text.

    Args:
        record: of the epoch.
        epochs: how many there will be.
        silent: names of numbers to leave out.

    Example:
        >>> epoch_line(EpochRecord(3, 60, 1e-3, 1.25, {"total": -2.5}, {"source_error": 0.1}), 30)
        'epoch  3/30 | train: total -2.5 | valid: source_error 0.1 | lr 1.0e-03 | 1.2 s'
    """
    parts = [
        f"epoch {record.epoch:{len(str(epochs))}d}/{epochs}",
        _numbers("train: ", record.train, silent),
        _numbers("valid: ", record.valid, silent),
        f"lr {record.learning_rate:.1e}",
        f"{record.seconds:.1f} s",
        "kept" if record.best else "",
    ]
    return " | ".join(part for part in parts if part)


def short_line(record: EpochRecord, epochs: int) -> str:
    """Return what of one epoch fits beside a bar.

    Example:
        >>> short_line(EpochRecord(3, 60, 1e-3, 1.25, {"total": -2.5}, {"source_error": 0.1}), 30)
        'epoch  3/30, error 0.1'
    """
    found = {SHORT[name]: record.valid[name] for name in SHORT if name in record.valid}
    numbers = [f"{name} {value:.3g}" for name, value in found.items()]
    return ", ".join([f"epoch {record.epoch:{len(str(epochs))}d}/{epochs}", *numbers])


def _numbers(title: str, values: dict[str, float], silent: Collection[str]) -> str:
    shown = [f"{name} {value:.4g}" for name, value in values.items() if name not in silent]
    return title + "  ".join(shown) if shown else ""


class ProgressReport(Callback):
    """A live bar in a terminal, one plain line per epoch elsewhere.

    Args:
        console: where to write; standard error if None, so that standard output stays data.
        title: what stands before the bar.
        silent: names of numbers to leave out, such as terms that are zero by what they are.
    """

    def __init__(
        self,
        console: Console | None = None,
        title: str = "training",
        silent: Collection[str] = (),
    ) -> None:
        self.console = console or log()
        self.title = title
        self.silent = frozenset(silent)
        self._epochs = 0
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def on_start(self, plan: Plan, history: Sequence[EpochRecord]) -> None:
        """Open the bar, or report where a resumed run continues."""
        self._epochs = plan.epochs
        if history:
            self._print(f"Continuing after epoch {history[-1].epoch} of {plan.epochs}")
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=10),
                TimeRemainingColumn(),
                TextColumn("{task.fields[epoch]}", markup=False, table_column=Column(no_wrap=True)),
                console=self.console,
            )
            self._task = self._bar.add_task(
                self.title,
                total=plan.epochs * plan.steps,
                completed=len(history) * plan.steps,
                epoch="",
            )
            self._bar.start()

    def on_step(self, step: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=step)

    def on_epoch(self, record: EpochRecord) -> None:
        """Show the numbers of the epoch."""
        if self._bar is not None:
            self._bar.update(self._task, epoch=short_line(record, self._epochs))
        else:
            self._print(epoch_line(record, self._epochs, self.silent))

    def on_close(self) -> None:
        """Give the terminal back."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print(self, line: str) -> None:
        print_line(self.console, line)


class MetricsLog(Callback):
    """Writes one JSON line per epoch.

    At the start the file is written anew from the history, so that a resumed
    run drops lines of epochs that its checkpoint does not know.

    Args:
        path: the file, usually ``RUN/metrics.jsonl``.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def on_start(self, plan: Plan, history: Sequence[EpochRecord]) -> None:
        """Write the epochs that are done already."""
        write_text(self.path, "".join(_json_line(record) for record in history))

    def on_epoch(self, record: EpochRecord) -> None:
        """Append one line, or none where the disk is full."""
        before = self.path.stat().st_size
        try:
            with named_errors(self.path), self.path.open("a", encoding="utf-8") as lines:
                lines.write(_json_line(record))
        except OSError:
            os.truncate(self.path, before)
            raise


def _json_line(record: EpochRecord) -> str:
    return json.dumps(_strict(asdict(record)), allow_nan=False) + "\n"


def _strict(value: Any) -> Any:
    """Replace numbers that JSON does not know (NaN, infinity) by null."""
    if isinstance(value, dict):
        return {key: _strict(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
