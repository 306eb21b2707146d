"""What a loose file seems to hold, to say so where it is not what is wanted."""

import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from dagnn.catalogs.hdf5 import open_hdf5
from dagnn.data.requests import CATALOGUES, IMAGES, SPECTRA
from dagnn.errors import DataError
from dagnn.files import entries

TEXT = "text"

_STARTS = {b"\x89PNG": IMAGES, b"\xff\xd8\xff": IMAGES}
_FEWEST_IMAGE_AXES = 3
_NUMBERS = "biuf"
_LOOKED_INTO = 40

Header = tuple[tuple[int, ...], str]
"""Shape of an array, and the letter that numpy has for what it holds."""


def kind_of(path: Path) -> str | None:
    """Return what a file seems to hold, by its content; None where that is not known.

    Args:
        path: any file.
    """
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream:
            start = stream.read(64)
    except OSError:  # whoever reads it will say why
        return None
    if start.startswith(b"\x89HDF"):
        return _in_hdf5(path)
    if start.startswith((b"\x93NUMPY", b"PK")):
        return _in_arrays(path, archive=start.startswith(b"PK"))
    known = next((kind for mark, kind in _STARTS.items() if start.startswith(mark)), None)
    plain = start.isascii() and not start.lstrip().startswith(b"<") and b"\x00" not in start
    return known or (TEXT if start and plain else None)


def other_kind(folder: Path, wanted: str) -> str | None:
    """Return what the files of a folder hold where none of them is what is wanted.

    Args:
        folder: whose own files are looked into, some dozens of them.
        wanted: a kind, as :func:`kind_of` calls it.
    """
    files = [path for path in entries(folder) if path.is_file()][:_LOOKED_INTO]
    kinds = [kind for kind in map(kind_of, files) if kind not in (None, TEXT)]
    return None if wanted in kinds else next(iter(kinds), None)


def _in_hdf5(path: Path) -> str | None:
    axes: list[int] = []
    try:
        with open_hdf5(path) as file:
            if "Subhalo" in file:
                return CATALOGUES
            file.visititems(lambda _, item: axes.append(getattr(item, "ndim", 0)))
    except DataError:  # whoever reads it will say why
        return None
    return IMAGES if max(axes, default=0) >= _FEWEST_IMAGE_AXES else None


def _in_arrays(path: Path, archive: bool) -> str | None:
    """Return images or spectra by the number of axes; None for anything else."""
    headers: list[Header] = []
    try:
        if archive:  # headers alone: a small archive can hold arrays that fill the memory
            with zipfile.ZipFile(path) as members:
                for name in filter(lambda name: name.endswith(".npy"), members.namelist()):
                    with members.open(name) as stream:
                        headers.append(_header(stream))
        else:
            with path.open("rb") as stream:
                headers.append(_header(stream))
    except Exception:  # a broken header or archive can raise nearly anything
        return None
    axes = [len(shape) for shape, kind in headers if kind in _NUMBERS]
    if max(axes, default=0) >= _FEWEST_IMAGE_AXES:
        return IMAGES
    return SPECTRA if not archive and axes in ([1], [2]) else None


def _header(stream: IO[bytes]) -> Header:
    """Read the shape and the kind of numbers of one array."""
    version = np.lib.format.read_magic(stream)
    # Version 3 differs from 2 in the names of fields only, which numbers do not have.
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    return shape, dtype.kind
