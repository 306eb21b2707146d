"""What tables and sentences show of a run, be it of parameters or of classes.

The two differ in their metrics and words only, so these are data; tables and
headline are written once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

from dagnn.evaluation.baselines import (
    GALAXY_COUNT,
    PRIOR_CLASS,
    PRIOR_MEAN,
    RIDGE,
    RIDGE_ALIGNED,
)
from dagnn.evaluation.class_metrics import CLASS_METRICS
from dagnn.evaluation.class_table import ALL_CLASSES
from dagnn.evaluation.confusion import BY_CLASS
from dagnn.evaluation.metrics import METRICS
from dagnn.evaluation.open_set import OPEN_METRICS
from dagnn.evaluation.table import Block
from dagnn.records import Result


class Described(Protocol):
    """What a page tells of a metric."""

    @property
    def label(self) -> str:
        """Short heading."""
        ...

    @property
    def description(self) -> str:
        """One sentence."""
        ...


@dataclass(frozen=True)
class View:
    """Which metrics to show, and what to call things.

    Attributes:
        metrics: every metric of the full table, by name.
        report: columns of the main table of the report.
        console: columns of the table in a terminal.
        caption: what to know below that table.
        headline: the metric of the first sentence.
        better: whether lower or higher values of it are better.
        said: the first sentence, with ``{parameter}`` in it, up to the value.
        guess: the predictor that needs no data.
        rivals: predictors that need no network → what they do.
        gap: metric in which the share of the gap that is closed is told.
        remark: on the baselines of the main table.
        use: what a trained network is for.
        compared: metrics of which differences between runs are taken.
        changes: those of them that the tables of differences show.
        panels: metrics of the figure of a comparison.
        matrix: metrics of the suite × suite matrix.
        measure: the headline metric in words, with ``{parameter}`` in it.
    """

    metrics: Mapping[str, Described]
    report: tuple[str, ...]
    console: tuple[str, ...]
    caption: str
    headline: str
    better: Literal["low", "high"]
    said: str
    guess: str
    rivals: Mapping[str, str]
    gap: str
    remark: str
    use: str
    compared: tuple[str, ...]
    changes: tuple[str, ...]
    panels: tuple[str, ...]
    matrix: tuple[str, ...]
    measure: str

    def shows(self, block: Block) -> bool:
        """Whether a block has the main metrics, and not only those of one class."""
        return any(self.headline in row for row in block.rows.values())


_CAPTION = "single seed · [95% bootstrap interval over the items]"

PARAMETERS = View(
    metrics=METRICS,
    report=("relative_error", "r2", "bias", "chi2", "coverage68", "skill"),
    console=("relative_error", "r2", "chi2", "coverage68"),
    caption=f"{_CAPTION} · χ² with all outliers",
    headline="relative_error",
    better="low",
    said="{parameter} is recovered with a relative error of",
    guess=PRIOR_MEAN,
    rivals=MappingProxyType(
        {
            PRIOR_MEAN: "predicting the prior mean",
            GALAXY_COUNT: "counting galaxies",
            RIDGE: "ridge regression on summaries",
            RIDGE_ALIGNED: "ridge regression on aligned summaries",
        }
    ),
    gap="r2",
    remark="The prior mean is what anyone could predict without data; the number of galaxies and "
    "ridge regression are what anyone could predict without a network.",
    use="Inferring the parameters named here, with error bars, for catalogues or measurements made "
    "like those it was trained on, and studying how well that carries over between "
    "simulation suites. Not meant for survey data without a selection and noise model.",
    compared=("relative_error", "rmse", "r2", "bias", "chi2", "nll", "crps", "coverage68"),
    changes=("relative_error", "r2", "crps", "nll", "chi2"),
    panels=("relative_error", "r2", "chi2"),
    matrix=("relative_error", "r2"),
    measure="Relative error of {parameter}",
)

CLASSES = View(
    metrics=MappingProxyType(dict(BY_CLASS) | dict(CLASS_METRICS) | dict(OPEN_METRICS)),
    report=("balanced_accuracy", "accuracy", "auc", "f1", "brier", "ece"),
    console=("balanced_accuracy", "accuracy", "auc"),
    caption=f"{_CAPTION} · balanced: classes count alike",
    headline="balanced_accuracy",
    better="high",
    said="classes are recognised with a balanced accuracy of",
    guess=PRIOR_CLASS,
    rivals=MappingProxyType({PRIOR_CLASS: "guessing by class frequencies"}),
    gap="balanced_accuracy",
    remark="Source-only is the same network trained without the target. Class frequencies are "
    "those of the source: what anyone could predict without looking. Where classes are unequal, "
    "accuracy alone rewards naming the most frequent one.",
    use="Telling the classes named here apart in images made like those it was trained on, and "
    "studying how well that carries over from one survey or simulation to another. The "
    "probabilities assume the class frequencies that training was weighted to: those of the "
    "source, or equal ones where its loss is balanced.",
    compared=("balanced_accuracy", "accuracy", "auc", "f1", "brier", "ece"),
    changes=("balanced_accuracy", "accuracy", "auc", "brier", "ece"),
    panels=("balanced_accuracy", "auc", "ece"),
    matrix=("balanced_accuracy", "auc"),
    measure="Balanced accuracy",
)

HEADLINES = (PARAMETERS.headline, CLASSES.headline)
"""Where one of these is measured, a block of results stands for itself."""


@dataclass(frozen=True)
class Reading:
    """What a comparison must know of a metric, be it of parameters or of classes.

    Attributes:
        label: short heading.
        format: format specification for one value.
        better: ``low``, ``high``, the best value, or None.
    """

    label: str
    format: str
    better: str | float | None


READINGS: Mapping[str, Reading] = MappingProxyType(
    {
        name: Reading(entry.label, entry.format, getattr(entry, "better", None))
        for table in (BY_CLASS, METRICS, CLASS_METRICS, OPEN_METRICS)
        for name, entry in table.items()
    }
)
"""How to read any metric by its name."""


def view_of(results: Iterable[Result]) -> View:
    """Return the view that fits results: of classes where they are measured on all classes."""
    return CLASSES if any(row.parameter == ALL_CLASSES for row in results) else PARAMETERS
