"""What surveys of images hold: how many, of which classes and sizes, and what is wrong."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.data.image_files import PICTURES, Block, part_of, read_array, read_blocks, read_pictures
from dagnn.data.image_paths import (
    GROUP_WORDS,
    LABEL_WORDS,
    Found,
    find_beside,
    find_surveys,
    is_of_runs,
)
from dagnn.data.images import about_identical, digests, joined
from dagnn.data.pixels import (
    about_depth,
    channels_first,
    clash,
    kinds_of,
    label_names,
    texts,
    usable,
)
from dagnn.errors import DagnnError, MismatchError
from dagnn.files import entries
from dagnn.inspect.files import Inspection, first_few

Size = tuple[int, int, int, str]
"""Channels, height, width, and how deep a pixel is."""
SHOWN = 5
"""Images that are listed one by one."""
_UNREADABLE = (DagnnError, OSError, UnicodeDecodeError)


@dataclass
class Survey:
    """The images of one survey, one entry per image.

    Attributes:
        at: where the survey is.
        sizes: number of images of each size; those of unknown size are not in it.
        labels: name of each image's class, empty without label.
        groups: object that each image shows.
        parts: part of a split of each image, or empty.
        ids: name of each image, to point at it.
        contents: hash of each image, empty where it is blank or of unknown layout.
        kinds: what the values of its pixels can be.
        mock: whether a file says that it is synthetic.
    """

    at: Found
    sizes: Counter[Size] = field(default_factory=Counter)
    labels: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    kinds: frozenset[str] = frozenset()
    mock: bool = False


def inspect_images(path: Path) -> Inspection | None:
    """Describe the surveys of images in a folder or file.

    Args:
        path: a data folder, the folder of one survey, or a file.

    Returns:
        None where there are no images, or where they belong to a run.
    """
    if is_of_runs(path):
        return None
    surveys, problems = find_surveys(path)
    if not surveys and not (problems and _holds_archives_only(path)):
        return None
    found = Inspection("images", path.name)
    found.add_problems(*problems)
    folders = [survey.data for survey in surveys if path.is_dir() and survey.data != path]
    found.facts += [("data folder", str(folder)) for folder in folders]
    seen = [_read(found, survey) for survey in surveys]
    _add_together(found, seen)
    found.warnings = list(dict.fromkeys(found.warnings))
    return found


def _holds_archives_only(path: Path) -> bool:
    """Whether nothing lies there that another inspector could know better."""
    children = entries(path) if path.is_dir() else [path]
    return all(child.suffix.lower() == ".npz" for child in children)


def _read(found: Inspection, at: Found) -> Survey:
    """Read every file of a survey; add what it holds and what is wrong."""
    survey = Survey(at)
    for path, part in at.files:
        if path.is_dir() or path.suffix.lower() in PICTURES:
            _read_pictures(found, survey, path, part)
            continue
        with found.collecting(_UNREADABLE):
            for block in read_blocks(path, at.key or at.name):
                _read_block(found, survey, block.in_part(part))
    _add_facts(found, survey)
    _add_problems(found, survey)
    return survey


def _read_block(found: Inspection, survey: Survey, block: Block) -> None:
    count = len(block.pixels) if block.pixels.ndim else 0
    labels, groups, contents = [""] * count, _alone(block.path, count), [b""] * count
    readable = False
    with found.collecting(_UNREADABLE):
        survey.sizes[_size(block.pixels, block.path)] += count
        readable = True
    with found.collecting(_UNREADABLE):
        labels = _labels(block, survey.at)
    with found.collecting(_UNREADABLE):
        groups = _groups(block, survey.at)
    if readable:
        _add_odd_pixels(found, block, survey.at.name)
        survey.kinds |= kinds_of(block.pixels)
        contents = list(digests(channels_first(block.pixels, block.path)))
    survey.labels += labels
    survey.groups += groups
    survey.parts += block.parts or [""] * count
    survey.ids += _alone(Path(block.path.name), count)
    survey.contents += contents
    survey.mock |= block.mock


def _size(pixels: NDArray[Any], path: Path) -> Size:
    _, channels, height, width = channels_first(pixels[:1], path).shape
    return channels, height, width, "8-bit" if pixels.dtype == np.uint8 else str(pixels.dtype)


def _add_odd_pixels(found: Inspection, block: Block, name: str) -> None:
    """Add pixels that make an image unusable, and those that are merely odd."""
    finite = usable(block.pixels)
    alike = [bool(image.min() == image.max()) for image in block.pixels]
    blank = np.array(alike, dtype=bool) & finite
    if not finite.all():
        lost = "images with pixels that are not finite, which are left out"
        found.add_problems(f"{block.path}: {name} has {lost}: {_listed(~finite)}.")
    if blank.any():
        odd = "blank images, whose pixels are all alike, and which are trained on as they are"
        found.warnings.append(f"{block.path}: {name} has {odd}: {_listed(blank)}.")


def _listed(which: NDArray[np.bool_]) -> str:
    rows = np.flatnonzero(which)
    listed = ", ".join(map(str, rows[:SHOWN])) + (" ..." if len(rows) > SHOWN else "")
    return f"{len(rows)} of {len(which)} (numbers from 0 on: {listed})"


def _labels(block: Block, at: Found) -> list[str]:
    labels, where = block.labels, block.path
    beside = find_beside(block.path, at.data, at.name, None, LABEL_WORDS)
    if labels is None and beside is not None:
        plain = beside.suffix.lower() in (".npy", ".txt", ".csv")
        labels = read_array(beside) if plain else read_blocks(beside)[0].labels
        where = beside
    return list(label_names(labels, block.names, len(block.pixels), where).tolist())


def _groups(block: Block, at: Found) -> list[str]:
    groups, where = block.groups, block.path
    beside = find_beside(block.path, at.data, at.name, None, GROUP_WORDS)
    if groups is None and beside is not None:
        groups, where = read_array(beside), beside
    if groups is None:
        return _alone(block.path, len(block.pixels))
    if groups.size != len(block.pixels):
        raise MismatchError(
            f"{where}: {groups.size} groups for {len(block.pixels)} images; one per image is "
            "needed."
        )
    return list(texts(groups))


def _alone(path: Path, count: int) -> list[str]:
    return [f"{path}[{row}]" for row in range(count)]


def _read_pictures(found: Inspection, survey: Survey, path: Path, part: str) -> None:
    """Read every picture of a folder by itself, so that a broken one hides no other."""
    if path.is_file():
        _read_each(found, survey, [path], "", part)
        return
    folders = [child for child in entries(path) if child.is_dir()]
    if folders and all(part_of(folder.name) for folder in folders):
        for folder in folders:
            _read_pictures(found, survey, folder, part_of(folder.name))
        return
    for folder in folders or [path]:
        files = [file for file in entries(folder) if file.suffix.lower() in PICTURES]
        _read_each(found, survey, files, folder.name if folders else "", part)


def _read_each(
    found: Inspection, survey: Survey, files: Sequence[Path], label: str, part: str
) -> None:
    problems: list[str] = []
    for file in files:
        try:
            pixels = read_pictures([file])
        except _UNREADABLE as error:
            problems.append(str(error))
            continue
        survey.sizes[_size(pixels, file)] += 1
        survey.labels.append(label)
        survey.groups.append(str(file))
        survey.parts.append(part)
        survey.ids.append(str(file))
        survey.contents += digests(channels_first(pixels, file, "channels_last"))
        survey.kinds |= kinds_of(pixels)
    found.add_problems(*first_few(problems, "pictures beside them"))


def _written(size: Size) -> str:
    *shape, depth = size
    return f"{'×'.join(map(str, shape))}, {depth}"


def _add_facts(found: Inspection, survey: Survey) -> None:
    """Describe a survey in a few lines."""
    at, count = survey.at, len(survey.labels)
    where = ", ".join(str(path.relative_to(at.data)) for path, _ in at.files)
    sizes = " or ".join(_written(size) for size, _ in survey.sizes.most_common())
    images = f"{count} image{'s' * (count != 1)} of {sizes or 'unknown size'}"
    found.facts.append((at.name, f"{images} · {where}"))
    if survey.mock:
        found.facts.append(("  MOCK", "the file says that it is synthetic"))
    found.facts.append(("  classes", _counted(survey.labels, "without label")))
    if any(survey.parts):
        found.facts.append(("  parts", _counted(survey.parts, "in no part")))
    objects = len(set(survey.groups))
    if objects < count:
        found.facts.append(("  objects", f"{objects}: some are shown more than once"))
    if not at.resolved:
        pattern = "leads nowhere: set data.images to a pattern with {suite} in it"
        found.facts.append(("  name", pattern))


def _counted(names: Sequence[str], nothing: str) -> str:
    counts = Counter(names)
    without = counts.pop("", 0)
    parts = [f"{name} {count}" for name, count in sorted(counts.items())]
    return ", ".join(parts + ([f"{without} {nothing}"] if without else [])) or "none"


def _add_problems(found: Inspection, survey: Survey) -> None:
    """Add what is wrong or odd about a survey as a whole."""
    name = survey.at.name
    if not survey.labels:
        found.add_problems(f"{name} has no image that can be read.")
    if len({size[1:3] for size in survey.sizes}) > 1:
        counts = survey.sizes.most_common()
        listed = ", ".join(f"{count} of {_written(size)}" for size, count in counts)
        found.add_problems(
            f"The images of {name} differ in size ({listed}) and cannot be read together."
        )
    if sides := clash(survey.kinds):
        found.add_problems(
            f"{name} holds {sides}, on different scales of brightness. Save one depth."
        )
    parts: dict[str, set[str]] = defaultdict(set)
    for group, part in zip(joined(survey.groups, survey.contents), survey.parts, strict=True):
        parts[group] |= {part} - {""}
    if cut := sum(len(of_one) > 1 for of_one in parts.values()):
        found.add_problems(
            f"The files of {name} put {cut} objects into more than one part of the split: "
            "what is learned in training comes back as a test."
        )
    notes = (
        *about_depth(survey.kinds),
        *about_identical(survey.ids, survey.labels, survey.contents),
    )
    found.warnings += [f"{name}: {note}." for note in notes]


def _add_together(found: Inspection, seen: Sequence[Survey]) -> None:
    """Add what a reader must know before using several of the surveys in one run."""
    facts = found.facts
    sizes = [size for survey in seen for size in survey.sizes]
    if len({size[0] for size in sizes}) > 1:
        facts.append(("channels differ", "one network reads surveys of equal channels only"))
    if len({size[1:3] for size in sizes}) > 1:
        facts.append(("sizes differ", "data.size or data.crop brings surveys to one size"))
    classes = [set(survey.labels) - {""} for survey in seen if any(survey.labels)]
    if classes and any(names != classes[0] for names in classes):
        common = set.intersection(*classes)
        facts.append(("classes in all", ", ".join(sorted(common)) or "none"))
    for one, two in combinations(seen, 2):
        if shared := set(one.groups) & set(two.groups):
            where = f"{len(shared)} are in {one.at.name} and in {two.at.name}"
            facts.append(("shared objects", where))
