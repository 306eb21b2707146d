"""Undisturbed galaxies: ellipticals, lenticulars, spirals, clumpy irregulars.

Every galaxy is made face on and centred, with a flux and a half-light radius
that its caller chose; orientation comes later, from the viewing direction.
"""

from collections.abc import Callable, Sequence
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
        flux: total, in the units of :mod:`dagnn.mocks.sky.imaging`.
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


_FACE_ON = np.eye(3)
_CENTRE = np.zeros(3)
_HALF_LIGHT = 1.678  # half-light radius of an exponential disc, in scale lengths
_INDICES = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0)  # few, because each costs a table in GalSim


def smooth(
    flux: float,
    population: str,
    tint: float,
    n: float,
    radius: float,
    thickness: float,
) -> Part:
    """Return a Sérsic component in the plane of its galaxy."""
    colour = tinted(population, tint)
    return Part(Sersic(n, radius), flux, colour, _FACE_ON, _CENTRE, thickness)


def patchy(blobs: Blobs, flux: float, population: str, tint: float, thickness: float) -> Part:
    """Return a component made of blobs in the plane of its galaxy."""
    return Part(blobs.map(), flux, tinted(population, tint), _FACE_ON, _CENTRE, thickness)


def elliptical(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Parts:
    """Make an elliptical: a Sérsic spheroid and, in half of them, a rounder halo."""
    n, thickness = rng.choice(_INDICES[2:]), rng.uniform(0.45, 1.0)
    if rng.random() < 0.5:
        return (smooth(flux, "old", tint, n, radius, thickness),)
    halo = rng.uniform(0.1, 0.35)
    return (
        smooth(flux * (1 - halo), "old", tint, n, 0.85 * radius, thickness),
        smooth(flux * halo, "disc", tint, 1.0, 1.8 * radius, 0.5 + thickness / 2),
    )


def lenticular(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Parts:
    """Make a bulge in a smooth red disc, without arms."""
    bulge = rng.uniform(0.2, 0.6)
    return (
        smooth(flux * bulge, "old", tint, rng.choice(_INDICES[:4]), 0.4 * radius, 0.7),
        smooth(flux * (1 - bulge), "disc", tint + 0.06, 1.0, 1.25 * radius, 0.12),
    )


def spiral(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Parts:
    """Make a spiral: bulge, in some a bar, exponential disc, arms, knots of young stars."""
    length = 1.15 * radius / _HALF_LIGHT
    bulge, arms = rng.uniform(0.05, 0.35), rng.uniform(0.22, 0.45)
    knots = arms * rng.uniform(0.15, 0.4)
    bar = rng.uniform(0.05, 0.15) if rng.random() < 0.4 else 0.0
    ridge = spiral_arms(rng, length, start=1.3 if bar else 0.7)
    chosen = rng.choice(len(ridge.x), size=int(rng.integers(12, 45)), replace=False)
    found = _knots(rng, ridge.x[chosen], ridge.y[chosen], length)
    pink = found.joined(_knots(rng, *_disc_points(rng, 6, length), length))
    parts = [
        smooth(flux * bulge, "old", tint, rng.choice(_INDICES[:3]), 0.28 * radius, 0.7),
        smooth(flux * (1 - bulge - bar - arms), "disc", tint, 1.0, length * _HALF_LIGHT, 0.1),
        patchy(ridge.mixed(found, knots / arms), flux * arms, "young", tint, 0.1),
        patchy(pink, flux * knots * 0.2, "nebular", tint, 0.1),
    ]
    if bar:
        parts.append(patchy(_bar(length), flux * bar, "old", tint, 0.25))
    return tuple(parts)


def clumpy(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Parts:
    """Make an irregular: a faint lopsided disc with bright knots, no order."""
    length = radius / _HALF_LIGHT
    count = int(rng.integers(6, 22))
    lean = rng.normal(scale=0.5 * length, size=2)
    x, y = _disc_points(rng, count, 1.3 * length)
    knots = _knots(rng, x + lean[0], y + lean[1], 1.6 * length)
    haze = Blobs(x - lean[0], y + lean[1], np.full(count, 1.3 * length), rng.gamma(2.0, size=count))
    shares = rng.dirichlet([4.0, 3.0, 2.0])
    return (
        smooth(flux * shares[0], "disc", tint, 1.0, radius, 0.3),
        patchy(haze, flux * shares[1], "young", tint + 0.1, 0.3),
        patchy(knots, flux * shares[2], "young", tint, 0.3),
    )


def edge_on(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Parts:
    """Make a thin disc with a bulge and a dust lane; it is to be looked at from its side."""
    bulge, lane = rng.uniform(0.08, 0.35), rng.uniform(0.05, 0.25)
    long = 1.6 * radius
    return (
        smooth(flux * bulge, "old", tint, 1.5, 0.32 * radius, 0.7),
        smooth(flux * (1 - bulge + lane), "disc", tint, 1.0, long, rng.uniform(0.08, 0.14)),
        smooth(flux * lane, "dust", 0.0, 1.0, 0.9 * long, 0.02),
    )


Maker = Callable[[np.random.Generator, float, float, float], Parts]


def spiral_arms(rng: np.random.Generator, length: float, start: float = 0.7) -> Blobs:
    """Draw logarithmic arms, r = r₀ exp(θ tan ψ), as rows of overlapping blobs.

    Args:
        rng: random stream.
        length: scale length of the disc, arcsec.
        start: radius where the arms begin, in scale lengths.
    """
    count = int(rng.choice([2, 3, 4], p=[0.7, 0.15, 0.15]))
    pitch, phase = np.radians(rng.uniform(10.0, 28.0)), rng.uniform(0, 2 * np.pi)
    sense, wander = rng.choice([-1.0, 1.0]), rng.uniform(0.02, 0.1)
    rows = []
    for arm in range(count):
        end = rng.uniform(3.2, 4.6)
        radius = length * np.geomspace(start, end, 90)
        angle = np.log(radius / (length * start)) / np.tan(pitch) + rng.normal(scale=wander)
        angle = sense * (angle + 2 * np.pi * arm / count) + phase
        radius = radius * (1 + _ripple(rng, len(radius), wander))
        fade = np.exp(-0.75 * radius / length) * radius * rng.uniform(0.6, 1.0)
        patch = fade * (0.55 + rng.gamma(1.5, 0.5, size=len(radius)))
        width = (0.09 + 0.05 * rng.random(len(radius))) * (length + 0.5 * radius)
        rows.append(Blobs(radius * np.cos(angle), radius * np.sin(angle), width, patch))
    joined = rows[0]
    for row in rows[1:]:
        joined = joined.joined(row)
    return joined


def _ripple(rng: np.random.Generator, count: int, size: float) -> FloatArray:
    """Return a smooth random wave ``[n]`` of a given height."""
    phase = np.linspace(0, 2 * np.pi, count)
    first, second = rng.normal(size=2), rng.uniform(0, 2 * np.pi, size=2)
    return np.asarray(
        size * (first[0] * np.sin(phase + second[0]) + first[1] * np.sin(2 * phase + second[1]))
    )


def _knots(rng: np.random.Generator, x: FloatArray, y: FloatArray, length: float) -> Blobs:
    """Return compact knots, a few bright ones among many faint (luminosity index −2)."""
    count = len(x)
    jitter = rng.normal(scale=0.1 * length, size=(2, count))
    width = length * rng.uniform(0.04, 0.13, size=count)
    brightness = np.minimum(rng.pareto(1.2, size=count) + 0.3, 6.0)
    return Blobs(x + jitter[0], y + jitter[1], width, brightness)


def _disc_points(
    rng: np.random.Generator, count: int, length: float
) -> tuple[FloatArray, FloatArray]:
    """Draw points ``[n]`` of an exponential disc."""
    radius = rng.gamma(2.0, length, size=count)
    angle = rng.uniform(0, 2 * np.pi, size=count)
    return radius * np.cos(angle), radius * np.sin(angle)


def _bar(length: float) -> Blobs:
    x = np.linspace(-1.15, 1.15, 15) * length
    return Blobs(x, np.zeros(15), np.full(15, 0.22 * length), np.ones(15))
