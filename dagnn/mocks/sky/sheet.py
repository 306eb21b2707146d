"""A contact sheet: some images of every class and survey on one page."""

from pathlib import Path

import numpy as np

from dagnn.errors import MissingDataError
from dagnn.files import atomic_path
from dagnn.mocks.sky.drawing import Pixels
from dagnn.mocks.sky.kinds import sky_kind


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
