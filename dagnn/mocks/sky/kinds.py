"""Which classes a mock sky holds, and which survey sees which galaxies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from dagnn.errors import UsageError, nearest
from dagnn.mocks.sky.galaxies import Parts, edge_on, elliptical, lenticular, spiral
from dagnn.mocks.sky.imaging import SURVEYS, Survey
from dagnn.mocks.sky.systems import chance_pair, lens, merger, weathered

_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Scene:
    """A galaxy, or several, and from where it may be looked at.

    Attributes:
        parts: its components.
        inclinations: smallest and largest tilt of the line of sight, degrees; what is
            arranged on the sky itself may only be turned, not tilted.
    """

    parts: Parts
    inclinations: tuple[float, float]


SceneMaker = Callable[[np.random.Generator, float, float, float], Scene]

_ON_THE_SKY = (0.0, 0.0)


def _merger(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Scene:
    return Scene(merger(rng, flux, radius, tint), (0.0, 60.0))


def _non_merger(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Scene:
    if rng.random() < 0.5:
        return Scene(chance_pair(rng, flux, radius, tint), _ON_THE_SKY)
    return Scene(weathered(rng, flux, radius, tint), (0.0, 78.0))


def _spiral(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Scene:
    return Scene(spiral(rng, flux, radius, tint), (0.0, 65.0))


def _elliptical(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Scene:
    maker = elliptical if rng.random() < 0.7 else lenticular
    return Scene(maker(rng, flux, radius, tint), (0.0, 70.0))


def _edge_on(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Scene:
    return Scene(edge_on(rng, flux, radius, tint), (83.0, 90.0))


def _lens(rng: np.random.Generator, flux: float, radius: float, tint: float) -> Scene:
    return Scene(lens(rng, flux, radius, tint), _ON_THE_SKY)


CLASSES: MappingProxyType[str, SceneMaker] = MappingProxyType(
    {
        "non-merger": _non_merger,
        "merger": _merger,
        "spiral": _spiral,
        "elliptical": _elliptical,
        "edge-on": _edge_on,
        "lens": _lens,
    }
)


@dataclass(frozen=True)
class Share:
    """A share of a survey's images.

    Attributes:
        part: part of the split that they belong to, or nothing.
        fraction: of the images.
        block: which galaxies; two surveys with one block see the same ones.
    """

    part: str
    fraction: float
    block: int


@dataclass(frozen=True)
class Sample:
    """What one survey of a kind holds.

    Attributes:
        survey: how it was recorded.
        classes: class → share of the galaxies.
        shares: its galaxies.
    """

    survey: Survey
    classes: Mapping[str, float]
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class Kind:
    """One mock sky: surveys that belong together.

    Attributes:
        name: of the kind.
        stream: key of its own random stream; never reuse one.
        classes: names in the order of the labels.
        views: images of each galaxy, from several sides with noise of their own.
        samples: one per survey.
    """

    name: str
    stream: int
    classes: tuple[str, ...]
    views: int
    samples: tuple[Sample, ...]


def _whole(block: int) -> tuple[Share, ...]:
    return (Share("", 1.0, block),)


def _paired_test(own: int) -> tuple[Share, ...]:
    """Return shares whose training galaxies are the survey's own and whose test is common."""
    return (Share("train", 0.7, own), Share("valid", 0.1, own + 2), Share("test", 0.2, 0))


_MERGERS = {"non-merger": 0.5, "merger": 0.5}
_DEPTH = {"spiral": 1 / 3, "elliptical": 1 / 3, "merger": 1 / 3}
_WIDE = {"elliptical": 0.3, "spiral": 0.3, "merger": 0.2, "edge-on": 0.2}
_DEEP = {"elliptical": 0.3, "spiral": 0.34, "merger": 0.22, "lens": 0.14}

KINDS = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind(
                "mergers",
                1,
                ("non-merger", "merger"),
                views=3,
                samples=(
                    Sample(SURVEYS["pristine"], _MERGERS, _whole(0)),
                    Sample(SURVEYS["noisy"], _MERGERS, _whole(0)),
                    Sample(SURVEYS["observed"], _MERGERS, _whole(1)),
                ),
            ),
            Kind(
                "depth",
                2,
                ("spiral", "elliptical", "merger"),
                views=1,
                samples=(
                    Sample(SURVEYS["y10"], _DEPTH, _paired_test(1)),
                    Sample(SURVEYS["y1"], _DEPTH, _paired_test(2)),
                ),
            ),
            Kind(
                "universal",
                3,
                ("elliptical", "spiral", "merger", "edge-on", "lens"),
                views=2,
                samples=(
                    Sample(SURVEYS["wide"], _WIDE, _whole(0)),
                    Sample(SURVEYS["deep"], _DEEP, _whole(1)),
                ),
            ),
        )
    }
)


def sky_kind(name: str) -> Kind:
    """Return the kind of mock sky that a user named.

    Raises:
        UsageError: there is none; the message names the nearest.

    Example:
        >>> sky_kind("depth").classes
        ('spiral', 'elliptical', 'merger')
    """
    found = KINDS.get(name.strip().lower())
    if found is None:
        raise UsageError(f"There is no mock sky {name!r}. {nearest(name, KINDS)}")
    return found


def class_of(classes: Mapping[str, float], number: int) -> str:
    """Return the class of a galaxy: shares are kept by every run of numbers, whatever the count.

    Multiples of the golden ratio fill the unit interval evenly.

    Example:
        >>> [class_of({"a": 0.5, "b": 0.5}, n) for n in range(6)]
        ['a', 'b', 'a', 'b', 'a', 'a']
    """
    edges = np.cumsum(list(classes.values()))
    place = (number * _GOLDEN) % 1.0 * edges[-1]
    return list(classes)[int(np.searchsorted(edges, place, side="right"))]
