"""Features of galaxies and of pairs that do not change under rotation or translation.

Edge features follow Villanueva-Domingo & Villaescusa-Navarro 2022
(arXiv:2204.13713, eq. 3–5): the distance of a pair in linking radii and two
cosines that place it relative to the centroid of the box.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

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


def pair_features(
    positions: Array,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    radius: float,
    convention: Convention,
) -> Array:
    """Compute ``|d| / radius``, ``cos(r, c)`` and ``cos(r, d)`` for both directions of pairs.

    ``r`` and ``c`` are the vectors from the centroid to the sending and the receiving galaxy
    and ``d = x_r − x_c`` is the minimum image of their separation. A direction of zero length
    has cosine 0 with everything. The two directions share the distance and the cosine between
    the galaxies. Some thousand pairs are computed at a time, so that temporary arrays stay in
    the cache.

    Args:
        positions: ``[n, 3]`` in units of the box.
        first: one galaxy of each pair ``[P]``.
        second: the other ``[P]``.
        radius: linking radius in units of the box.
        convention: centroid, wrapping and precision.

    Returns:
        ``[4, P]`` in the precision of the convention: ``|d| / radius``, ``cos(r, c)``, and
        ``cos(r, d)`` where the first sends and where the second sends.
    """
    place = positions.astype(convention.precision)
    from_centroid = place - convention.centroid(place)
    if convention.wrap_from_centroid:
        from_centroid = _minimum_image(from_centroid)
    axes, outward = np.ascontiguousarray(place.T), np.ascontiguousarray(from_centroid.T)
    length = np.sqrt(_dot(outward, outward))
    length[length == 0] = 1
    outward = outward / length
    found = np.empty((4, len(first)), dtype=place.dtype)
    for start in range(0, len(first), PAIRS_AT_ONCE):
        chunk = slice(start, start + PAIRS_AT_ONCE)
        one, other, features = first[chunk], second[chunk], found[:, chunk]
        separation = [_minimum_image(axis.take(one) - axis.take(other)) for axis in axes]
        of_one, of_other = ([axis.take(ends) for axis in outward] for ends in (one, other))
        distance = np.sqrt(_dot(separation, separation))
        features[0] = distance
        features[1] = _dot(of_one, of_other)
        distance[distance == 0] = 1
        np.divide(_dot(of_one, separation), distance, out=features[2])
        np.divide(_dot(of_other, separation), -distance, out=features[3])
    found[0] /= place.dtype.type(radius)
    return found


def _minimum_image(difference: Array) -> Array:
    return np.asarray(difference - np.rint(difference))


def _dot(a: Sequence[Array] | Array, b: Sequence[Array] | Array) -> Array:
    """Return the scalar products of vectors given by axis."""
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])
