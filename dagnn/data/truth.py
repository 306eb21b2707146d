"""The truth of a dataset: checked against its names, and grouped where it is shared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from dagnn.catalogs.suites import Suite
from dagnn.errors import MismatchError
from dagnn.parameters import Scaling

NO_PARAMETERS = Scaling((), (), ())


@dataclass(frozen=True)
class Truth:
    """What a network is asked for: physical parameters or classes, the other is empty.

    Attributes:
        scaling: names and priors of the parameters.
        classes: names of the classes that the network knows.
    """

    scaling: Scaling = NO_PARAMETERS
    classes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, or of the classes."""
        return self.scaling.names or self.classes

    @property
    def answer(self) -> Scaling | tuple[str, ...]:
        """Scaling of the parameters, or names of the classes."""
        return self.classes or self.scaling


def widest_scaling(names: Sequence[str], suites: Sequence[Suite]) -> Scaling:
    """Return the scaling over priors wide enough for every suite."""
    ranges = [[suite.prior(name) for suite in suites] for name in names]
    low = tuple(min(low for low, _ in of_one) for of_one in ranges)
    high = tuple(max(high for _, high in of_one) for of_one in ranges)
    return Scaling(tuple(names), low, high)


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
