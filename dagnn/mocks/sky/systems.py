"""What gravity does to pairs: mergers with tails, bridges and shells; and what only looks so."""

from itertools import pairwise

import numpy as np

from dagnn.mocks.sky.galaxies import (
    Blobs,
    Maker,
    Map,
    Part,
    Parts,
    clumpy,
    elliptical,
    lenticular,
    moved,
    patchy,
    random_rotation,
    smooth,
    spin,
    spiral,
    tinted,
    turned,
)
from dagnn.records import FloatArray

FIELD: tuple[tuple[Maker, float], ...] = (
    (spiral, 0.4),
    (elliptical, 0.25),
    (lenticular, 0.2),
    (clumpy, 0.15),
)


def field_galaxy(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Parts:
    """Make an undisturbed galaxy of any kind, in the mixture of the field."""
    return draw_maker(rng)(rng, flux, radius, tint)


def weathered(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Parts:
    """Make a field galaxy with the marks that many bear without being mergers.

    It is a little lopsided, and in some a faint stream is left of a small satellite.
    """
    stream = rng.uniform(0.02, 0.07) if rng.random() < 0.3 else 0.0
    galaxy = field_galaxy(rng, flux * (1 - stream), radius, tint)
    parts = _disturbed(rng, galaxy, radius, rng.uniform(0.0, 0.5))
    if not stream:
        return parts
    radii, centres = np.array([radius, 0.6 * radius]), np.zeros((2, 3))
    left = _tails(rng, centres, radii, np.array([0.85, 0.15]))
    return (*parts, patchy(left, flux * stream, "disc", tint, 0.3))


def draw_maker(rng: np.random.Generator) -> Maker:
    """Draw a kind of galaxy from the mixture of the field."""
    return FIELD[int(rng.choice(len(FIELD), p=[share for _, share in FIELD]))][0]


def merger(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Parts:
    """Make a merger at one of three stages: a pair, two overlapping nuclei, a remnant."""
    stage = rng.random()
    if stage < 0.55:
        return _pair(rng, flux, radius, tint, separation=rng.uniform(1.3, 2.6) * radius)
    if stage < 0.85:
        return _pair(rng, flux, radius, tint, separation=rng.uniform(0.35, 1.1) * radius)
    return _remnant(rng, flux, radius, tint)


def chance_pair(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Parts:
    """Make a galaxy and another one along the line of sight that it has nothing to do with.

    The two differ in colour, size and brightness as distances differ, and neither
    disturbs the other; their separation on the sky is that of mergers.
    """
    ratio = rng.uniform(0.12, 0.9)
    share = ratio / (1 + ratio)
    first = turned(weathered(rng, flux * (1 - share), radius, tint), random_rotation(rng))
    other = weathered(
        rng,
        flux * share,
        radius * rng.uniform(0.35, 0.8),
        tint + rng.choice([-1.0, 1.0]) * rng.uniform(0.03, 0.3),
    )
    angle, separation = rng.uniform(0, 2 * np.pi), rng.uniform(1.0, 2.8) * radius
    offset = separation * np.array([np.cos(angle), np.sin(angle), 0.0])
    return (
        *moved(first, -share * offset),
        *moved(turned(other, random_rotation(rng)), (1 - share) * offset),
    )


def _pair(
    rng: np.random.Generator, flux: float, radius: float, tint: float, separation: float
) -> Parts:
    """Make two galaxies in one orbital plane with tails, a bridge and a burst of stars."""
    ratio = rng.uniform(0.25, 1.0)
    shares = np.array([1.0, ratio]) / (1 + ratio)
    radii = radius * np.sqrt(shares) * 1.05
    strength = 0.1 + 0.9 * rng.random() ** 1.6
    debris = 0.04 + 0.2 * strength
    centres = separation * np.array([[-shares[1], 0.0, 0.0], [shares[0], 0.0, 0.0]])
    parts: list[Part] = []
    for share, size, centre in zip(shares, radii, centres, strict=True):
        shift = rng.normal(scale=0.05)
        own = draw_maker(rng)(rng, flux * share * (1 - debris), size, tint + shift)
        parts += moved(turned(_disturbed(rng, own, size, strength), _tilted(rng)), centre)
    tails = _tails(rng, centres, radii, shares)
    parts.append(patchy(tails, flux * debris * 0.65, "disc", tint - 0.08, 0.12))
    young = _bridge(rng, centres, radii).mixed(_bursts(rng, centres, radii), 0.45)
    parts.append(patchy(young, flux * debris * 0.35, "young", tint, 0.2))
    return tuple(parts)


def _tilted(rng: np.random.Generator) -> FloatArray:
    """Draw the tilt of a disc against the orbital plane: strong tails need moderate ones."""
    blend = np.eye(3) + rng.normal(scale=0.35, size=(3, 3))
    left, _, right = np.linalg.svd(blend)
    tilt = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    return np.asarray(spin(rng.uniform(0, 2 * np.pi)) @ tilt)


def _disturbed(rng: np.random.Generator, parts: Parts, radius: float, strength: float) -> Parts:
    """Shift the components of a galaxy against each other: lopsided, off-centre, warped."""
    disturbed = []
    for part in parts:
        slosh = rng.normal(scale=0.14 * strength * radius, size=3)
        warp = np.eye(3) + rng.normal(scale=0.18 * strength, size=(3, 3))
        left, _, right = np.linalg.svd(warp)
        turn = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
        disturbed.append(part.turned(turn).moved(slosh))
    return tuple(disturbed)


def _tails(
    rng: np.random.Generator, centres: FloatArray, radii: FloatArray, shares: FloatArray
) -> Blobs:
    """Draw one curved tail per galaxy, leaving it on the side away from the other."""
    sense = rng.choice([-1.0, 1.0])
    rows = []
    for number, (centre, radius) in enumerate(zip(centres, radii, strict=True)):
        outward = np.pi if number == 0 else 0.0
        reach = radius * rng.uniform(1.8, 4.2)
        along = np.linspace(0.0, 1.0, 70)
        curl = rng.uniform(0.6, 2.2)
        angle = outward - sense * 0.6 + sense * curl * along**0.8
        distance = 0.9 * radius + reach * along
        width = radius * (0.13 + 0.2 * along) * rng.uniform(0.7, 1.2)
        clumps = 0.6 + rng.gamma(1.2, 0.4, size=70)
        weight = shares[number] * np.exp(-1.3 * along) * clumps
        rows.append(
            Blobs(
                centre[0] + distance * np.cos(angle),
                centre[1] + distance * np.sin(angle),
                width,
                weight,
            )
        )
    return rows[0].joined(rows[1])


def _bridge(rng: np.random.Generator, centres: FloatArray, radii: FloatArray) -> Blobs:
    """Draw a bowed band of stars and gas between the two centres."""
    along = np.linspace(0.05, 0.95, 40)
    span = float(centres[1, 0] - centres[0, 0])
    bow = rng.normal(scale=0.25) * span * 4 * along * (1 - along)
    width = np.full(40, 0.2 * float(radii.mean()))
    return Blobs(centres[0, 0] + span * along, bow, width, rng.gamma(2.0, size=40))


def _bursts(rng: np.random.Generator, centres: FloatArray, radii: FloatArray) -> Blobs:
    """Draw knots of new stars around both nuclei."""
    count = int(rng.integers(6, 20))
    host = rng.integers(0, 2, size=count)
    spread = rng.normal(size=(2, count)) * 0.6 * radii[host]
    brightness = np.minimum(rng.pareto(1.2, size=count) + 0.3, 6.0)
    width = radii[host] * rng.uniform(0.04, 0.1, size=count)
    return Blobs(centres[host, 0] + spread[0], spread[1], width, brightness)


def _remnant(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Parts:
    """Make a late stage: one spheroid, perhaps two nuclei, with shells, a tail and an arc."""
    debris = rng.uniform(0.1, 0.28)
    body = smooth(flux * (1 - debris) * 0.8, "old", tint - 0.05, 2.5, radius, rng.uniform(0.5, 0.9))
    halo = smooth(flux * (1 - debris) * 0.2, "disc", tint, 1.0, 1.7 * radius, 0.6)
    centres = np.array([[0.0, 0.0, 0.0], [0.3 * radius, 0.0, 0.0]])
    tails = _tails(rng, centres, np.array([radius, radius]), np.array([0.7, 0.3]))
    shift = rng.normal(scale=0.22 * radius, size=3)
    return (
        body,
        halo.moved(shift),
        patchy(_shells(rng, radius), flux * debris * 0.5, "disc", tint, 0.4),
        patchy(tails, flux * debris * 0.4, "disc", tint - 0.05, 0.15),
        patchy(_bursts(rng, centres, centres[:, 0] + radius), flux * debris * 0.1, "young", 0.0, 1),
    )


def _shells(rng: np.random.Generator, radius: float) -> Blobs:
    """Draw a few arcs at growing radii on alternating sides, as phase-wrapped debris makes."""
    axis = rng.uniform(0, 2 * np.pi)
    rows = []
    for number in range(int(rng.integers(2, 5))):
        distance = radius * (1.1 + 0.75 * number + rng.uniform(-0.15, 0.15))
        angle = axis + np.pi * (number % 2) + np.linspace(-1.0, 1.0, 45) * rng.uniform(0.5, 1.1)
        width = np.full(45, 0.09 * radius)
        weight = np.full(45, distance**-0.5) * np.cos(np.linspace(-1.4, 1.4, 45))
        rows.append(Blobs(distance * np.cos(angle), distance * np.sin(angle), width, weight))
    joined = rows[0]
    for _, row in pairwise(rows):
        joined = joined.joined(row)
    return joined


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
