"""From the name of a survey to its files, and from the files of a folder to its surveys."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dagnn.data.image_files import ARCHIVES, PICTURES, part_of, surveys_in
from dagnn.errors import DagnnError, MissingDataError, UsageError
from dagnn.files import entries, matching
from dagnn.records import few_names

# Where the images of a survey are looked for, the first that exists: an archive that its
# name is part of, `images_Y10_train.npy`, paired `*_X*.npy`, a folder per class.
PATTERNS = (
    *(
        f"{stem}{suffix}"
        for stem in ("{suite}", "*_{suite}", "{suite}_*", "*_{suite}_*")
        for suffix in ARCHIVES
    ),
    "images_{suite}_{part}.npy",
    "images_{suite}.npy",
    "*{suite}*_X*.npy",
    "*_X*{suite}*.npy",
    "{suite}.npy",
    "{suite}/*_X*.npy",
    "{suite}/images*.npy",
    "{suite}",
)

# A file of labels, or of group ids, is named like that of the images but for one word.
LABEL_WORDS = (("_X", "_y"), ("_X", "_Y"), ("_x", "_y"), ("images", "labels"))
GROUP_WORDS = (("_X", "_groups"), ("_X", "_ids"), ("_x", "_groups"), ("images", "groups"))
_GROUP_SUFFIXES = (".npy", ".txt", ".csv")


def find_images(data: Path, suite: str, pattern: str | None = None) -> list[tuple[Path, str]]:
    """Find the files of a survey's images, and the part of a split that each one is.

    Args:
        data: data folder.
        suite: name of the survey; its case does not matter.
        pattern: file pattern below the data folder, with ``{suite}``, ``{part}`` and the
            wildcards of a shell; None tries :data:`PATTERNS`.

    Returns:
        Paths, each with ``train``, ``valid``, ``test`` or nothing.

    Raises:
        MissingDataError: no file fits; the message lists what is there.
        UsageError: several fit and are not parts of one split.
    """
    for candidate in (pattern,) if pattern else PATTERNS:
        found = _matches(data, suite, candidate)
        if found:
            return _by_part(found, suite)
    there = [path.name for path in entries(data)] if data.is_dir() else []
    usual = (
        f"{suite}.npz, {suite}.h5, {suite}_X.npy, images_{suite}_train.npy and the like, or a "
        f"folder {suite}"
    )
    raise MissingDataError(
        f"No images of {suite!r} in {data}: looked for {pattern or usual}, in any case of letters. "
        f"There {'are: ' + ', '.join(there[:12]) if there else 'is nothing'}. "
        f"{_advice(data, suite, pattern, there)}"
    )


def _advice(data: Path, suite: str, pattern: str | None, there: Sequence[str]) -> str:
    """Return which pattern would find a survey, if any."""
    if pattern and any(_matches(data, suite, candidate) for candidate in PATTERNS):
        return "Without that pattern it is found: --set data.images=null"
    alone = _alone(suite)
    patterns = [alone.sub("{suite}", name, count=1) for name in there if alone.search(name)]
    return (
        "Where training reads it, give the pattern with {suite} where the name stands: --set "
        f"'data.images={patterns[0] if patterns else '{suite}_images.npy'}'."
    )


def find_beside(
    images: Path, data: Path, suite: str, pattern: str | None, words: Sequence[tuple[str, str]]
) -> Path | None:
    """Find the file of labels or groups that belongs to a file of images.

    Args:
        images: the file of images.
        data: data folder.
        suite: name of the survey.
        pattern: as in :func:`find_images`; None exchanges a word of the name of ``images``.
        words: pairs of words, in the name of the images and of the wanted file.

    Raises:
        MissingDataError: a pattern was given and nothing fits.
        UsageError: several files fit.
    """
    if pattern is None:
        return next((path for path in siblings(images, words) if path.is_file()), None)
    part = part_of(images.name)
    found = [path for path in _matches(data, suite, pattern) if part_of(path.name) == part]
    if not found:
        raise MissingDataError(f"No file {pattern!r} of {suite!r} in {data}, for {images.name}.")
    if len(found) > 1:
        several = few_names([path.name for path in found], 5)
        raise UsageError(f"{pattern!r} fits several files: {several}. Be more specific.")
    return found[0]


def siblings(images: Path, words: Sequence[tuple[str, str]]) -> list[Path]:
    """Return the files that may hold labels or groups of a file of images, the likeliest first.

    Example:
        >>> [path.name for path in siblings(Path("a_X.npy"), LABEL_WORDS[:2])][::3]
        ['a_y.npy', 'a_Y.npy']
    """
    stems = [
        new.join((head, tail))
        for old, new in words
        for head, found, tail in [images.stem.rpartition(old)]
        if found
    ]
    suffixes = dict.fromkeys((images.suffix, *_GROUP_SUFFIXES))
    return [images.with_name(f"{stem}{suffix}") for stem in stems for suffix in suffixes]


def _matches(data: Path, suite: str, pattern: str) -> list[Path]:
    any_case = "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in suite)
    spelled = pattern.replace("{suite}", any_case).replace("{part}", "*")
    found = matching(data, spelled)
    if "{suite}" in pattern:
        found = [path for path in found if _alone(suite).search(str(path.relative_to(data)))]
    if "{part}" in pattern:
        found = [path for path in found if part_of(path.name)]
    return found


def _alone(suite: str) -> re.Pattern[str]:
    """Find a name that stands alone: `*y1*` also fits `images_y10`."""
    return re.compile(rf"(?<![a-z0-9]){re.escape(suite)}(?![a-z0-9])", re.IGNORECASE)


def _by_part(found: Sequence[Path], suite: str) -> list[tuple[Path, str]]:
    parts = [part_of(path.name) for path in found]
    if len(found) > 1 and (not all(parts) or len(set(parts)) < len(parts)):
        several = few_names([path.name for path in found], 5)
        raise UsageError(
            f"Several files could be the images of {suite!r}: {several}. "
            "Say which with data.images."
        )
    order = ("", "train", "valid", "test")
    return sorted(zip(found, parts, strict=True), key=lambda pair: order.index(pair[1]))


_ARRAY = re.compile(r"(?:^|[_-])(?:x|images)(?:$|[_-])", re.IGNORECASE)
_IMAGE_AXES = 4
_OF_RUNS = ("config.yaml", "results.csv", "comparison.csv", "study.db", "journal.log")


@dataclass(frozen=True)
class Found:
    """One survey of a data folder.

    Attributes:
        name: how a configuration calls it.
        data: the data folder.
        files: where its images are, each with the part of a split that it is.
        key: its name inside an archive of several.
        resolved: whether the name leads to these files without a pattern.
    """

    name: str
    data: Path
    files: tuple[tuple[Path, str], ...]
    key: str | None = None
    resolved: bool = True


def find_surveys(path: Path) -> tuple[list[Found], list[str]]:
    """Look for surveys in a folder or a file.

    Args:
        path: a data folder, the folder of one survey, or a file of images.

    Returns:
        Surveys, and what is wrong with files that should be some.
    """
    if path.is_file():
        return _in_files(path.parent, [path])
    if _is_survey(path):
        return [Found(path.name, path.parent, ((path, ""),))], []
    found, troubles = _in_files(path, [f for f in entries(path) if f.is_file()])
    for folder in [f for f in entries(path) if f.is_dir()]:
        if _is_survey(folder):
            found.append(Found(folder.name, path, ((folder, ""),)))
        elif arrays := _arrays(matching(folder, "*.npy")):
            files = tuple((file, part_of(file.name)) for file in arrays)
            found.append(_resolved(path, files, [folder.name]))
    return found, troubles


def _in_files(data: Path, files: Iterable[Path]) -> tuple[list[Found], list[str]]:
    found: list[Found] = []
    troubles: list[tuple[Path, str]] = []
    files = list(files)
    for file in files:
        suffix = file.suffix.lower()
        if suffix in ARCHIVES:
            try:
                found += _in_archive(data, file)
            except (DagnnError, OSError) as error:
                troubles.append((file, str(error)))
        elif suffix in PICTURES and len(files) == 1:
            found.append(Found(file.stem, data, ((file, ""),)))
    of_name: dict[str, list[Path]] = {}
    for file in _arrays(files):
        of_name.setdefault("_".join(_words(file)), []).append(file)
    for members in of_name.values():
        parts = tuple((file, part_of(file.name)) for file in members)
        found.append(_resolved(data, parts, _candidates(members[0])))
    # Without any images around, a broken HDF5 file is rather a catalogue, which others judge.
    return found, [text for file, text in troubles if found or file.suffix.lower() == ".npz"]


def _in_archive(data: Path, file: Path) -> Iterator[Found]:
    """Give the surveys of an archive: its own names, or one by the name of the file."""
    for name in surveys_in(file):
        if name:
            yield _resolved(data, ((file, ""),), [name], name)
        else:
            yield _resolved(data, ((file, part_of(file.name)),), _candidates(file))


def _arrays(files: Iterable[Path]) -> list[Path]:
    """Return the .npy files whose name or shape is that of images."""
    return [file for file in files if file.suffix.lower() == ".npy" and _is_array(file)]


def _is_array(file: Path) -> bool:
    if _ARRAY.search(file.stem):
        return True
    try:
        return bool(np.load(file, mmap_mode="r", allow_pickle=False).ndim == _IMAGE_AXES)
    except Exception:  # a broken file: whoever reads it will say why
        return False


def _words(file: Path) -> list[str]:
    """Return the words of a file name that say which survey it is."""
    words = re.split(r"[_-]", file.stem)
    return [word for word in words if not (part_of(word) or word.casefold() in ("x", "images", ""))]


def _candidates(file: Path) -> list[str]:
    """Return names to try, short ones first; the last word tells most."""
    words = _words(file)
    whole = ["_".join(words)] if words else []
    return list(dict.fromkeys([*reversed(words), *whole, file.stem]))


def _resolved(
    data: Path, files: tuple[tuple[Path, str], ...], names: list[str], key: str | None = None
) -> Found:
    """Choose the first name that leads to exactly these files."""
    wanted = {file for file, _ in files}
    for name in names:
        try:
            paths = find_images(data, name)
        except DagnnError:  # none fits, or several do
            continue
        if {file for file, _ in paths} == wanted:
            return Found(name.casefold(), data, tuple(paths), key)
    return Found(names[-1].casefold(), data, files, key, resolved=False)


def is_of_runs(folder: Path) -> bool:
    """Whether a folder is of a run, a comparison or a study, whose pictures are figures."""
    return any((folder / name).is_file() for name in _OF_RUNS)


def _is_survey(folder: Path) -> bool:
    """Whether a folder holds pictures, or folders of pictures, perhaps within parts."""
    if is_of_runs(folder):
        return False
    inside = [child for child in entries(folder) if child.is_dir()]
    if inside and all(part_of(child.name) for child in inside):
        return any(_is_survey(child) for child in inside)
    return any(_has_pictures(each) for each in (folder, *inside))


def _has_pictures(folder: Path) -> bool:
    return any(file.suffix.lower() in PICTURES for file in entries(folder) if file.is_file())
