r"""How good predicted class probabilities are, one number per set of items.

Every function takes the true class ``[n]`` (0 to ``K − 1``), probabilities ``[n, K]``
and optionally weights ``[..., n]``; one row of weights per bootstrap resample gives
all resamples at once. The predicted class is the most probable one. Averages over
classes (balanced accuracy, AUC, precision, recall, F1) run over the classes that
occur among the truths, each counting the same.

To add a metric, write such a function and one line in :data:`CLASS_METRICS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dagnn.evaluation.confusion import confusion, precisions, ratio, recalls
from dagnn.evaluation.metrics import average
from dagnn.records import FloatArray, IntArray

BINS = 15
"""Bins of equal width in confidence, of the calibration error and its figure."""


def _over_classes(values: FloatArray, table: FloatArray) -> FloatArray:
    """Average values ``[..., K]`` over the classes that occur in a confusion table."""
    occurs = table.sum(-1) > 0
    return ratio(np.where(occurs, values, 0.0).sum(-1), occurs.sum(-1))


def accuracy(
    truth: IntArray, probability: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Share of items whose class is recognised."""
    return average((probability.argmax(1) == truth).astype(np.float64), weight)


def balanced_accuracy(
    truth: IntArray, probability: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Mean over classes of the share of each that is recognised; ``1 / K`` by guessing."""
    table = confusion(truth, probability, weight)
    return _over_classes(recalls(table), table)


def precision(
    truth: IntArray, probability: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Mean over classes of the share of those put into each that belong there."""
    table = confusion(truth, probability, weight)
    return _over_classes(precisions(table), table)


def f1(truth: IntArray, probability: FloatArray, weight: FloatArray | None = None) -> FloatArray:
    """Mean over classes of the harmonic mean of precision and recall."""
    table = confusion(truth, probability, weight)
    both = table.sum(-1) + table.sum(-2)
    return _over_classes(ratio(2 * np.diagonal(table, axis1=-2, axis2=-1), both), table)


def ranked_area(
    score: FloatArray, positive: np.ndarray, weight: FloatArray | None = None
) -> FloatArray:
    """Return the area under a ROC curve: how often a positive scores above a negative.

    Ties count half; NaN where there is no positive or no negative. Sorting once
    makes many resamples cheap.

    Args:
        score: ``[n]``.
        positive: booleans ``[n]``.
        weight: ``[..., n]``.
    """
    weight = np.ones(len(score)) if weight is None else weight
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=np.nan) != 0)
    sums = [
        np.add.reduceat((weight * chosen)[..., order], starts, axis=-1)
        for chosen in (positive, ~positive)
    ]
    below = sums[1].cumsum(-1) - sums[1] / 2
    return ratio((sums[0] * below).sum(-1), sums[0].sum(-1) * sums[1].sum(-1))


def auc(truth: IntArray, probability: FloatArray, weight: FloatArray | None = None) -> FloatArray:
    """Mean over classes of the area under the ROC curve of each against all others.

    References:
        Hanley & McNeil 1982, Radiology 143, 29.
    """
    areas = np.stack(
        [ranked_area(column, truth == k, weight) for k, column in enumerate(probability.T)], -1
    )
    known = ~np.isnan(areas)
    return ratio(np.where(known, areas, 0.0).sum(-1), known.sum(-1))


def brier(truth: IntArray, probability: FloatArray, weight: FloatArray | None = None) -> FloatArray:
    r"""Half the squared distance of probabilities from the truth, in [0, 1].

    ``⟨½ Σ_k (p_k − [k = y])²⟩``; for two classes this is ``⟨(p_1 − y)²⟩``.

    References:
        Brier 1950, Monthly Weather Review 78, 1.
    """
    distance = np.square(probability - np.eye(probability.shape[1])[truth])
    return average(distance.sum(1) / 2, weight)


def confidence_bins(probability: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the confidence (largest probability) of each item and its bin, both ``[n]``."""
    confidence = probability.max(1)
    return confidence, np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def ece(truth: IntArray, probability: FloatArray, weight: FloatArray | None = None) -> FloatArray:
    """Mean distance between confidence and accuracy, in bins of confidence.

    References:
        Guo et al. 2017, arXiv:1706.04599 (with 15 bins).
    """
    confidence, place = confidence_bins(probability)
    excess = (probability.argmax(1) == truth) - confidence
    member = (place[:, None] == np.arange(BINS)) * excess[:, None]
    weight = np.ones(len(truth)) if weight is None else weight
    return ratio(np.abs(weight @ member).sum(-1), weight.sum(-1))


@dataclass(frozen=True)
class ClassMetric:
    """A metric of class probabilities and how to read it.

    Attributes:
        function: ``(truth, probability, weight=None)``, see the module; of unknown classes
            ``(truth, probability, novelty, weight=None)``.
        better: ``"low"`` or ``"high"``.
        format: format specification for one value.
        label: short heading for tables.
        description: one sentence for readers of a report.
        biased: whether resampling moves the value to one side (a mean of absolute
            deviations grows with noise), so that its interval must be moved back.
    """

    function: Callable[..., FloatArray]
    better: Literal["low", "high"]
    format: str
    label: str
    description: str
    biased: bool = False

    def __call__(self, *sample: IntArray | FloatArray) -> FloatArray:
        """Measure one set of items; weights may follow what the function takes."""
        return self.function(*sample)


CLASS_METRICS = {
    "balanced_accuracy": ClassMetric(
        balanced_accuracy,
        "high",
        ".1%",
        "balanced accuracy",
        "Share of items that are recognised, averaged over classes, so that frequent classes "
        "do not count more; 1/K for K classes by guessing.",
    ),
    "accuracy": ClassMetric(
        accuracy,
        "high",
        ".1%",
        "accuracy",
        "Share of items that are recognised; with unequal classes, high already for always "
        "naming the most frequent one.",
    ),
    "auc": ClassMetric(
        auc,
        "high",
        "z.2f",
        "AUC",
        "Area under the ROC curve of each class against all others, averaged over classes; "
        "0.5 by guessing.",
    ),
    "precision": ClassMetric(
        precision,
        "high",
        ".1%",
        "precision",
        "Share of the items put into a class that belong there, averaged over classes.",
    ),
    "recall": ClassMetric(
        balanced_accuracy,
        "high",
        ".1%",
        "recall",
        "Share of the items of a class that are recognised; averaged over classes it is the "
        "balanced accuracy.",
    ),
    "f1": ClassMetric(
        f1,
        "high",
        ".1%",
        "F1",
        "Harmonic mean of precision and recall, averaged over classes.",
    ),
    "brier": ClassMetric(
        brier,
        "low",
        "z.3f",
        "Brier",
        "Half the squared distance between probabilities and truth; 0 for certainty that is "
        "right, 1 for certainty that is wrong.",
    ),
    "ece": ClassMetric(
        ece,
        "low",
        ".1%",
        "ECE",
        "Expected calibration error: mean distance between confidence and accuracy.",
        biased=True,
    ),
}
"""Every metric of known classes by the name that ``results.csv`` uses."""
