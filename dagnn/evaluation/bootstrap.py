"""Bootstrap intervals by reweighting: every resample is one row of counts."""

from collections.abc import Mapping, Sequence

import numpy as np

from dagnn.records import FloatArray, IntArray
from dagnn.tasks import AnyPredictions

LEAST_KNOWN = 0.8
"""Share of resamples that must have a value for an interval to be given."""


def bootstrap_weights(
    items: int, resamples: int, seed: int, groups: Sequence[str] | None = None
) -> FloatArray:
    """Draw how often each item enters each resample.

    Items of one group (views of one galaxy, say) are not independent: they are
    drawn together, so an interval does not shrink by counting one truth twice.

    Args:
        items: number of items ``n``.
        resamples: number of resamples ``R``.
        seed: seed of the draw.
        groups: one group name per item; without it every item is its own group.

    Returns:
        Counts ``[R, n]``; without groups every row sums to ``n``.

    References:
        Efron 1979, Annals of Statistics 7, 1; Davison & Hinkley 1997, ch. 3.8 for groups.

    Example:
        >>> bootstrap_weights(4, 1000, seed=0, groups=["a", "a", "b", "c"]).shape
        (1000, 4)
    """
    group_of_item = np.arange(items)
    if groups is not None:
        _, group_of_item = np.unique(np.asarray(groups), return_inverse=True)
    number = int(group_of_item.max()) + 1
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(number, np.full(number, 1 / number), size=resamples)
    return counts[:, group_of_item].astype(np.float64)


def percentile_interval(values: FloatArray, level: float = 0.95) -> tuple[float, float]:
    """Return the central interval of resampled values ``[R]``.

    Resamples without a value (a single truth has no variance to explain) are
    left out; where these are more than a fifth of all, both ends are NaN: what
    is left of so few items is as alike as if nothing were uncertain.
    """
    known = values[~np.isnan(values)]
    if len(known) < LEAST_KNOWN * len(values) or not len(known):
        return float("nan"), float("nan")
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)


def item_groups(
    predictions: AnyPredictions, rows: IntArray, groups: Mapping[str, str] | None
) -> list[str]:
    """Return the group of some rows of predictions; an item without one is its own."""
    ids = [predictions.ids[row] for row in rows]
    return [(groups or {}).get(item, item) for item in ids]
