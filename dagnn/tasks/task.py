"""What a task decides: everything in which regression and classification differ.

Both are measured, paired, tabulated and stored by the same code in
:mod:`dagnn.evaluation`, which asks the task.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from dagnn.records import FloatArray, IntArray
from dagnn.tasks.metrics import Metric
from dagnn.tasks.prior import Prior

PRIOR_MEAN = "prior-mean"
"""Predicts mean and standard deviation of the prior."""
PRIOR_CLASS = "prior-class"
"""Predicts the class frequencies of the source."""
GALAXY_COUNT = "galaxy-count"
"""Quadratic in the logarithm of the number of galaxies, fitted on the sources."""
RIDGE = "ridge"
"""Ridge regression on summary features, fitted on the sources."""
RIDGE_ALIGNED = "ridge-aligned"
"""The same after every suite's features are standardised by its own unlabelled items."""
BASELINES = (PRIOR_MEAN, PRIOR_CLASS, GALAXY_COUNT, RIDGE, RIDGE_ALIGNED)

CAPTION = "single seed · [95% bootstrap interval over the items]"

Cells = tuple[str, ...]
ReadNumber = Callable[[int, Mapping[str, str], str], float]
"""From line number, row and column of a table to the number there; an empty cell is NaN."""


def cell(number: float) -> str:
    """Write a number so that it reads back the same; an unknown one is an empty cell."""
    return "" if np.isnan(number) else repr(float(number))


@dataclass(frozen=True)
class Unit:
    """What is measured on one set of items: a parameter, or classes.

    Attributes:
        names: what the column ``parameter`` of ``results.csv`` holds, ``C`` of them.
        rows: the ``n`` items that are resampled, as rows of the predictions.
        metrics: name → function of weights ``[..., n]`` (or None) with ``C`` values on a last
            axis, or without that axis where ``C`` is one.
        paired: whether two predictors are compared by these metrics.
    """

    names: tuple[str, ...]
    rows: IntArray
    metrics: Mapping[str, Callable[[FloatArray | None], FloatArray]]
    paired: bool = True


class Task(ABC):
    """One kind of prediction: its metrics, files and labels.

    Attributes:
        name: ``regression`` or ``classification``.
        names_field: field of the predictions that holds the names of what is predicted.
        metrics: every metric of the full table, by name.
        report: columns of the main table of the report.
        console: columns of the table in a terminal.
        caption: what to know below that table.
        headline: the metric of the first sentence.
        better: whether lower or higher values of it are better.
        opening: the first sentence, with ``{parameter}`` in it, up to the value.
        guess_model: the predictor that needs no data.
        rivals: predictors that need no network → what they do.
        gap: metric of the share of the gap to the oracle that is closed.
        remark: on the baselines of the main table.
        use: what a trained network is for.
        compared: metrics of which differences between runs are taken.
        changes: those of them that the tables of differences show.
        panels: metrics of the figure of a comparison.
        matrix: metrics of the suite × suite matrix.
        measure: the headline metric in words, with ``{parameter}`` in it.
        what: how a sentence refers to what is predicted.
        needed_columns: columns that every table of predictions has.
    """

    name: ClassVar[str]
    names_field: ClassVar[str]
    metrics: ClassVar[Mapping[str, Metric]]
    report: ClassVar[tuple[str, ...]]
    console: ClassVar[tuple[str, ...]]
    caption: ClassVar[str]
    headline: ClassVar[str]
    better: ClassVar[Literal["low", "high"]]
    opening: ClassVar[str]
    guess_model: ClassVar[str]
    rivals: ClassVar[Mapping[str, str]]
    gap: ClassVar[str]
    remark: ClassVar[str]
    use: ClassVar[str]
    compared: ClassVar[tuple[str, ...]]
    changes: ClassVar[tuple[str, ...]]
    panels: ClassVar[tuple[str, ...]]
    matrix: ClassVar[tuple[str, ...]]
    measure: ClassVar[str]
    what: ClassVar[str]
    needed_columns: ClassVar[tuple[str, ...]]

    def names(self, predictions: Any) -> tuple[str, ...]:
        """Return the names of the parameters, or of the classes."""
        names: tuple[str, ...] = getattr(predictions, self.names_field)
        return names

    @abstractmethod
    def decode(self, prediction: Any, answer: Any) -> dict[str, Tensor]:
        """Return what a network predicts of a batch, by field of the predictions.

        Raises:
            TypeError: the network is one of another task.
            ValueError: it predicts another number of classes.
        """

    @abstractmethod
    def record(
        self, decoded: Mapping[str, FloatArray], truth: Tensor, answer: Any, **of: Any
    ) -> Any:
        """Return predictions in physical units.

        Args:
            decoded: what :meth:`decode` gave, of all items.
            truth: of the same items, as the dataset holds it.
            answer: scaling of the parameters, or names of the classes.
            **of: the other fields of the record.
        """

    @abstractmethod
    def known(self, predictions: Any) -> np.ndarray:
        """Return which items have a truth to be measured by, booleans ``[n]``."""

    @abstractmethod
    def guess(self, predictions: Any, reference: Any) -> Any:
        """Predict the same items without data.

        Args:
            predictions: the items and their truth.
            reference: prior of every parameter, or the share of each class among the
                labelled training items ``[K]``.

        Returns:
            Predictions of :attr:`guess_model`, without latents.
        """

    @abstractmethod
    def units(self, predictions: Any, reference: Any) -> Iterator[Unit]:
        """Give what is measured, in the order of ``results.csv``; arguments as :meth:`guess`."""

    @abstractmethod
    def comparable(self, first: Any, second: Any) -> tuple[str, ...]:
        """Return the names by which two predictors can be compared."""

    @abstractmethod
    def truths(self, predictions: Any, names: Sequence[str]) -> FloatArray:
        """Return the truth of every item, ``[n, C]``; NaN where unknown."""

    @abstractmethod
    def restrict(self, predictions: Any, names: Sequence[str]) -> Any:
        """Return predictions of some names, and what of their items can be paired."""

    @abstractmethod
    def colourings(self, predictions: Sequence[Any]) -> dict[str, tuple[list[FloatArray], Cells]]:
        """Return by what a map of latents is coloured: name → values of each and class names."""

    @abstractmethod
    def screen(
        self, predictions: Any, priors: Mapping[str, Prior]
    ) -> tuple[list[str], Iterator[list[tuple[str, str]]], str | None]:
        """Return columns, cells (text and style) of every item, and a caption for a terminal."""

    @abstractmethod
    def columns(self, predictions: Sequence[Any], priors: Mapping[str, Prior]) -> Cells:
        """Return the columns of a table of predictions.

        Raises:
            ValueError: one table cannot hold these predictions.
        """

    @abstractmethod
    def cells(self, predictions: Any, priors: Mapping[str, Prior]) -> Iterator[tuple[str, Cells]]:
        """Give item and cells of every row of that table."""

    @abstractmethod
    def read(
        self, rows: Sequence[tuple[int, Mapping[str, str]]], number: ReadNumber, **of: Any
    ) -> Any:
        """Return the predictions of one model on one split from their rows, without latents.

        Args:
            rows: line numbers and rows.
            number: reads one cell.
            **of: suite, role, split and model.

        Raises:
            ValueError: what is wrong with a row; its message starts with the line.
        """
