"""What the files of a survey hold, looked at one by one; broken ones are findings."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dagnn.data.identical import digests
from dagnn.data.image_arrays import channels_first, label_names, usable
from dagnn.data.image_depth import kinds_of
from dagnn.data.image_files import Block, read_array, read_blocks, texts
from dagnn.data.image_paths import GROUP_WORDS, LABEL_WORDS, find_beside, part_of
from dagnn.data.pictures import PICTURES, read_pictures
from dagnn.data.survey_search import Found
from dagnn.errors import DagnnError, MismatchError
from dagnn.files import entries

Answer = TypeVar("Answer")
Size = tuple[int, int, int, str]
"""Channels, height, width, and how deep a pixel is."""
SHOWN = 5
"""Broken pictures of one folder that are told one by one."""


@dataclass(frozen=True)
class Seen:
    """What was found of a survey.

    Attributes:
        sizes: number of images of each size; those of unknown size are not in it.
        labels: name of each image's class, empty without label.
        groups: object that each image shows.
        parts: part of a split of each image, or empty.
        ids: name of each image, to point at it.
        contents: hash of each image, empty where it is blank or of unknown layout.
        kinds: what the values of its pixels can be.
        mock: whether a file says that it is synthetic.
        problems: what is wrong.
        warnings: what is odd, and is trained on all the same.
    """

    sizes: Counter[Size] = field(default_factory=Counter)
    labels: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    contents: tuple[bytes, ...] = ()
    kinds: frozenset[str] = frozenset()
    mock: bool = False
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __add__(self, other: "Seen") -> "Seen":
        """Return what both hold."""
        return Seen(
            self.sizes + other.sizes,
            self.labels + other.labels,
            self.groups + other.groups,
            self.parts + other.parts,
            self.ids + other.ids,
            self.contents + other.contents,
            self.kinds | other.kinds,
            self.mock or other.mock,
            self.problems + other.problems,
            self.warnings + other.warnings,
        )


def look_at(survey: Found) -> Seen:
    """Look at every file of a survey."""
    seen = Seen()
    for path, part in survey.files:
        as_pictures = path.is_dir() or path.suffix.lower() in PICTURES
        seen += _pictures(path, part) if as_pictures else _arrays(path, part, survey)
    return seen


def _attempt(
    look: Callable[..., Answer], otherwise: Answer, *given: Any
) -> tuple[Answer, tuple[str, ...]]:
    """Return what was asked for, or something else and the trouble."""
    try:
        return look(*given), ()
    except (DagnnError, OSError, UnicodeDecodeError) as error:
        return otherwise, (str(error),)


def _arrays(path: Path, part: str, survey: Found) -> Seen:
    """Look at what an archive or an array holds."""
    nothing: list[Block] = []
    blocks, trouble = _attempt(read_blocks, nothing, path, survey.key or survey.name)
    seen = Seen(problems=trouble)
    for block in blocks:
        seen += _block(block.in_part(part), survey)
    return seen


def _block(block: Block, survey: Found) -> Seen:
    count = len(block.pixels) if block.pixels.ndim else 0
    size, bad_pixels = _attempt(_size, None, block.pixels, block.path)
    labels, bad_labels = _attempt(_labels, ("",) * count, block, survey)
    groups, bad_groups = _attempt(_groups, _alone(block.path, count), block, survey)
    odd, blank = ((), ()) if size is None else _odd_pixels(block, survey)
    sizes = Counter() if size is None else Counter({size: count})
    parts = block.parts or ("",) * count
    problems = (*bad_pixels, *bad_labels, *bad_groups, *odd)
    kinds, contents = frozenset[str](), (b"",) * count
    if size is not None:
        kinds = kinds_of(block.pixels)
        contents = tuple(digests(channels_first(block.pixels, block.path)))
    ids = _alone(Path(block.path.name), count)
    return Seen(sizes, labels, groups, parts, ids, contents, kinds, block.mock, problems, blank)


def _size(pixels: NDArray[Any], path: Path) -> Size:
    _, channels, height, width = channels_first(pixels[:1], path).shape
    return channels, height, width, "8-bit" if pixels.dtype == np.uint8 else str(pixels.dtype)


def _odd_pixels(block: Block, survey: Found) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what is wrong with pixels, and what is merely odd: a network can read a blank."""
    finite = usable(block.pixels)
    alike_in = [bool(image.min() == image.max()) for image in block.pixels]
    blank = np.array(alike_in, dtype=bool) & finite
    lost = "images with pixels that are not finite, which are left out"
    alike = "blank images, whose pixels are all alike, and which are trained on as they are"
    return _told(block, survey, lost, ~finite), _told(block, survey, alike, blank)


