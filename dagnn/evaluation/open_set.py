r"""Does a network notice what belongs to none of its classes?

Functions as in :mod:`~dagnn.evaluation.class_metrics`, on items whose true class
may also be ``K``: unknown to the network. An item is called unknown where the
entropy of its probabilities is above ``½ log K``, half of the largest there is. That
threshold is fixed in advance and needs no label; the AUROC needs none at all.

References:
    Saito et al. 2020, arXiv:2002.07953 (threshold); Fu et al. 2020, ECCV (H-score).
"""

import math
from types import MappingProxyType

import numpy as np

from dagnn.evaluation.class_metrics import ClassMetric, ranked_area, ratio
from dagnn.evaluation.metrics import average
from dagnn.records import FloatArray, IntArray


def entropy(probability: FloatArray) -> FloatArray:
    """Return the entropy of probabilities ``[n, K]``, in nats, ``[n]``.

    Example:
        >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]])).round(4)
        array([0.6931, 0.    ])
    """
    logs = np.log(np.where(probability > 0, probability, 1.0))
    return np.asarray(np.maximum(-(probability * logs).sum(1), 0.0))


def called_unknown(probability: FloatArray) -> np.ndarray:
    """Return which items are called unknown, booleans ``[n]``."""
    return np.asarray(entropy(probability) > math.log(probability.shape[1]) / 2)


def _among(right: np.ndarray, chosen: np.ndarray, weight: FloatArray | None = None) -> FloatArray:
    """Return the share of the chosen items that are right, NaN without any."""
    if weight is None:
        return ratio(np.asarray((right & chosen).sum(-1), dtype=float), chosen.sum(-1))
    return average((right & chosen).astype(float), weight * chosen)


def known_accuracy(
    truth: IntArray, probability: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Share of items of known classes that are recognised and not called unknown."""
    right = (probability.argmax(1) == truth) & ~called_unknown(probability)
    return _among(right, truth < probability.shape[1], weight)


def unknown_recall(
    truth: IntArray, probability: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Share of items of unknown class that are called unknown."""
    return _among(called_unknown(probability), truth == probability.shape[1], weight)


def h_score(
    truth: IntArray, probability: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Harmonic mean of known accuracy and unknown recall; zero if either is."""
    known = known_accuracy(truth, probability, weight)
    unknown = unknown_recall(truth, probability, weight)
    total = known + unknown
    return np.where(total == 0, 0.0, 2 * known * unknown / np.where(total == 0, 1.0, total))


def auroc(truth: IntArray, probability: FloatArray, weight: FloatArray | None = None) -> FloatArray:
    """Return how often an unknown item has a higher entropy than a known one."""
    return ranked_area(entropy(probability), truth == probability.shape[1], weight)


OPEN_METRICS = MappingProxyType(
    {
        "known_accuracy": ClassMetric(
            known_accuracy,
            "high",
            ".1%",
            "known accuracy",
            "Share of items of known classes that are recognised and not called unknown.",
        ),
        "unknown_recall": ClassMetric(
            unknown_recall,
            "high",
            ".1%",
            "unknown recall",
            "Share of items of an unknown class whose entropy is above half of the largest there "
            "is, so that they are called unknown.",
        ),
        "h_score": ClassMetric(
            h_score,
            "high",
            ".1%",
            "H-score",
            "Harmonic mean of known accuracy and unknown recall.",
        ),
        "unknown_auroc": ClassMetric(
            auroc,
            "high",
            "z.2f",
            "unknown AUROC",
            "How often an item of unknown class has a higher entropy than one of a known class; "
            "0.5 by guessing, whatever the threshold.",
        ),
    }
)
"""Every metric of unknown classes by the name that ``results.csv`` uses."""
