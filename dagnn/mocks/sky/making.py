"""Whole mock skies on disk: one archive of images per survey, as the image reader reads them."""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.cache import default_cache
from dagnn.errors import MissingDataError, UsageError
from dagnn.files import atomic_path
from dagnn.mocks.sky.galaxies import Parts, inclined, spin, turned
from dagnn.mocks.sky.imaging import (
    Pixels,
    Survey,
    displayed,
    draw_brightness,
    expose,
    galsim_library,
    neighbours,
)
from dagnn.mocks.sky.kinds import CLASSES, Kind, Sample, Scene, class_of, sky_kind
from dagnn.workers import each

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


RECIPE = 2  # raise it when the code gives other pixels for the same seed and constants
_CHUNK = 24  # images per task

Progress = Callable[[int, int], None]


def sky_recipe(kind: str) -> str:
    """Return what, besides seed and number, decides the images: code version and constants."""
    return f"{RECIPE}-{zlib.crc32(repr(sky_kind(kind)).encode()):08x}"


def sky_folder(kind: str, count: int, seed: int = 0) -> Path:
    """Return the folder of the cache where a mock sky is kept."""
    name = sky_kind(kind).name
    return default_cache() / f"sky-{name}-{sky_recipe(kind)}-{count}-{seed}"


def make_sky(
    kind: str,
    out: Path | str | None = None,
    *,
    count: int = 3000,
    seed: int = 0,
    workers: int = 1,
    on_progress: Progress | None = None,
) -> Path:
    """Make the surveys of a mock sky, or those that are missing.

    Every survey becomes ``{survey}.npz`` with ``images`` (``[n, 3, H, W]`` of 8 bits),
    ``labels``, ``label_names``, ``object_id`` (equal for images of one galaxy, in all
    surveys of the kind), ``split`` where training and test are given, and ``mock``. A
    file appears when it is complete. An image depends on kind, seed and its place alone.

    Args:
        kind: ``mergers``, ``depth`` or ``universal``, see :data:`dagnn.mocks.sky.KINDS`.
        out: folder to fill; None takes one of the cache.
        count: images per survey.
        seed: of everything random.
        workers: number of processes.
        on_progress: called with (images done, images in all), first before any is made.

    Returns:
        The folder with the archives.

    Raises:
        UsageError: the folder holds other files of these names; too few images.
        MissingPackageError: GalSim is not installed.
    """
    sky = sky_kind(kind)
    if count < 1:
        raise UsageError(f"A mock sky needs at least one image; {count} were asked for.")
    folder = Path(out) if out is not None else sky_folder(kind, count, seed)
    stamp = {"kind": sky.name, "recipe": sky_recipe(kind), "seed": seed, "count": count}
    todo = [s for s in sky.samples if not _is_there(folder / f"{s.survey.name}.npz", stamp)]
    if todo:
        galsim_library()  # an absent package is noticed before processes start
    done, total = (len(sky.samples) - len(todo)) * count, len(sky.samples) * count
    report = on_progress or (lambda done, total: None)
    report(done, total)

    def advance(made: int) -> None:
        nonlocal done
        done += made
        report(done, total)

    for sample, wanted, images in _recorded(sky, todo, count, seed, workers, advance):
        _write(folder / f"{sample.survey.name}.npz", sky, images, wanted, stamp)
    return folder


def _recorded(
    kind: Kind,
    samples: Sequence[Sample],
    count: int,
    seed: int,
    workers: int,
    advance: Callable[[int], None],
) -> Iterator[tuple[Sample, list[Item], Pixels]]:
    """Make the images of surveys in chunks, yielding every survey when it is complete."""
    wanted = [items(kind, sample, count) for sample in samples]
    places = [(which, i) for which in range(len(samples)) for i in range(0, count, _CHUNK)]
    tasks = [
        (kind.name, samples[which].survey.name, wanted[which][i : i + _CHUNK], seed)
        for which, i in places
    ]
    chunks: dict[int, dict[int, Pixels]] = {which: {} for which in range(len(samples))}
    for number, images in each(make_images, tasks, workers):
        which, start = places[number]
        chunks[which][start] = images
        advance(len(images))
        if sum(map(len, chunks[which].values())) == count:
            whole = np.concatenate([chunk for _, chunk in sorted(chunks.pop(which).items())])
            yield samples[which], wanted[which], whole


