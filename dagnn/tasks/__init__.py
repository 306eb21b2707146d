"""What networks predict: regression or classification, and everything in which they differ.

:func:`task_of` is the one place that decides between them.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from dagnn.parameters import Scaling
from dagnn.records import ClassPredictions, Predictions, Result
from dagnn.tasks.classification import ALL_CLASSES, CLASSIFICATION
from dagnn.tasks.metrics import Metric
from dagnn.tasks.prior import Prior
from dagnn.tasks.regression import REGRESSION
from dagnn.tasks.task import Task, Unit

METRICS: Mapping[str, Metric] = MappingProxyType({**CLASSIFICATION.metrics, **REGRESSION.metrics})
"""Every metric by the name that ``results.csv`` uses."""

HEADLINES = (REGRESSION.headline, CLASSIFICATION.headline)
"""Where one of these is measured, a block of results stands for itself."""

AnyPredictions = Predictions | ClassPredictions


def task_of(what: Any) -> Task:
    """Return the task of predictions, of a scaling of parameters, or of names of classes.

    Example:
        >>> task_of(["spiral", "merger"]).name, task_of([]).name
        ('classification', 'regression')
    """
    if isinstance(what, Predictions | Scaling):
        return REGRESSION
    return CLASSIFICATION if isinstance(what, ClassPredictions) or len(what) else REGRESSION


def of_parameters(predictions: Iterable[Any]) -> list[Predictions]:
    """Return those predictions that are of parameters."""
    return [each for each in predictions if isinstance(each, Predictions)]


def of_classes(predictions: Iterable[Any]) -> list[ClassPredictions]:
    """Return those predictions that are of classes."""
    return [each for each in predictions if isinstance(each, ClassPredictions)]


def task_of_results(results: Iterable[Result]) -> Task:
    """Return the task of results: classification where all classes are measured together."""
    classes = any(row.parameter == ALL_CLASSES for row in results)
    return CLASSIFICATION if classes else REGRESSION


__all__ = [
    "ALL_CLASSES",
    "CLASSIFICATION",
    "HEADLINES",
    "METRICS",
    "REGRESSION",
    "AnyPredictions",
    "Metric",
    "Prior",
    "Task",
    "Unit",
    "of_classes",
    "of_parameters",
    "task_of",
    "task_of_results",
]
