"""One survey as a table of images: files joined, names checked, useless items left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.data.image_arrays import usable
from dagnn.data.image_depth import about_depth, brightness, kinds_of, require_one_scale
from dagnn.data.image_files import Block, texts
from dagnn.errors import DataError, MismatchError
from dagnn.records import IntArray

Array = NDArray[Any]

# Class number of an image that was not asked for.
UNWANTED = -2


@dataclass(frozen=True)
class Survey:
    """All images of a survey.

    Attributes:
        pixels: ``[n, C, H, W]``.
        labels: name of each image's class ``[n]``, empty without label.
        ids: one name per image ``[n]``, each once.
        groups: images of one object share it ``[n]``.
        parts: part of a split that the files name ``[n]``, or empty.
        mock: whether any of it is synthetic.
        notes: what is odd about the images as a whole.
    """

    pixels: Array
    labels: Array
    ids: Array
    groups: Array
    parts: Array
    mock: bool
    notes: tuple[str, ...] = ()

    def only(self, rows: Array) -> "Survey":
        """Return the survey with some of its images."""
        return Survey(
            self.pixels[rows],
            self.labels[rows],
            self.ids[rows],
            self.groups[rows],
            self.parts[rows],
            self.mock,
            self.notes,
        )

    def sample(self, limit: int | None) -> "Survey":
        """Return at most ``limit`` images, the same ones each time.

        Drawn at random: the first ones would share a class where a file is sorted by class.
        """
        if limit is None or limit >= len(self.ids):
            return self
        return self.only(np.sort(np.random.default_rng(0).permutation(len(self.ids))[:limit]))


def join_blocks(
    blocks: Sequence[Block], pixels: Sequence[Array], labels: Sequence[Array]
) -> Survey:
    """Join what the files of one survey hold.

    Args:
        blocks: one per file.
        pixels: of each, ``[n, C, H, W]``.
        labels: of each, names of classes ``[n]``.

    Raises:
        MismatchError: images differ in shape or in the scale of their brightness, or ids or
            groups in number.
    """
    shapes = {p.shape[1:]: b.path for p, b in zip(pixels, blocks, strict=True)}
    if len(shapes) > 1:
        listed = ", ".join(f"{path.name} {list(shape)}" for shape, path in shapes.items())
        raise MismatchError(
            f"Images of one survey differ in shape ([channels, height, width]): {listed}. "
            "data.size makes heights and widths equal; channels must be equal in the files."
        )
    kinds = frozenset().union(*(kinds_of(block.pixels) for block in blocks))
    require_one_scale(kinds, " and ".join(dict.fromkeys(str(block.path) for block in blocks)))
    if len({each.dtype for each in pixels}) > 1:
        pixels = [brightness(each) for each in pixels]
    ids = [_one_per_image(b, "ids", b.ids, _rows(b)) for b in blocks]
    groups = [_one_per_image(b, "groups", b.groups, i) for b, i in zip(blocks, ids, strict=True)]
    parts = [np.array(b.parts or [""] * len(b.pixels)) for b in blocks]
    return Survey(
        pixels[0] if len(pixels) == 1 else np.concatenate(pixels),
        np.concatenate(labels),
        _unique(np.concatenate(ids)),
        np.concatenate(groups),
        np.concatenate(parts),
        any(block.mock for block in blocks),
        tuple(about_depth(kinds)),
    )


def _one_per_image(block: Block, what: str, values: Array | None, default: Array) -> Array:
    if values is None:
        return default
    if values.size != len(block.pixels):
        raise MismatchError(
            f"{block.path}: {len(block.pixels)} images, but {values.size} {what}; one per image "
            "is needed."
        )
    return np.array(texts(values))


def _rows(block: Block) -> Array:
    return np.array([f"{block.path.stem}[{row}]" for row in range(len(block.pixels))])


def _unique(ids: Array) -> Array:
    """Number the images that share an id: they show one object, from several sides."""
    if len(set(ids.tolist())) == len(ids):
        return ids
    seen: dict[str, int] = {}
    numbered = []
    for name in ids.tolist():
        seen[name] = seen.get(name, -1) + 1
        numbered.append(f"{name}#{seen[name]}")
    return np.array(numbered)


def keep_usable(
    survey: Survey, numbers: IntArray, classes: int, labelled: bool, suite: str
) -> tuple[Survey, IntArray, list[str]]:
    """Leave out what cannot be used, and say how many.

    Args:
        survey: all images.
        numbers: class of each ``[n]``; ``K``: unknown to the network, −1: no label,
            −2: not wanted.
        classes: number of known classes ``K``.
        labelled: whether only images of known class are of use.
        suite: name of the survey, for the error message.

    Returns:
        The images that stay, their class numbers, and notes.

    Raises:
        DataError: none stays.
    """
    finite = usable(survey.pixels)
    unwanted = numbers == UNWANTED
    # A source teaches; what has no class to teach is of no use there.
    mute = ((numbers == -1) | (numbers == classes)) & labelled
    reasons = (
        (~finite, "with pixels that are not finite"),
        (unwanted, "of a class that is not asked for"),
        (mute & finite, "without a known class to learn from"),
    )
    notes = [
        f"left out {rows.sum()} of {len(rows)} images {why}" for rows, why in reasons if rows.any()
    ]
    keep = np.flatnonzero(finite & ~unwanted & ~mute)
    if len(keep) == 0:
        raise DataError(f"No image of {suite} can be used: {'; '.join(notes)}.")
    kept = survey if len(keep) == len(numbers) else survey.only(keep)
    return kept, numbers[keep], notes


def cut_groups(groups: Sequence[str], survey_parts: Sequence[str]) -> list[str]:
    """Warn where the files themselves put images of one object into several parts."""
    parts: dict[str, set[str]] = {}
    for group, part in zip(groups, survey_parts, strict=True):
        parts.setdefault(group, set()).add(part)
    cut = sum(len(of_one - {""}) > 1 for of_one in parts.values())
    return [f"the files put {cut} objects into more than one part of the split"] if cut else []