def make_images(kind: str, survey: str, wanted: Sequence[Item], seed: int) -> Pixels:
    """Make some images of a survey, ``[n, 3, H, W]``."""
    sky = sky_kind(kind)
    sample = _sample(sky, survey)
    return np.stack([make_image(sky, sample.survey, item, seed) for item in wanted])


def _sample(kind: Kind, survey: str) -> Sample:
    return next(sample for sample in kind.samples if sample.survey.name == survey)


def _is_there(path: Path, stamp: dict[str, Any]) -> bool:
    """Tell whether an archive is the one that is wanted.

    Raises:
        UsageError: it is another one.
    """
    if not path.is_file():
        return False
    try:
        with np.load(path, allow_pickle=False) as archive:
            held = {key: archive[key].item() for key in stamp if key in archive}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        held = {}
    if held == stamp:
        return True
    what = ", ".join(f"{key} {value}" for key, value in held.items()) or "no mock of this program"
    asked = ", ".join(f"{key} {value}" for key, value in stamp.items())
    raise UsageError(
        f"{path} holds other images ({what}) than asked for ({asked}). Give another folder with "
        "--out, or remove the file."
    )


def _write(
    path: Path, kind: Kind, images: Pixels, wanted: Sequence[Item], stamp: dict[str, Any]
) -> None:
    labels = [kind.classes.index(item.label) for item in wanted]
    arrays: dict[str, NDArray[Any]] = {
        "images": images,
        "labels": np.array(labels, dtype=np.int64),
        "label_names": np.array(kind.classes),
        "object_id": np.array([item.object_id for item in wanted]),
        "mock": np.array(True),
    }
    if any(item.part for item in wanted):
        arrays["split"] = np.array([item.part for item in wanted])
    arrays |= {key: np.array(value) for key, value in stamp.items()}
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def contact_sheet(folder: Path, kind: str, path: Path, columns: int = 12, rows: int = 2) -> Path:
    """Write a PNG of the first images of every class in every survey of a mock sky.

    Args:
        folder: with the archives.
        kind: which mock sky it is.
        path: of the PNG.
        columns: images per row.
        rows: per class and survey.

    Raises:
        MissingDataError: the folder has no such archives.
    """
    from matplotlib.figure import Figure

    strips: list[tuple[str, Pixels]] = []
    for sample in sky_kind(kind).samples:
        archive = folder / f"{sample.survey.name}.npz"
        if not archive.is_file():
            raise MissingDataError(f"There is no {archive}; make it with: dagnn mock sky.")
        strips += _strips(archive, columns, rows)
    heights = [strip.shape[0] / strip.shape[1] for _, strip in strips]
    width = 1.0 * columns
    figure = Figure(figsize=(width + 1.2, width * sum(heights) + 0.4), layout="constrained")
    axes = figure.subplots(len(strips), 1, squeeze=False, height_ratios=heights)[:, 0]
    for (title, strip), axis in zip(strips, axes, strict=True):
        axis.imshow(strip, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
        axis.set_ylabel(title, fontsize=9)
    figure.suptitle(f"MOCK sky, kind {kind}", fontsize=10)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
    return path


def _strips(archive: Path, columns: int, rows: int) -> list[tuple[str, Pixels]]:
    """Return a mosaic ``[H, W, 3]`` per class of a survey."""
    with np.load(archive, allow_pickle=False) as held:
        images, labels = held["images"], held["labels"]
        names, ids = held["label_names"], held["object_id"]
    strips = []
    for number, name in enumerate(names.tolist()):
        of_class = np.flatnonzero(labels == number)
        _, first = np.unique(ids[of_class], return_index=True)  # one view of each galaxy
        chosen = of_class[np.sort(first)][: columns * rows]
        if len(chosen):
            strips.append((f"{archive.stem}\n{name}", _mosaic(images[chosen], columns)))
    return strips


def _mosaic(images: Pixels, columns: int) -> Pixels:
    """Set images ``[n, 3, H, W]`` side by side, white where there is none."""
    count, _, height, width = images.shape
    rows = -(-count // columns)
    page = np.full((rows * columns, height, width, 3), 255, np.uint8)
    page[:count] = images.transpose(0, 2, 3, 1)
    grid = page.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * height, columns * width, 3)
