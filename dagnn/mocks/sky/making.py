"""Whole mock skies on disk: one archive of images per survey, as the image reader reads them."""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.cache import default_cache
from dagnn.errors import UsageError
from dagnn.files import atomic_path
from dagnn.mocks.processes import each
from dagnn.mocks.sky.drawing import Pixels, galsim_library
from dagnn.mocks.sky.kinds import Kind, Sample, sky_kind
from dagnn.mocks.sky.objects import Item, items, make_image

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
