"""From the name of a survey to its files: patterns, predefined parts, files beside files."""

import re
from collections.abc import Sequence
from pathlib import Path

from dagnn.errors import MissingDataError, UsageError
from dagnn.files import entries, matching

ARCHIVES = (".npz", ".h5", ".hdf5")

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

_PART = re.compile(r"(?<![a-z])(train|valid|val|test)(?:ing|ation|idation)?(?![a-z])")
_FULL = {"val": "valid"}

# A file of labels, or of group ids, is named like that of the images but for one word.
LABEL_WORDS = (("_X", "_y"), ("_X", "_Y"), ("_x", "_y"), ("images", "labels"))
GROUP_WORDS = (("_X", "_groups"), ("_X", "_ids"), ("_x", "_groups"), ("images", "groups"))
_GROUP_SUFFIXES = (".npy", ".txt", ".csv")


def part_of(name: str) -> str:
    """Return the part of a split that a file name speaks of, or nothing.

    Example:
        >>> part_of("images_Y10_train.npy"), part_of("val"), part_of("latest.npz")
        ('train', 'valid', '')
    """
    found = _PART.search(name.casefold())
    return _FULL.get(found[1], found[1]) if found else ""


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
    """Say which pattern would find a survey, if any."""
    if pattern and any(_matches(data, suite, candidate) for candidate in PATTERNS):
        return "Without that pattern it is found: --set data.images=null"
    return (
        "Where training reads it, give the pattern with {suite} where the name stands: --set "
        f"'data.images={_likely_pattern(there, suite)}'."
    )


def _likely_pattern(there: Sequence[str], suite: str) -> str:
    """Make a pattern of the first file that has the name of a survey in its own."""
    alone = _alone(suite)
    patterns = [alone.sub("{suite}", name, count=1) for name in there if alone.search(name)]
    return patterns[0] if patterns else "{suite}_images.npy"


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
        return _sibling(images, words)
    part = part_of(images.name)
    found = [path for path in _matches(data, suite, pattern) if part_of(path.name) == part]
    if not found:
        raise MissingDataError(f"No file {pattern!r} of {suite!r} in {data}, for {images.name}.")
    if len(found) > 1:
        raise UsageError(f"{pattern!r} fits several files: {_names(found)}. Be more specific.")
    return found[0]


def _sibling(images: Path, words: Sequence[tuple[str, str]]) -> Path | None:
    return next((path for path in siblings(images, words) if path.is_file()), None)


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
    spelled = pattern.replace("{suite}", _any_case(suite)).replace("{part}", "*")
    found = matching(data, spelled)
    if "{suite}" in pattern:
        found = [path for path in found if _alone(suite).search(str(path.relative_to(data)))]
    if "{part}" in pattern:
        found = [path for path in found if part_of(path.name)]
    return found


def _alone(suite: str) -> re.Pattern[str]:
    """Find a name that stands alone: `*y1*` also fits `images_y10`."""
    return re.compile(rf"(?<![a-z0-9]){re.escape(suite)}(?![a-z0-9])", re.IGNORECASE)


def _any_case(name: str) -> str:
    return "".join(
        f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter for letter in name
    )


def _by_part(found: Sequence[Path], suite: str) -> list[tuple[Path, str]]:
    parts = [part_of(path.name) for path in found]
    if len(found) > 1 and (not all(parts) or len(set(parts)) < len(parts)):
        raise UsageError(
            f"Several files could be the images of {suite!r}: {_names(found)}. "
            "Say which with data.images."
        )
    order = ("", "train", "valid", "test")
    return sorted(zip(found, parts, strict=True), key=lambda pair: order.index(pair[1]))


def _names(found: Sequence[Path]) -> str:
    return ", ".join(path.name for path in found[:5]) + (", ..." if len(found) > 5 else "")
