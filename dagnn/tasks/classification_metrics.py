r"""How good predicted class probabilities are, one number per set of items.

Every function takes the true class ``[n]`` (0 to ``K − 1``), probabilities ``[n, K]``
and optionally weights ``[..., n]``; one row of weights per bootstrap resample gives
all resamples at once. The predicted class is the most probable one. Averages over
classes (balanced accuracy, AUC, precision, recall, F1) run over the classes that
occur among the truths, each counting the same.

A confusion table counts items by true (rows) and predicted class (columns),
``[..., K, K]``; leading axes are bootstrap resamples. What each class has of it is
``[..., K]``. Metrics of unknown classes are measured on items whose true class may also be
``K``; they take the novelty of each item ``[n]`` after its probabilities, see
:mod:`~dagnn.trust.novelty`: an item is called unknown where it is above 1. That threshold
needs no label of a target; the AUROC needs none at all.

To add a metric, write such a function and one line in :data:`CLASS_METRICS`,
:data:`BY_CLASS` or :data:`OPEN_METRICS`.

References:
    Fu et al. 2020, ECCV (H-score).
"""

from types import MappingProxyType

import numpy as np

from dagnn.records import FloatArray, IntArray
from dagnn.tasks.metrics import Metric, average, ratio

BINS = 15
"""Bins of equal width in confidence, of the calibration error and its figure."""


