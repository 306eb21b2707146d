"""Surveys of images: names resolve to files, files to one table, labels to classes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dagnn.data.image_files import Block, name_inside, read_array, read_blocks
from dagnn.data.image_paths import (
    GROUP_WORDS,
    LABEL_WORDS,
    find_beside,
    find_images,
    find_surveys,
    siblings,
)
from dagnn.data.images import Images, about_identical
from dagnn.data.mocking import skies
from dagnn.data.pixels import (
    LAYOUTS,
    about_depth,
    brightness,
    channels_first,
    kinds_of,
    label_names,
    require_one_scale,
    resized,
    texts,
    usable,
)
from dagnn.data.requests import IMAGES, Inputs, Loaded, Mocks, Modality, Request, Truth
from dagnn.errors import DagnnError, DataError, MismatchError, UsageError, nearest
from dagnn.records import Coverage, IntArray

Array = NDArray[Any]

# Class number of an image whose class is not requested.
UNWANTED = -2


class SurveyImages(Modality):
    """Images of galaxies with their classes; a suite is any survey that has files.

    Args:
        images: file pattern below the data folder with ``{suite}``, ``{part}`` (train,
            valid, test) and wildcards, for example ``gz_{suite}.npz``; None looks in the
            usual places, see :data:`dagnn.data.image_paths.PATTERNS`.
        labels: pattern of the files of labels; None looks into and beside the images.
        groups: pattern of files of group ids, one per image: images of one group show
            one object. None looks into and beside the images.
        classes: names of the classes that the network learns, in order; images of other
            classes are left out. Where files number their classes, this names them. None
            learns every class of the sources.
        unknown: classes that the network does not learn and whose images are kept in the
            targets, as things it has never seen. Without ``classes``, every class that no
            source has is one.
        layout: ``channels_first``, ``channels_last``, or ``auto``.
        crop: cut out the central square of this many pixels.
        size: resample to a square of this many pixels.
        mock_images: how many mock images per survey to make where there are no data.
    """

    def __init__(
        self,
        images: str | None = None,
        labels: str | None = None,
        groups: str | None = None,
        classes: list[str] | None = None,
        unknown: list[str] | None = None,
        layout: str = "auto",
        crop: int | None = None,
        size: int | None = None,
        mock_images: int = 3000,
    ) -> None:
        if layout not in LAYOUTS:
            raise ValueError(f"unknown layout {layout!r}. {nearest(layout, LAYOUTS)}")
        for pattern in (images, labels, groups):
            if pattern is not None and "{suite}" not in pattern:
                raise ValueError(f"the pattern {pattern!r} has no {{suite}} where the name stands")
            if pattern is not None and Path(pattern).is_absolute():
                raise ValueError(f"the pattern {pattern!r} must start below the data folder")
        both = {c.casefold() for c in classes or ()} & {u.casefold() for u in unknown or ()}
        if both:
            raise ValueError(f"{', '.join(sorted(both))} cannot be known and unknown at once")
        if classes is not None and len(set(classes)) < max(len(classes), 2):
            raise ValueError(f"classes needs at least two different names, got {classes}")
        if any(pixels is not None and pixels < 1 for pixels in (crop, size, mock_images)):
            raise ValueError("crop, size and mock_images count, so they must be positive")
        self.images, self.labels, self.groups = images, labels, groups
        self.classes = tuple(classes) if classes is not None else None
        self.unknown = tuple(unknown or ())
        self.layout, self.crop, self.size = layout, crop, size
        self.mock_images = mock_images

    # An object id names the same galaxy in every survey.
    shared_objects = True
    reads = IMAGES

    def name(self, suite: str) -> str:
        """Return the name of a survey in small letters.

        Raises:
            UsageError: it is a path and not a name.
        """
        if not suite.strip() or any(sign in suite for sign in "/\\*?[]{}"):
            raise UsageError(f"{suite!r} is not the name of a survey. Name a folder with --data.")
        return suite.strip().casefold()

    def truth(
        self, sources: Sequence[str], targets: Sequence[str], parameters: Sequence[str], data: Path
    ) -> Truth:
        """Return the classes: those of the configuration, or all that the sources have.

        Raises:
            DataError: the sources have fewer than two classes.
        """
        if self.classes is not None:
            return Truth(classes=self.classes)
        folded = [name.casefold() for name in self.unknown]
        found: dict[str, None] = {}
        for suite in sources:
            blocks = self._blocks(self.name(suite), data)
            present = {name for block in blocks for name in set(self._names_of(block).tolist())}
            # The file's own order where it tells one; numbers would sort as text otherwise.
            told = [name for block in blocks for name in block.names or ()]
            order = [*told, *sorted(present, key=lambda name: (len(name), name))]
            in_order = [name for name in order if name in present - {""}]
            found |= dict.fromkeys(n for n in in_order if n.casefold() not in folded)
        if len(found) < 2:
            looked = "" if found else f" ({_looked_for(blocks)})"
            raise DataError(
                f"The images of {', '.join(sources)} in {data} have "
                f"{'only the class ' + ', '.join(found) if found else 'no labels'}{looked}; a "
                "source needs labels of at least two classes. Name their file with --set "
                "'data.labels={suite}_labels.npy'."
            )
        return Truth(classes=tuple(found))

    def mocks(self, suites: Sequence[str], boxes: int) -> Mocks:
        """Return the mock sky that has these surveys."""
        return skies([self.name(suite) for suite in suites], self.mock_images)

    def suites(self, request: Request) -> tuple[str, ...]:
        """Return the surveys that the pattern of file names finds."""
        found = (self.name(survey.name) for survey in find_surveys(request.data)[0])
        return tuple(name for name in dict.fromkeys(found) if self._finds(name, request.data))

    def _finds(self, name: str, data: Path) -> bool:
        try:
            return bool(find_images(data, name, self.images))
        except DagnnError:
            return False

    def find(self, request: Request) -> None:
        """Check that a survey is there."""
        find_images(request.data, self.name(str(request.suite)), self.images)

    def load(self, request: Request) -> Loaded:
        """Read the images of a survey.

        Raises:
            MissingDataError: there are no such files.
            DataError: files do not fit together, or no image is left.
        """
        name = self.name(str(request.suite))
        classes = request.classes or self.truth([name], [], [], request.data).classes
        blocks = self._blocks(name, request.data)
        pixels, table, notes = self._joined(blocks)
        sampled = table
        if request.limit is not None and request.limit < len(table):
            # Drawn at random: the first ones would share a class where a file is sorted by class.
            drawn = np.random.default_rng(0).permutation(len(table))[: request.limit]
            sampled = table.iloc[np.sort(drawn)]
            pixels = pixels[sampled.index]
        numbers = self._numbers(sampled["label"].to_numpy(), classes, name)
        keep, left_out = _usable(pixels, numbers, len(classes), request.labelled, name)
        if len(keep) < len(sampled):
            pixels = pixels[keep]
        used, numbers = sampled.iloc[keep], numbers[keep]
        labels, parts = used["label"].tolist(), tuple(used["part"])
        dataset = Images(pixels, used["id"].tolist(), numbers, classes, used["group"].tolist())
        if request.on_progress is not None:
            request.on_progress(len(dataset), len(dataset))
        unused = {
            "beyond the limit": tuple(table["id"].drop(index=sampled.index)),
            "not usable": tuple(sampled["id"].drop(index=used.index)),
        }
        return Loaded(
            dataset,
            any(block.mock for block in blocks),
            dataset.fingerprint,
            (
                *left_out,
                *notes,
                *_cut_groups(dataset.groups, parts),
                *about_identical(dataset.ids, labels, dataset.contents),
                *_about_labels(blocks, labels, request.labelled),
                *_about_unknown(used["label"][numbers == len(classes)].tolist()),
            ),
            parts=parts,
            coverage=Coverage(len(table), unused, item="images"),
            inputs=self._inputs,
        )

    def read(self, files: Sequence[Path], request: Request) -> Loaded:
        """Read loose files; their labels, if they have any, are not read.

        Raises:
            UsageError: an archive has images of several surveys, and the request names none of
                them.
        """
        suite = str(request.suite) or None
        named = {file: name_inside(Path(file), suite) for file in files}
        blocks = [block for file in files for block in read_blocks(Path(file), named[file])]
        blocks = [Block(b.path, b.pixels, ids=b.ids, mock=b.mock) for b in blocks]
        pixels, table, _ = self._joined(blocks)
        finite = usable(pixels)
        if not finite.all():
            raise DataError(f"{table['id'][~finite].iloc[0]} has pixels that are not finite.")
        unlabelled = np.full(len(table), -1)
        dataset = Images(pixels, table["id"].tolist(), unlabelled, request.classes)
        names = set(named.values())
        return Loaded(
            dataset,
            any(block.mock for block in blocks),
            "",
            suite=names.pop() if len(names) == 1 else None,
            inputs=self._inputs,
        )

    @property
    def _inputs(self) -> Inputs:
        return Inputs({"crop": self.crop, "size": self.size})

    def _blocks(self, name: str, data: Path) -> list[Block]:
        """Read every file of a survey, with labels and groups from beside it."""
        return [
            self._completed(block.in_part(part), data, name)
            for path, part in find_images(data, name, self.images)
            for block in read_blocks(path, name)
        ]

    def _completed(self, block: Block, data: Path, name: str) -> Block:
        if block.labels is None or self.labels is not None:
            file = find_beside(block.path, data, name, self.labels, LABEL_WORDS)
            if file is not None:
                beside = _labels_in(file, name)
                names = block.names or beside.names
                block = replace(block, labels=beside.labels, names=names, labels_path=file)
        if block.groups is None or self.groups is not None:
            file = find_beside(block.path, data, name, self.groups, GROUP_WORDS)
            block = block if file is None else replace(block, groups=read_array(file))
        return block

    def _names_of(self, block: Block) -> Array:
        numbered = (*self.classes, *self.unknown) if self.classes is not None else None
        names = block.names or numbered
        return label_names(block.labels, names, len(block.pixels), block.labels_path or block.path)

    def _joined(self, blocks: Sequence[Block]) -> tuple[Array, pd.DataFrame, list[str]]:
        """Join what the files of one survey hold.

        Returns:
            Pixels ``[n, C, H, W]``; a table of id, label, group and part of every image, where
            an empty label or part means none; and notes on the images as a whole.

        Raises:
            MismatchError: images differ in shape or in the scale of their brightness, or ids or
                groups in number.
        """
        pixels = [self._prepared(block) for block in blocks]
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
        table = pd.concat([self._table_of(block) for block in blocks], ignore_index=True)
        # Images that share an id show one object, from several sides.
        if table["id"].duplicated().any():
            table["id"] += "#" + table.groupby("id").cumcount().astype(str)
        joined = pixels[0] if len(pixels) == 1 else np.concatenate(pixels)
        return joined, table, about_depth(kinds)

    def _table_of(self, block: Block) -> pd.DataFrame:
        ids = _one_per_image(block, "ids", block.ids)
        ids = ids or [f"{block.path.stem}[{row}]" for row in range(len(block.pixels))]
        return pd.DataFrame(
            {
                "id": ids,
                "label": self._names_of(block).tolist(),
                "group": _one_per_image(block, "groups", block.groups) or ids,
                "part": list(block.parts) or [""] * len(ids),
            },
            dtype=object,
        )

    def _prepared(self, block: Block) -> Array:
        pixels = channels_first(block.pixels, block.path, self.layout)
        if len(pixels) == 0:
            raise DataError(f"{block.path} holds no image.")
        return resized(pixels, self.crop, self.size)

    def _numbers(self, labels: Array, classes: Sequence[str], suite: str) -> IntArray:
        """Return class numbers; K: unknown to the network, −1: no label, −2: not wanted."""
        folded = [name.casefold() for name in classes]
        other = UNWANTED if self.classes is not None else len(classes)
        number = dict.fromkeys((name.casefold() for name in self.unknown), len(classes))
        number |= {name: place for place, name in enumerate(folded)} | {"": -1}
        found = np.array([number.get(name.casefold(), other) for name in labels.tolist()])
        named = sorted(set(labels.tolist()) - {""})
        if named and not set(folded) & {name.casefold() for name in named}:
            raise MismatchError(
                f"{suite} has the classes {', '.join(named)}, none of which is wanted "
                f"({', '.join(classes)}). Name those to tell apart: "
                f"--set 'data.classes=[{', '.join(named)}]'"
            )
        return found.astype(np.int64)


def _looked_for(blocks: Sequence[Block]) -> str:
    """Describe where labels were looked for, and not found."""
    path = blocks[0].path
    beside = [f"for {found.name}" for found in siblings(path, LABEL_WORDS)[:1]]
    return f"looked in {' and '.join([path.name, *beside])}"


def _about_labels(blocks: Sequence[Block], labels: Sequence[str], labelled: bool) -> list[str]:
    """Note what missing labels and names mean for the report."""
    known = sum(label != "" for label in labels)
    if not known:
        return [
            f"no image has a label ({_looked_for(blocks)}), so nothing is measured on it; "
            "predictions.csv tells what its images are taken for"
        ]
    notes = []
    if known < len(labels) and not labelled:
        notes.append(f"{len(labels) - known} of {len(labels)} images have no label")
    if labelled and all(name.isdigit() for name in labels if name):
        notes.append("its classes are called by their numbers; data.classes names them in order")
    return notes


def _about_unknown(labels: Sequence[str]) -> list[str]:
    """Name the classes of the images that are kept though no source has them."""
    if not labels:
        return []
    names = ", ".join(sorted(set(labels)))
    return [f"unknown classes, which no source teaches: {names} ({len(labels)} of the images)"]


def _labels_in(file: Path, suite: str) -> Block:
    """Return the labels in a file of their own."""
    if file.suffix.lower() in (".npy", ".txt", ".csv"):
        labels = read_array(file)
        return Block(file, labels, labels=labels)
    return read_blocks(file, suite)[0]


def _one_per_image(block: Block, what: str, values: Array | None) -> list[str]:
    if values is None:
        return []
    if values.size != len(block.pixels):
        raise MismatchError(
            f"{block.path}: {len(block.pixels)} images, but {values.size} {what}; one per image "
            "is needed."
        )
    return texts(values)


def _usable(
    pixels: Array, numbers: IntArray, classes: int, labelled: bool, suite: str
) -> tuple[IntArray, list[str]]:
    """Return the images that can be used, and notes on how many cannot.

    Args:
        pixels: all images ``[n, C, H, W]``.
        numbers: class of each ``[n]``; ``K``: unknown to the network, −1: no label,
            −2: not requested.
        classes: number of known classes ``K``.
        labelled: whether only images of known class are of use.
        suite: name of the survey, for the error message.

    Raises:
        DataError: none is usable.
    """
    finite = usable(pixels)
    unwanted = numbers == UNWANTED
    # Training on a source needs a known class.
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
    return keep, notes


def _cut_groups(groups: Sequence[str], survey_parts: Sequence[str]) -> list[str]:
    """Warn where the files themselves put images of one object into several parts."""
    parts: dict[str, set[str]] = {}
    for group, part in zip(groups, survey_parts, strict=True):
        parts.setdefault(group, set()).add(part)
    cut = sum(len(of_one - {""}) > 1 for of_one in parts.values())
    return [f"the files put {cut} objects into more than one part of the split"] if cut else []
