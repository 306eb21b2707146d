"""What a metric is, and the weighted mean that most are made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dagnn.records import FloatArray


def average(terms: FloatArray, weight: FloatArray | None = None) -> FloatArray:
    """Return ``⟨terms⟩``: a scalar array, or ``[...]`` for weights of shape ``[..., n]``.

    A sample without any weight has no mean: NaN.
    """
    if weight is None:
        return np.asarray(terms.mean())
    total = weight.sum(-1)
    mean: FloatArray = np.divide(
        weight @ terms, total, out=np.full(total.shape, np.nan), where=total > 0
    )
    return mean


def ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return ``part / whole``, NaN where the whole is zero."""
    result: FloatArray = np.divide(
        part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0
    )
    return result


@dataclass(frozen=True)
class Metric:
    """A metric and how to read it.

    Attributes:
        function: from truth and prediction ``[n]``, ``[n, K]`` and optional weights
            ``[..., n]`` to one number per row of weights; those of the table ``BY_CLASS``
            from a confusion table ``[..., K, K]`` to ``[..., K]``.
        better: ``"low"``, ``"high"``, the value that a perfect prediction has, or None
            where a value is neither good nor bad.
        format: format specification for one value.
        label: short heading for tables.
        description: one sentence for readers of a report.
        biased: whether resampling moves the value to one side (a mean of absolute
            deviations grows with noise), so that its interval must be moved back.
        needs_prior: whether ``function`` also takes ``prior``.
    """

    function: Callable[..., FloatArray]
    better: Literal["low", "high"] | float | None
    format: str
    label: str
    description: str
    biased: bool = False
    needs_prior: bool = False

    def __call__(
        self, *sample: Any, weight: FloatArray | None = None, prior: object = None
    ) -> FloatArray:
        """Measure one set of items; every metric is called the same way.

        Args:
            *sample: what ``function`` takes, the truth first.
            weight: ``[..., n]``.
            prior: of the parameter; most metrics do not read it.

        Raises:
            ValueError: the sample does not have one entry per item.
        """
        shapes = [each.shape for each in sample]
        vectors = shapes if sample[0].dtype.kind == "f" else [shape[:1] for shape in shapes]
        if len(shapes[0]) != 1 or len({*vectors}) > 1:
            raise ValueError(f"A metric takes vectors of one length, got the shapes {shapes}.")
        return self.function(*sample, weight, **({"prior": prior} if self.needs_prior else {}))
