"""Which surveys of images a folder holds, whatever they are called."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dagnn.data.image_files import surveys_in
from dagnn.data.image_paths import ARCHIVES, find_images, part_of
from dagnn.data.pictures import PICTURES
from dagnn.errors import DagnnError
from dagnn.files import entries, matching

_ARRAY = re.compile(r"(?:^|[_-])(?:x|images)(?:$|[_-])", re.IGNORECASE)
_IMAGE_AXES = 4
_OF_RUNS = ("config.yaml", "results.csv", "comparison.csv", "study.yaml")


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
