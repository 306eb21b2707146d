"""Features of galaxies and of pairs that do not change under rotation or translation.

Edge features follow Villanueva-Domingo & Villaescusa-Navarro 2022
(arXiv:2204.13713, eq. 3–5): the distance of a pair in linking radii and two
cosines that place it relative to the centroid of the box.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[np.floating]

SELF_LOOP = (0.0, 1.0, 0.0)
# Temporary arrays of this many numbers of 8 bytes, a dozen of them, fit a level-2 cache.
PAIRS_AT_ONCE = 8192

# Which catalogue columns become log10(1 + value), in this order. With positions
# only, nodes carry nothing of their own (width 0) and learn from their edges.
NODE_FEATURES: dict[str, tuple[str, ...]] = {
    "all": ("stellar_mass", "stellar_radius", "stellar_metallicity", "vmax"),
    "mass": ("stellar_mass",),
    "vmax": ("vmax",),
    "mass_vmax": ("stellar_mass", "vmax"),
    "mass_radius": ("stellar_mass", "stellar_radius"),
    "no_metallicity": ("stellar_mass", "stellar_radius", "vmax"),
    "positions": (),
}


def circular_mean(positions: Array) -> Array:
    """Return the centroid ``[3]`` of positions ``[n, 3]`` in a periodic box of side 1.

    Per axis it is the direction of the summed unit phasors, so it moves with
    the galaxies under any periodic shift. Where the phasors cancel the
    direction is arbitrary but finite.

    Example:
        >>> circular_mean(np.array([[0.9, 0.5, 0.2], [0.1, 0.5, 0.4]])).round(6) % 1
        array([0. , 0.5, 0.3])
    """
    angle = np.ascontiguousarray(2 * np.pi * positions.T)  # rows are summed faster than columns
    mean = np.arctan2(np.sin(angle).sum(1), np.cos(angle).sum(1))
    return np.asarray(np.mod(mean / (2 * np.pi), 1.0))


def plain_mean(positions: Array) -> Array:
    """Return the arithmetic mean ``[3]``, which a periodic shift does change."""
    return np.asarray(positions.mean(0))


@dataclass(frozen=True)
class Convention:
    """How a graph is cut out of a periodic box; lengths are in units of the box.

    Attributes:
        search_box: periodic length that the neighbour search assumes.
        centroid: centroid of all galaxies.
        wrap_from_centroid: whether vectors from the centroid take the minimum image.
        precision: floating point type of all geometry.
    """

    search_box: float
    centroid: Callable[[Array], Array]
    wrap_from_centroid: bool
    precision: DTypeLike


# The published programs work in single precision with a search box of 1.0001,
# which loses some pairs across the seam. CosmoGraphNet (arXiv:2204.13713) does
# not wrap vectors from the centroid, GNN_DomainAdapt (arXiv:2311.01588) does.
CONVENTIONS: MappingProxyType[str, Convention] = MappingProxyType(
    {
        "periodic": Convention(1.0, circular_mean, True, np.float64),
        "published": Convention(1.0001, plain_mean, True, np.float32),
        "cosmographnet": Convention(1.0001, plain_mean, False, np.float32),
    }
)


def edge_features(
    positions: Array, edge_index: NDArray[np.int64], radius: float, convention: Convention
) -> Array:
    """Compute ``[|d| / radius, cos(r, c), cos(r, d)]`` for every edge.

    ``r`` and ``c`` are the vectors from the centroid to the sending (row 0) and
    receiving (row 1) galaxy and ``d = x_r − x_c`` is the minimum image of their
    separation. Self-loops get ``(0, 1, 0)``; a direction of zero length has
    cosine 0 with everything.

    Args:
        positions: ``[n, 3]`` in units of the box.
        edge_index: ``[2, E]``.
        radius: linking radius in units of the box.
        convention: centroid, wrapping and precision.

    Returns:
        ``[E, 3]`` in the precision of the convention.
    """
    row, col = edge_index
    distance, between, along, _ = pair_features(positions, row, col, radius, convention)
    features = np.stack([distance, between, along], axis=1)
    features[row == col] = SELF_LOOP
    return features


def pair_features(
    positions: Array,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    radius: float,
    convention: Convention,
) -> tuple[Array, Array, Array, Array]:
    """Compute the features of both directions of every pair.

    The two directions share the distance and the cosine between the galaxies; only the
    cosine with the separation differs. Work is done on some thousand pairs at a time:
    temporary arrays stay small, and in the cache.

    Args:
        positions: ``[n, 3]`` in units of the box.
        first: one galaxy of each pair ``[P]``.
        second: the other ``[P]``.
        radius: linking radius in units of the box.
        convention: centroid, wrapping and precision.

    Returns:
        ``|d| / radius``, ``cos(r, c)``, and ``cos(r, d)`` where the first sends and where
        the second sends, each ``[P]`` in the precision of the convention.
    """
    place = positions.astype(convention.precision)
    from_centroid = place - convention.centroid(place)
    if convention.wrap_from_centroid:
        from_centroid = _minimum_image(from_centroid)
    axes, outward = np.ascontiguousarray(place.T), _unit(np.ascontiguousarray(from_centroid.T))
    found = np.empty((4, len(first)), dtype=place.dtype)
    for start in range(0, len(first), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        _describe(axes, outward, first[part], second[part], found[:, part])
    found[0] /= place.dtype.type(radius)
    distance, between, forward, backward = found
    return distance, between, forward, backward


def _describe(
    axes: Array,
    outward: Array,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    found: Array,
) -> None:
    """Write distance and the three cosines of some pairs; ``axes`` and ``outward`` ``[3, n]``."""
    separation = [_minimum_image(axis.take(first) - axis.take(second)) for axis in axes]
    of_first, of_second = ([axis.take(ends) for axis in outward] for ends in (first, second))
    distance = np.sqrt(_dot(separation, separation))
    found[0] = distance
    found[1] = _dot(of_first, of_second)
    distance[distance == 0] = 1
    np.divide(_dot(of_first, separation), distance, out=found[2])
    np.divide(_dot(of_second, separation), -distance, out=found[3])


def node_features(columns: Mapping[str, Any], features: str) -> Array:
    """Return ``log10(1 + value)`` of the columns that a feature set names, ``[n, F]``.

    Args:
        columns: catalogue columns by canonical name, each ``[n]``: masses in
            1e10 Msun/h, radii in comoving kpc/h, velocities in km/s.
        features: a key of :data:`NODE_FEATURES` with at least one column.
    """
    return np.stack([np.log10(1 + np.asarray(columns[n])) for n in NODE_FEATURES[features]], axis=1)


def _minimum_image(difference: Array) -> Array:
    return np.asarray(difference - np.rint(difference))


def _dot(a: Sequence[Array] | Array, b: Sequence[Array] | Array) -> Array:
    """Return the scalar products of vectors given by axis."""
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


def _unit(vectors: Array) -> Array:
    """Return vectors ``[3, n]`` with length one; zero stays zero."""
    length = np.sqrt(_dot(vectors, vectors))
    length[length == 0] = 1
    return np.asarray(vectors / length)
