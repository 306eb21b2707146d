"""Pairs of galaxies closer than a linking radius in a periodic box."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


def periodic_pairs(
    positions: NDArray[np.floating],
    radius: float,
    box: float = 1.0,
    *,
    self_loops: bool = False,
) -> NDArray[np.int64]:
    """Find all ordered pairs with a minimum-image distance of at most ``radius``.

    Every pair appears in both directions. Columns are sorted by receiving
    node, then by sending node, so equal inputs give equal bytes and sums over
    neighbours are taken in one order.

    Args:
        positions: coordinates ``[n, 3]``, in the unit of ``box``; values outside
            the box are wrapped into it.
        radius: linking radius, in the unit of ``box``, below half of it.
        box: side of the periodic cube.
        self_loops: whether every galaxy is also its own neighbour.

    Returns:
        ``[2, E]``: row 0 sends, row 1 receives.

    Raises:
        ValueError: the radius is not between 0 and half the box, or a
            coordinate is not finite.

    Example:
        >>> corners = np.array([[0.01, 0.5, 0.5], [0.99, 0.5, 0.5], [0.5, 0.5, 0.5]])
        >>> periodic_pairs(corners, 0.05)
        array([[1, 0],
               [0, 1]])
    """
    if not 0 < radius < box / 2:
        raise ValueError(
            f"The linking radius must lie between 0 and half the box ({box / 2:g}), got "
            f"{radius:g}. Both are in one unit: divide by the box length for the default box of 1."
        )
    if not np.isfinite(positions).all():
        raise ValueError("A galaxy position is NaN or infinite; drop such galaxies before linking.")
    tree = cKDTree(_wrapped(positions, box), boxsize=box, balanced_tree=False, compact_nodes=False)
    first, second = tree.query_pairs(radius, output_type="ndarray").astype(np.int64).T
    return _sorted_by_receiver(first, second, len(positions), self_loops)


def _wrapped(positions: NDArray[np.floating], box: float) -> NDArray[np.float64]:
    """Wrap into [0, box); the remainder of a tiny negative number rounds to ``box`` itself."""
    wrapped = np.mod(positions.astype(np.float64), box)
    wrapped[wrapped >= box] = 0.0
    return wrapped


def _sorted_by_receiver(
    first: NDArray[np.int64], second: NDArray[np.int64], galaxies: int, self_loops: bool
) -> NDArray[np.int64]:
    """Sort one integer per directed edge, which is faster than sorting two columns."""
    keys = [second * galaxies + first, first * galaxies + second]
    if self_loops:
        keys.append(np.arange(galaxies, dtype=np.int64) * (galaxies + 1))
    receivers, senders = np.divmod(np.sort(np.concatenate(keys)), max(galaxies, 1))
    return np.stack([senders, receivers])
