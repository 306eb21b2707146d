"""Telling how training goes: a live bar or plain lines, and ``metrics.jsonl``."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from dagnn.files import write_text
from dagnn.records import EpochRecord
from dagnn.training.callbacks import Callback, Plan


def epoch_line(record: EpochRecord, epochs: int) -> str:
    """Return one epoch as one line of text.

    Example:
        >>> epoch_line(EpochRecord(3, 60, 1e-3, 1.25, {"total": -2.5}, {"source_error": 0.1}), 30)
        'epoch  3/30 | total -2.5 | source_error 0.1 | lr 1.0e-03 | 1.2 s'
    """
    parts = [
        f"epoch {record.epoch:{len(str(epochs))}d}/{epochs}",
        _numbers(record.train),
        _numbers(record.valid),
        f"lr {record.learning_rate:.1e}",
        f"{record.seconds:.1f} s",
        "kept" if record.best else "",
    ]
    return " | ".join(part for part in parts if part)


def _numbers(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())


class ProgressReport(Callback):
    """A live bar in a terminal, one plain line per epoch elsewhere.

    Args:
        console: where to write; standard error if None, so that standard output stays data.
        every: without a terminal, print only every so many epochs, and the last.
        title: what stands before the bar.
    """

    def __init__(
        self, console: Console | None = None, every: int = 1, title: str = "training"
    ) -> None:
        self.console = console or Console(stderr=True)
        self.every = every
        self.title = title
        self._epochs = 0
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def on_start(self, plan: Plan, history: Sequence[EpochRecord]) -> None:
        """Open the bar, or say where a resumed run continues."""
        self._epochs = plan.epochs
        if history:
            self._print(f"continuing after epoch {history[-1].epoch} of {plan.epochs}")
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[epoch]}", markup=False),
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
        line = epoch_line(record, self._epochs)
        if self._bar is not None:
            self._bar.update(self._task, epoch=line)
        elif record.epoch % self.every == 0 or record.epoch == self._epochs:
            self._print(line)

    def on_close(self) -> None:
        """Give the terminal back."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


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
        """Append one line."""
        with self.path.open("a", encoding="utf-8") as lines:
            lines.write(_json_line(record))


def _json_line(record: EpochRecord) -> str:
    return json.dumps(_strict(asdict(record)), allow_nan=False) + "\n"


def _strict(value: Any) -> Any:
    """Replace numbers that JSON does not know (NaN, infinity) by null."""
    if isinstance(value, dict):
        return {key: _strict(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
