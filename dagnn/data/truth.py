"""The truth of a dataset: checked against its names, and grouped where it is shared."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from dagnn.errors import MismatchError
from dagnn.parameters import Scaling


def checked_truth(truth: ArrayLike, ids: Sequence[str], scaling: Scaling, items: int) -> Tensor:
    """Return the truth as float64 ``[n, P]`` after comparing it with names and items.

    Args:
        truth: physical parameters ``[n, P]``; NaN where unknown.
        ids: one name per item.
        scaling: names of the ``P`` parameters.
        items: ``n``.

    Raises:
        MismatchError: the numbers of items, names, rows or parameters differ.
    """
    values = torch.as_tensor(np.array(truth, dtype=np.float64))
    expected = (items, len(scaling.names))
    if len(ids) != items or tuple(values.shape) != expected:
        raise MismatchError(
            f"{items} items need as many ids and a truth of shape {list(expected)} "
            f"({', '.join(scaling.names)}); got {len(ids)} ids and shape {list(values.shape)}."
        )
    return values


def truth_groups(ids: Sequence[str], truth: Tensor) -> tuple[str, ...]:
    """Name the group of every item after the first item with the same truth.

    An item whose truth is unknown stands alone.

    Example:
        >>> truth_groups(["a", "b", "c"], torch.tensor([[0.3], [0.2], [0.3]]))
        ('a', 'b', 'a')
    """
    first: dict[tuple[float, ...], str] = {}
    groups = []
    for name, row in zip(ids, truth.tolist(), strict=True):
        known = not any(np.isnan(row))
        groups.append(first.setdefault(tuple(row), name) if known else name)
    return tuple(groups)
