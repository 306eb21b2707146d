"""Galaxies as sums of parts in three dimensions: smooth profiles and maps of blobs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dagnn.records import FloatArray

# Light of a stellar population in the bands i, r, g (shown as red, green, blue).
POPULATIONS: dict[str, tuple[float, float, float]] = {
    "old": (1.32, 1.00, 0.56),
    "disc": (1.10, 1.00, 0.80),
    "young": (0.70, 0.92, 1.36),
    "nebular": (1.25, 0.72, 1.05),
    "dust": (-0.70, -1.00, -1.20),
}

Colour = tuple[float, float, float]
Vector = FloatArray


def tinted(population: str, tint: float = 0.0) -> Colour:
    """Return the colour of a population, reddened by ``tint`` (dust or redshift, e-folds of r−i).

    Example:
        >>> tinted("disc", 0.0)
        (1.1, 1.0, 0.8)
    """
    i, r, g = POPULATIONS[population]
    return (float(i * np.exp(tint)), r, float(g * np.exp(-tint)))


@dataclass(frozen=True)
class Sersic:
    """A round Sérsic profile of index ``n`` and half-light radius ``radius`` (arcsec)."""

    n: float
    radius: float


@dataclass(frozen=True, eq=False)
class Map:
    """Light on a square grid in a part's own plane, of total 1.

    Attributes:
        values: ``[m, m]``, first axis along y.
        scale: arcsec per grid point.
    """

    values: FloatArray
    scale: float


@dataclass(frozen=True, eq=False)
class Part:
    """One component of a scene, flat or thick, somewhere in space.

    Attributes:
        light: its profile, seen face on.
        flux: total, in the units of :mod:`dagnn.mocks.sky.surveys`.
        colour: relative flux in i, r, g.
        frame: ``[3, 3]``, columns are the two axes of its plane and its normal.
        position: of its centre ``[3]``, arcsec; the third axis points at the observer.
        thickness: axis ratio seen edge on; 1 is a sphere, 0 a sheet.
    """

    light: Sersic | Map
    flux: float
    colour: Colour
    frame: FloatArray
    position: Vector
    thickness: float

    def turned(self, rotation: FloatArray) -> "Part":
        """Return the part as seen after a rotation ``[3, 3]`` of the whole scene."""
        return replace(self, frame=rotation @ self.frame, position=rotation @ self.position)

    def moved(self, offset: Vector) -> "Part":
        """Return the part somewhere else."""
        return replace(self, position=self.position + offset)

    def projection(self) -> FloatArray:
        """Return the map ``[2, 2]`` from the part's plane to the sky.

        An oblate body of thickness q at inclination i appears with the axis ratio
        √(cos² i + q² sin² i).
        """
        left, ratios, right = np.linalg.svd(self.frame[:2, :2])
        flattened = np.sqrt(ratios**2 + self.thickness**2 * (1 - ratios**2).clip(min=0.0))
        projected: FloatArray = (left * flattened) @ right
        return projected


Parts = tuple[Part, ...]


@dataclass(frozen=True)
class Blobs:
    """Round Gaussian patches of light in one plane: arms, knots, tails.

    Attributes:
        x: ``[n]``, arcsec.
        y: ``[n]``, arcsec.
        width: standard deviation ``[n]``, arcsec.
        weight: relative flux ``[n]``.
    """

    x: FloatArray
    y: FloatArray
    width: FloatArray
    weight: FloatArray

    def mixed(self, other: "Blobs", share: float) -> "Blobs":
        """Return both sets as one, a share of whose light comes from the other."""
        own = replace(self, weight=self.weight * ((1 - share) / self.weight.sum()))
        return own.joined(replace(other, weight=other.weight * (share / other.weight.sum())))

    def joined(self, other: "Blobs") -> "Blobs":
        """Return both sets as one."""
        return Blobs(
            np.concatenate([self.x, other.x]),
            np.concatenate([self.y, other.y]),
            np.concatenate([self.width, other.width]),
            np.concatenate([self.weight, other.weight]),
        )

    def map(self, points: int = 72) -> Map:
        """Draw the patches on a grid that holds them all, as a product of two exponentials."""
        reach = np.quantile(np.hypot(self.x, self.y) + 2.5 * self.width, 0.98)
        scale = 2 * reach / points
        axis = (np.arange(points) - (points - 1) / 2) * scale
        width = np.hypot(self.width, 0.6 * scale)  # as fine as the grid can show
        across = np.exp(-0.5 * ((axis[:, None] - self.x) / width) ** 2)
        along = np.exp(-0.5 * ((axis[:, None] - self.y) / width) ** 2)
        values = (along * (self.weight / width**2)) @ across.T
        return Map(values / values.sum(), float(scale))


def random_rotation(rng: np.random.Generator) -> FloatArray:
    """Draw a rotation ``[3, 3]``, uniform over all directions (QR of a Gaussian matrix)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    q[:, 0] *= np.linalg.det(q)
    return np.asarray(q)


def spin(angle: float) -> FloatArray:
    """Return the rotation ``[3, 3]`` about the line of sight."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def inclined(angle: float) -> FloatArray:
    """Return the rotation ``[3, 3]`` that inclines a face-on plane about the x axis."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def turned(parts: Sequence[Part], rotation: FloatArray) -> Parts:
    """Return parts after a rotation of the whole scene."""
    return tuple(part.turned(rotation) for part in parts)


def moved(parts: Sequence[Part], offset: Vector) -> Parts:
    """Return parts after a shift of the whole scene."""
    return tuple(part.moved(offset) for part in parts)
