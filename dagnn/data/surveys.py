"""Surveys of images: names resolve to files, labels to classes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.cache import Shard
from dagnn.catalogs.tables import ParameterTable
from dagnn.data.identical import about_identical
from dagnn.data.image_arrays import LAYOUTS, channels_first, label_names, resized, usable
from dagnn.data.image_files import Block, name_inside, read_array, read_blocks
from dagnn.data.image_paths import (
    GROUP_WORDS,
    LABEL_WORDS,
    find_beside,
    find_images,
    siblings,
)
from dagnn.data.images import Images
from dagnn.data.inputs import Inputs
from dagnn.data.kinds import IMAGES
from dagnn.data.mocking import skies
from dagnn.data.requests import Loaded, Mocks, Request
from dagnn.data.survey_search import find_surveys
from dagnn.data.survey_table import UNWANTED, Survey, cut_groups, join_blocks, keep_usable
from dagnn.data.truth import NO_PARAMETERS, Truth
from dagnn.errors import ConfigError, DagnnError, DataError, MismatchError, UsageError, nearest
from dagnn.parameters import Scaling
from dagnn.records import Coverage, IntArray

Array = NDArray[Any]


class SurveyImages:
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

    def prior(self, suite: str, parameter: str) -> tuple[float, float]:
        """Refuse: images are asked for classes."""
        raise ConfigError(f"Images have classes, not parameters such as {parameter}.")

    def mocks(self, suites: Sequence[str], boxes: int) -> Mocks:
        """Return the mock sky that has these surveys."""
        return skies([self.name(suite) for suite in suites], self.mock_images)

    def suites(self, data: Path, set_name: str, volume: str = "L25n256") -> tuple[str, ...]:
        """Return the surveys that the pattern of file names finds."""
        found = (self.name(survey.name) for survey in find_surveys(data)[0])
        return tuple(name for name in dict.fromkeys(found) if self._finds(name, data))

    def _finds(self, name: str, data: Path) -> bool:
        try:
            return bool(find_images(data, name, self.images))
        except DagnnError:
            return False

    def redshifts(
        self, suite: str, data: Path, set_name: str, volume: str = "L25n256"
    ) -> tuple[float, ...]:
        """Return nothing: images are not snapshots."""
        return ()

    def table(
        self, suite: str, data: Path, set_name: str, volume: str = "L25n256"
    ) -> ParameterTable | None:
        """Return nothing: images have no parameters."""
        return None

    def find(self, request: Request) -> None:
        """See that a survey is there."""
        find_images(request.data, self.name(str(request.suite)), self.images)

    def prepare(self, request: Request, shard: Shard) -> None:
        """See that a survey is there; its images are read from a few files at once."""
        self.find(request)

    def shared_options(self, requests: Sequence[Request], trained: Inputs) -> dict[str, Any]:
        """Return nothing: the configuration sets every option."""
        return {}

    def load(self, request: Request) -> Loaded:
        """Read the images of a survey.

        Raises:
            MissingDataError: there are no such files.
            DataError: files do not fit together, or no image is left.
        """
        name = self.name(str(request.suite))
        classes = request.classes or self.truth([name], [], [], request.data).classes
        blocks = self._blocks(name, request.data)
        every = self._survey(blocks)
        survey = sampled = every.sample(request.limit)
        numbers = self._numbers(survey.labels, classes, name)
        survey, numbers, notes = keep_usable(survey, numbers, len(classes), request.labelled, name)
        dataset = Images(
            survey.pixels, survey.ids.tolist(), numbers, classes, survey.groups.tolist()
        )
        notes += [*survey.notes, *cut_groups(dataset.groups, survey.parts.tolist())]
        notes += about_identical(dataset.ids, survey.labels.tolist(), dataset.contents)
        notes += _about_labels(blocks, survey, request.labelled)
        notes += _about_unknown(survey.labels[numbers == len(classes)])
        if request.on_progress is not None:
            request.on_progress(len(dataset), len(dataset))
        parts = tuple(survey.parts.tolist())
        coverage = _coverage(every, sampled, survey)
        return Loaded(
            dataset,
            survey.mock,
            dataset.fingerprint,
            tuple(notes),
            parts=parts,
            coverage=coverage,
            inputs=self._inputs,
        )

    def read(
        self,
        files: Sequence[Path],
        scaling: Scaling = NO_PARAMETERS,
        redshifts: Sequence[float] = (0.0,),
        volume: str | None = None,
        classes: Sequence[str] = (),
        suite: str | None = None,
    ) -> Loaded:
        """Read loose files; their labels, if they have any, are not read.

        Raises:
            UsageError: an archive has images of several surveys, and ``suite`` is none of them.
        """
        named = {file: name_inside(Path(file), suite) for file in files}
        blocks = [block for file in files for block in read_blocks(Path(file), named[file])]
        survey = self._survey([Block(b.path, b.pixels, ids=b.ids, mock=b.mock) for b in blocks])
        finite = usable(survey.pixels)
        if not finite.all():
            raise DataError(f"{survey.ids[~finite][0]} has pixels that are not finite.")
        dataset = Images(survey.pixels, survey.ids.tolist(), np.full(len(finite), -1), classes)
        names = set(named.values())
        named_suite = names.pop() if len(names) == 1 else None
        return Loaded(dataset, survey.mock, "", suite=named_suite, inputs=self._inputs)

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

    def _survey(self, blocks: Sequence[Block]) -> Survey:
        pixels = [self._prepared(block) for block in blocks]
        return join_blocks(blocks, pixels, [self._names_of(block) for block in blocks])

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


def _coverage(every: Survey, sampled: Survey, used: Survey) -> Coverage:
    """Count the images of a survey, and say why some are not used."""
    chosen, kept = set(sampled.ids.tolist()), set(used.ids.tolist())
    left_out = {
        "beyond the limit": tuple(name for name in every.ids.tolist() if name not in chosen),
        "not usable": tuple(name for name in sampled.ids.tolist() if name not in kept),
    }
    return Coverage(len(every.ids), left_out, item="images")


def _looked_for(blocks: Sequence[Block]) -> str:
    """Say where labels were looked for, and not found."""
    path = blocks[0].path
    beside = [f"for {found.name}" for found in siblings(path, LABEL_WORDS)[:1]]
    return f"looked in {' and '.join([path.name, *beside])}"


def _about_labels(blocks: Sequence[Block], survey: Survey, labelled: bool) -> list[str]:
    """Say what missing labels and names mean for the report."""
    known = int((survey.labels != "").sum())
    if not known:
        return [
            f"no image has a label ({_looked_for(blocks)}), so nothing is measured on it; "
            "predictions.csv tells what its images are taken for"
        ]
    notes = []
    if known < len(survey.labels) and not labelled:
        notes.append(f"{len(survey.labels) - known} of {len(survey.labels)} images have no label")
    if labelled and all(name.isdigit() for name in survey.labels.tolist() if name):
        notes.append("its classes are called by their numbers; data.classes names them in order")
    return notes


def _about_unknown(labels: Array) -> list[str]:
    """Name the classes that a network is not taught, of the images that are kept."""
    if not len(labels):
        return []
    names = ", ".join(sorted(set(labels.tolist())))
    return [f"unknown classes, which no source teaches: {names} ({len(labels)} of the images)"]


def _labels_in(file: Path, suite: str) -> Block:
    """Return the labels in a file of their own."""
    if file.suffix.lower() in (".npy", ".txt", ".csv"):
        labels = read_array(file)
        return Block(file, labels, labels=labels)
    return read_blocks(file, suite)[0]