def confusion(
    truth: IntArray, probability: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Count items by true (rows) and predicted class (columns), ``[..., K, K]``.

    Example:
        >>> confusion(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]))
        array([[1., 0.],
               [1., 1.]])
    """
    classes = probability.shape[1]
    cell = truth * classes + probability.argmax(1)
    member = (cell[:, None] == np.arange(classes**2)).astype(np.float64)
    counts: FloatArray = member.sum(0) if weight is None else weight @ member
    return counts.reshape(*counts.shape[:-1], classes, classes)


def recalls(table: FloatArray) -> FloatArray:
    """Return the share of each true class that is recognised, ``[..., K]``; NaN without items."""
    return ratio(np.diagonal(table, axis1=-2, axis2=-1), table.sum(-1))


def precisions(table: FloatArray) -> FloatArray:
    """Return the share of each predicted class that is right, ``[..., K]``; 0 if there is none."""
    return np.nan_to_num(ratio(np.diagonal(table, axis1=-2, axis2=-1), table.sum(-2)))


def _shares(counts: FloatArray) -> FloatArray:
    """Return counts ``[..., K]`` in units of their sum; NaN where there is no item."""
    return ratio(counts, np.broadcast_to(counts.sum(-1, keepdims=True), counts.shape))


def true_shares(table: FloatArray) -> FloatArray:
    """Return which share of the items belongs to each class, ``[..., K]``."""
    return _shares(table.sum(-1))


def predicted_shares(table: FloatArray) -> FloatArray:
    """Return which share of the items is put into each class, ``[..., K]``."""
    return _shares(table.sum(-2))


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


def called_unknown(novelty: FloatArray) -> np.ndarray:
    """Return which items look like none of the classes, booleans ``[n]``."""
    return np.asarray(novelty > 1)


def _among(right: np.ndarray, chosen: np.ndarray, weight: FloatArray | None = None) -> FloatArray:
    """Return the share of the chosen items that are right, NaN without any."""
    if weight is None:
        return ratio(np.asarray((right & chosen).sum(-1), dtype=float), chosen.sum(-1))
    return average((right & chosen).astype(float), weight * chosen)


def known_accuracy(
    truth: IntArray,
    probability: FloatArray,
    novelty: FloatArray,
    weight: FloatArray | None = None,
) -> FloatArray:
    """Share of items of known classes that are recognised and not called unknown."""
    right = (probability.argmax(1) == truth) & ~called_unknown(novelty)
    return _among(right, truth < probability.shape[1], weight)


def unknown_recall(
    truth: IntArray,
    probability: FloatArray,
    novelty: FloatArray,
    weight: FloatArray | None = None,
) -> FloatArray:
    """Share of items of unknown class that are called unknown."""
    return _among(called_unknown(novelty), truth == probability.shape[1], weight)


def h_score(
    truth: IntArray,
    probability: FloatArray,
    novelty: FloatArray,
    weight: FloatArray | None = None,
) -> FloatArray:
    """Harmonic mean of known accuracy and unknown recall; zero if either is."""
    known = known_accuracy(truth, probability, novelty, weight)
    unknown = unknown_recall(truth, probability, novelty, weight)
    total = known + unknown
    return np.where(total == 0, 0.0, 2 * known * unknown / np.where(total == 0, 1.0, total))


def unknown_auroc(
    truth: IntArray,
    probability: FloatArray,
    novelty: FloatArray,
    weight: FloatArray | None = None,
) -> FloatArray:
    """Return how often an unknown item has a higher novelty than a known one."""
    return ranked_area(novelty, truth == probability.shape[1], weight)


CLASS_METRICS = {
    "balanced_accuracy": Metric(
        balanced_accuracy,
        "high",
        ".1%",
        "balanced accuracy",
        "Share of items that are recognised, averaged over classes, so that frequent classes "
        "do not count more; 1/K for K classes by guessing.",
    ),
    "accuracy": Metric(
        accuracy,
        "high",
        ".1%",
        "accuracy",
        "Share of items that are recognised; with unequal classes, high already for always "
        "naming the most frequent one.",
    ),
    "auc": Metric(
        auc,
        "high",
        "z.2f",
        "AUC",
        "Area under the ROC curve of each class against all others, averaged over classes; "
        "0.5 by guessing.",
    ),
    "precision": Metric(
        precision,
        "high",
        ".1%",
        "precision",
        "Share of the items put into a class that belong there, averaged over classes.",
    ),
    "recall": Metric(
        balanced_accuracy,
        "high",
        ".1%",
        "recall",
        "Share of the items of a class that are recognised; averaged over classes it is the "
        "balanced accuracy.",
    ),
    "f1": Metric(
        f1,
        "high",
        ".1%",
        "F1",
        "Harmonic mean of precision and recall, averaged over classes.",
    ),
    "brier": Metric(
        brier,
        "low",
        "z.3f",
        "Brier",
        "Half the squared distance between probabilities and truth; 0 for certainty that is "
        "right, 1 for certainty that is wrong.",
    ),
    "ece": Metric(
        ece,
        "low",
        ".1%",
        "ECE",
        "Expected calibration error: mean distance between confidence and accuracy.",
        biased=True,
    ),
}
"""Every metric of known classes by the name that ``results.csv`` uses."""

BY_CLASS = MappingProxyType(
    {
        "recall": Metric(
            recalls, "high", ".1%", "recall", "Share of the items of a class that are recognised."
        ),
        "precision": Metric(
            precisions,
            "high",
            ".1%",
            "precision",
            "Share of the items put into a class that belong there.",
        ),
        "share": Metric(
            true_shares, None, ".1%", "share", "Share of all items that are of a class."
        ),
        "predicted_share": Metric(
            predicted_shares,
            None,
            ".1%",
            "predicted share",
            "Share of all items that are put into a class.",
        ),
    }
)
"""What is measured class by class; the class stands in the column ``parameter``."""

OPEN_METRICS = MappingProxyType(
    {
        "known_accuracy": Metric(
            known_accuracy,
            "high",
            ".1%",
            "known accuracy",
            "Share of items of known classes that are recognised and not called unknown.",
        ),
        "unknown_recall": Metric(
            unknown_recall,
            "high",
            ".1%",
            "unknown recall",
            "Share of items of an unknown class whose novelty is above 1, so that they are called "
            "unknown.",
        ),
        "h_score": Metric(
            h_score,
            "high",
            ".1%",
            "H-score",
            "Harmonic mean of known accuracy and unknown recall.",
        ),
        "unknown_auroc": Metric(
            unknown_auroc,
            "high",
            "z.2f",
            "unknown AUROC",
            "How often an item of unknown class has a higher novelty than one of a known class; "
            "0.5 by guessing, whatever the threshold.",
        ),
    }
)
"""Every metric of unknown classes by the name that ``results.csv`` uses."""
