"""From numbers to images: which galaxy, from which side, recorded by which survey."""

from dataclasses import dataclass

import numpy as np

from dagnn.mocks.sky.drawing import Pixels, displayed, draw_brightness, expose, neighbours
from dagnn.mocks.sky.kinds import CLASSES, Kind, Sample, Scene, class_of
from dagnn.mocks.sky.parts import Parts, inclined, spin, turned
from dagnn.mocks.sky.surveys import Survey

# Random streams of one galaxy, side by side: a change in one leaves the others as they were.
_GALAXY, _SIDE, _FIELD, _EXPOSURE = range(4)


@dataclass(frozen=True)
class Item:
    """One image of a survey.

    Attributes:
        block: which set of galaxies.
        number: of the galaxy in its block.
        view: which of its images.
        part: part of the split, or nothing.
        label: name of its class.
    """

    block: int
    number: int
    view: int
    part: str
    label: str

    @property
    def object_id(self) -> str:
        """Name of the galaxy: the same in every survey that sees it."""
        return f"mock{self.block}-{self.number:06d}"


def items(kind: Kind, sample: Sample, count: int) -> list[Item]:
    """Return the first ``count`` images of a survey."""
    edges = np.cumsum([share.fraction for share in sample.shares])
    ends = np.rint(edges / edges[-1] * count).astype(int)
    starts = np.concatenate([[0], ends[:-1]])
    return [
        Item(
            share.block,
            place // kind.views,
            place % kind.views,
            share.part,
            class_of(sample.classes, place // kind.views),
        )
        for share, start, end in zip(sample.shares, starts, ends, strict=True)
        for place in range(end - start)
    ]


def make_scene(kind: Kind, item: Item, seed: int) -> Scene:
    """Make the galaxy of an image; flux, size and colour are drawn alike for every class."""
    rng = _stream(kind, item, seed, _GALAXY)
    log_flux = rng.normal(scale=0.35)
    flux = 100.0 * np.exp(log_flux)
    radius = 1.7 * np.exp(0.35 * log_flux + rng.normal(scale=0.2))
    return CLASSES[item.label](rng, float(flux), float(radius), float(rng.normal(scale=0.07)))


def make_image(kind: Kind, survey: Survey, item: Item, seed: int) -> Pixels:
    """Make one image ``[3, H, W]``."""
    scene = make_scene(kind, item, seed)
    seen = _looked_at(scene, _stream(kind, item, seed, _SIDE, item.view))
    around = neighbours(survey, _stream(kind, item, seed, _FIELD, item.view))
    rng = _stream(kind, item, seed, _EXPOSURE, item.view, survey.stream)
    seeing = survey.seeing * np.exp(rng.normal(scale=survey.seeing_scatter))
    bend = rng.normal(scale=0.02, size=2).clip(-0.08, 0.08)
    brightness = draw_brightness(
        (*seen, *around), survey, float(seeing), (float(bend[0]), float(bend[1]))
    )
    return displayed(expose(brightness, survey, rng), survey)


def _stream(kind: Kind, item: Item, seed: int, *key: int) -> np.random.Generator:
    spawn = (kind.stream, item.block, item.number, *key)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn))


def _looked_at(scene: Scene, rng: np.random.Generator) -> Parts:
    """Return a scene as seen from a random side within its limits."""
    lowest, highest = np.cos(np.radians(scene.inclinations))
    tilt = float(np.arccos(rng.uniform(min(lowest, highest), max(lowest, highest))))
    turn, roll = rng.uniform(0, 2 * np.pi, size=2)
    return turned(scene.parts, spin(roll) @ inclined(tilt) @ spin(turn))
