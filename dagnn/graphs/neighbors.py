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
        ValueError: the radius is not between 0 and half the box, positions are not
            ``[n, 3]``, or a coordinate is not finite.

    Example:
        >>> corners = np.array([[0.01, 0.5, 0.5], [0.99, 0.5, 0.5], [0.5, 0.5, 0.5]])
        >>> periodic_pairs(corners, 0.05)
        array([[1, 0],
               [0, 1]])
    """
    first, second = close_pairs(positions, radius, box)
    edges, _ = both_directions(first, second, len(positions), self_loops=self_loops)
    return edges


def close_pairs(
    positions: NDArray[np.floating], radius: float, box: float = 1.0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find every pair once, in no particular order or direction; see :func:`periodic_pairs`.

    Returns:
        One galaxy of each pair ``[P]``, and the other.
    """
    if not 0 < radius < box / 2:
        raise ValueError(
            f"The linking radius must lie between 0 and half the box ({box / 2:g}), got "
            f"{radius:g}. Both are in one unit: divide by the box length for the default box of 1."
        )
    if positions.ndim != 2 or not 1 <= positions.shape[1] <= 3:
        raise ValueError(
            f"Positions are [n, 3] (or fewer dimensions), got an array of shape {positions.shape}."
        )
    if not np.isfinite(positions).all():
        raise ValueError("A galaxy position is NaN or infinite; drop such galaxies before linking.")
    place, galaxy, shifts = _with_images(_wrapped(positions, box), radius, box)
    tree = cKDTree(place, leafsize=12, balanced_tree=False)
    pairs = tree.query_pairs(radius, output_type="ndarray").astype(np.int64, copy=False)
    first, second = np.ascontiguousarray(pairs.T)
    # Both moved along one axis: the same pair is there without that move.
    once = np.bitwise_and(shifts.take(first), shifts.take(second)) == 0
    return galaxy.take(first[once]), galaxy.take(second[once])


def both_directions(
    first: NDArray[np.int64], second: NDArray[np.int64], galaxies: int, *, self_loops: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Turn pairs into directed edges, sorted by receiver, then by sender.

    Args:
        first: one galaxy of each pair ``[P]``.
        second: the other ``[P]``.
        galaxies: number of galaxies ``n``.
        self_loops: whether every galaxy is also its own neighbour.

    Returns:
        Edges ``[2, E]``, and where each was before sorting ``[E]``: all pairs first to
        second, all pairs second to first, self-loops.
    """
    loops = np.arange(galaxies if self_loops else 0, dtype=np.int64)
    senders = np.concatenate([first, second, loops])
    receivers = np.concatenate([second, first, loops])
    order = np.argsort(receivers * galaxies + senders)  # no two edges are equal
    return np.stack([senders.take(order), receivers.take(order)]), order


def _wrapped(positions: NDArray[np.floating], box: float) -> NDArray[np.float64]:
    """Wrap into [0, box); the remainder of a tiny negative number rounds to ``box`` itself."""
    inside = np.asarray(positions, dtype=np.float64)
    if inside.min(initial=0.0) >= 0 and inside.max(initial=0.0) < box:
        return inside
    wrapped = np.mod(inside, box)
    wrapped[wrapped >= box] = 0.0
    return wrapped


def _with_images(
    place: NDArray[np.float64], radius: float, box: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.uint8]]:
    """Repeat galaxies close to the lower faces of the box beyond its upper faces.

    A search among these needs no periodic distance, which takes two thirds of the time.
    Every pair across a face is found with exactly one of its galaxies moved.

    Returns:
        places ``[m, 3]``, which galaxy each is, and along which axes it was moved (one bit
        per axis).
    """
    galaxy = np.arange(len(place), dtype=np.int64)
    shifts = np.zeros(len(place), dtype=np.uint8)
    for axis in range(place.shape[1]):
        near = np.flatnonzero(place[:, axis] <= radius * (1 + 1e-9))
        image = place[near]
        image[:, axis] += box
        place = np.concatenate([place, image])
        galaxy = np.concatenate([galaxy, galaxy[near]])
        shifts = np.concatenate([shifts, shifts[near] | np.uint8(1 << axis)])
    return place, galaxy, shifts