def _told(block: Block, survey: Found, what: str, which: NDArray[np.bool_]) -> tuple[str, ...]:
    rows = np.flatnonzero(which)
    if not len(rows):
        return ()
    listed = ", ".join(map(str, rows[:SHOWN])) + (" ..." if len(rows) > SHOWN else "")
    return (
        f"{block.path}: {survey.name} has {what}: {len(rows)} of {len(which)} (numbers from 0 on: "
        f"{listed}).",
    )


def _labels(block: Block, survey: Found) -> tuple[str, ...]:
    labels, where = block.labels, block.path
    beside = find_beside(block.path, survey.data, survey.name, None, LABEL_WORDS)
    if labels is None and beside is not None:
        plain = beside.suffix.lower() in (".npy", ".txt", ".csv")
        labels = read_array(beside) if plain else read_blocks(beside)[0].labels
        where = beside
    return tuple(label_names(labels, block.names, len(block.pixels), where).tolist())


def _groups(block: Block, survey: Found) -> tuple[str, ...]:
    groups, where = block.groups, block.path
    beside = find_beside(block.path, survey.data, survey.name, None, GROUP_WORDS)
    if groups is None and beside is not None:
        groups, where = read_array(beside), beside
    if groups is None:
        return _alone(block.path, len(block.pixels))
    if groups.size != len(block.pixels):
        raise MismatchError(
            f"{where}: {groups.size} groups for {len(block.pixels)} images; one per image is "
            "needed."
        )
    return tuple(texts(groups))


def _alone(path: Path, count: int) -> tuple[str, ...]:
    return tuple(f"{path}[{row}]" for row in range(count))


def _pictures(path: Path, part: str) -> Seen:
    """Look at every picture of a folder by itself, so that a broken one hides no other."""
    if path.is_file():
        return _one_by_one([path], "", part)
    folders = [child for child in entries(path) if child.is_dir()]
    seen = Seen()
    if folders and all(part_of(folder.name) for folder in folders):
        for folder in folders:
            seen += _pictures(folder, part_of(folder.name))
        return seen
    for folder in folders or [path]:
        files = [file for file in entries(folder) if file.suffix.lower() in PICTURES]
        seen += _one_by_one(files, folder.name if folders else "", part)
    return seen


def _one_by_one(files: Sequence[Path], label: str, part: str) -> Seen:
    sizes: Counter[Size] = Counter()
    problems: list[str] = []
    whole: list[str] = []
    contents: list[bytes] = []
    kinds: set[str] = set()
    for file in files:
        pixels, trouble = _attempt(read_pictures, None, [file])
        problems += trouble
        if pixels is not None:
            sizes[_size(pixels, file)] += 1
            whole.append(str(file))
            contents += digests(channels_first(pixels, file, "channels_last"))
            kinds |= kinds_of(pixels)
    count, rest = len(whole), len(problems) - SHOWN
    more = [f"... and {rest} more pictures beside them cannot be read."] if rest > 0 else []
    told = (*problems[:SHOWN], *more)
    names = tuple(whole)
    return Seen(
        sizes,
        (label,) * count,
        names,
        (part,) * count,
        names,
        tuple(contents),
        frozenset(kinds),
        problems=told,
    )
