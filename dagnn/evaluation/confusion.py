r"""Which class is taken for which, and what that says of each class.

A confusion table counts items by true (rows) and predicted class (columns),
``[..., K, K]``; leading axes are bootstrap resamples. What each class has of it is
``[..., K]``. To add such a number, write a function and one line in :data:`BY_CLASS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from dagnn.records import FloatArray, IntArray


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


def ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return ``part / whole``, NaN where the whole is zero."""
    result: FloatArray = np.divide(
        part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0
    )
    return result


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


@dataclass(frozen=True)
class ByClass:
    """A number that each class has, and how to read it.

    Attributes:
        function: from a confusion table ``[..., K, K]`` to ``[..., K]``.
        format: format specification for one value.
        label: short heading for tables.
        description: one sentence for readers of a report.
    """

    function: Callable[[FloatArray], FloatArray]
    format: str
    label: str
    description: str


BY_CLASS = MappingProxyType(
    {
        "recall": ByClass(
            recalls, ".1%", "recall", "Share of the items of a class that are recognised."
        ),
        "precision": ByClass(
            precisions,
            ".1%",
            "precision",
            "Share of the items put into a class that belong there.",
        ),
        "share": ByClass(true_shares, ".1%", "share", "Share of all items that are of a class."),
        "predicted_share": ByClass(
            predicted_shares,
            ".1%",
            "predicted share",
            "Share of all items that are put into a class.",
        ),
    }
)
"""What is measured class by class; the class stands in the column ``parameter``."""
