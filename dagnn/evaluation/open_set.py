r"""Does a network notice what belongs to none of its classes?

Functions as in :mod:`~dagnn.evaluation.class_metrics`, on items whose true class
may also be ``K``: unknown to the network. They take the novelty of each item ``[n]``
after its probabilities, see :mod:`~dagnn.trust.novelty`: an item is called unknown
where it is above 1. That threshold needs no label of a target; the AUROC needs none at all.

References:
    Fu et al. 2020, ECCV (H-score).
"""

from types import MappingProxyType

import numpy as np

from dagnn.evaluation.class_metrics import ClassMetric, ranked_area
from dagnn.evaluation.confusion import ratio
from dagnn.evaluation.metrics import average
from dagnn.records import FloatArray, IntArray


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


def auroc(
    truth: IntArray,
    probability: FloatArray,
    novelty: FloatArray,
    weight: FloatArray | None = None,
) -> FloatArray:
    """Return how often an unknown item has a higher novelty than a known one."""
    return ranked_area(novelty, truth == probability.shape[1], weight)


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
            "Share of items of an unknown class whose novelty is above 1, so that they are called "
            "unknown.",
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
            "How often an item of unknown class has a higher novelty than one of a known class; "
            "0.5 by guessing, whatever the threshold.",
        ),
    }
)
"""Every metric of unknown classes by the name that ``results.csv`` uses."""
