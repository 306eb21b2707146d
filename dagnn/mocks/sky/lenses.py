"""Strong gravitational lenses: arcs and rings of a distant galaxy around an elliptical."""

import numpy as np

from dagnn.mocks.sky.galaxies import elliptical
from dagnn.mocks.sky.parts import Map, Part, Parts, spin, tinted, turned
from dagnn.records import FloatArray

_GRID = 120


def lens(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Parts:
    """Make a compact red elliptical that lenses a blue source behind it.

    The deflector is a singular isothermal sphere in external shear γ, with
    β = θ − θ_E θ/|θ| − Γθ: the image shows at θ the source's brightness at β, since
    lensing conserves surface brightness.

    References:
        Kormann, Schneider & Bartelmann 1994, A&A 284, 285.
    """
    ring = rng.uniform(1.3, 2.1) * max(radius, 1.0)
    deflector = elliptical(rng, 0.7 * flux, 0.65 * radius, tint + 0.08)
    images = _lensed(rng, ring)
    share = flux * rng.uniform(0.25, 0.6)
    arcs = Part(images, share, tinted("young", rng.normal(scale=0.1)), np.eye(3), np.zeros(3), 0.0)
    tilt = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    return (*turned(deflector, spin(rng.uniform(0, 2 * np.pi)) @ tilt), arcs)


def _lensed(rng: np.random.Generator, ring: float) -> Map:
    """Return the lensed images of an exponential source near the optical axis."""
    scale = 2 * 2.2 * ring / _GRID
    axis = (np.arange(_GRID) - (_GRID - 1) / 2) * scale
    x, y = np.meshgrid(axis, axis)
    distance = np.hypot(x, y).clip(min=scale / 2)
    shear = rng.uniform(0.02, 0.14)
    beta_x = x * (1 - ring / distance) - shear * x
    beta_y = y * (1 - ring / distance) + shear * y
    angle, offset = rng.uniform(0, 2 * np.pi), ring * 0.32 * np.sqrt(rng.random())
    dx, dy = beta_x - offset * np.cos(angle), beta_y - offset * np.sin(angle)
    size = ring * rng.uniform(0.05, 0.11)
    values = _source(dx, dy, size, rng.uniform(0.5, 1.0), rng.uniform(0, np.pi))
    return Map(values / values.sum(), float(scale))


def _source(dx: FloatArray, dy: FloatArray, size: float, ratio: float, angle: float) -> FloatArray:
    """Return an exponential of axis ratio ``ratio`` on the grid."""
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = (-dx * np.sin(angle) + dy * np.cos(angle)) / ratio
    return np.asarray(np.exp(-np.hypot(along, across) / size))
