"""HDF5 files opened and read so that every kind of damage has its own clear error.

HDF5 gives fill values, without an error, for what was declared and never written, and for
virtual datasets whose sources it cannot open. What is read here is there as a whole.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dagnn.errors import (
    DagnnError,
    DataError,
    MismatchError,
    MissingDataError,
    MissingFieldError,
    NotHDF5Error,
    TruncatedFileError,
    UnreadableFileError,
    UnwrittenDataError,
)

# Registered numbers of the filters that the package hdf5plugin brings.
_PLUGINS = {
    307: "bzip2",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32017: "sz",
    32018: "fcidecomp",
    32024: "sz3",
    32026: "blosc2",
    32028: "sperr",
}


def _not_hdf5(path: Path) -> NotHDF5Error:
    """Explain what a file without the HDF5 signature looks like."""
    with path.open("rb") as stream:
        start = stream.read(512)
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        looks = "it is empty (0 bytes)"
    elif text.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        looks = "it looks like a web page, probably an error or login page saved by the download"
    elif text.startswith(b"version https://git-lfs"):
        looks = "it is a git-lfs pointer, not the file itself"
    else:
        looks = f"it begins with {start[:16]!r}"
    return NotHDF5Error(f"{path} is not an HDF5 file: {looks}. Download it again.")


def _explained(path: Path, error: Exception) -> DataError:
    """Return the error that says what keeps a file from being read, and what helps."""
    text = str(error).strip("'\"")
    found = re.search(r"errno = (\d+)", text)
    number = int(found[1]) if found else getattr(error, "errno", None)
    if "signature not found" in text:
        return _not_hdf5(path)
    if "unable to lock file" in text and number in (errno.EAGAIN, errno.EACCES):
        return UnreadableFileError(
            f"{path} is locked by another program, which has it open for writing. Close that "
            "program, or wait for it. If it only reads, set HDF5_USE_FILE_LOCKING=FALSE."
        )
    if "unable to lock file" in text:
        return UnreadableFileError(
            f"{path} cannot be locked: its file system has no locks ({os.strerror(number or 0)}). "
            "Set HDF5_USE_FILE_LOCKING=FALSE, or copy it to a local disk."
        )
    if "already open for" in text:
        return UnreadableFileError(
            f"{path} is open for writing in another program, or the program that wrote it ended "
            "without closing it. Close that program; if none is left: h5clear -s FILE"
        )
    if number in (errno.EACCES, errno.EPERM):
        return UnreadableFileError(
            f"{path} may not be read: {os.strerror(number)}. Ask its owner for access."
        )
    if number:
        return UnreadableFileError(
            f"{path} could not be read: {os.strerror(number)}. Check the disk or the network, and "
            "try again."
        )
    return TruncatedFileError(
        f"{path} ({path.stat().st_size:,} bytes) is truncated or damaged: {text}. "
        "Download it again and compare its size with the server's."
    )


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading; failures inside the block are translated as well.

    Raises:
        MissingDataError: there is no such file, or it is a folder.
        UnreadableFileError: it is locked, or may not be read.
        NotHDF5Error: the file holds something else.
        TruncatedFileError: the file ends early or its structure is damaged.
    """
    try:
        if not path.is_file():
            raise MissingDataError(_no_file(path))
        with h5py.File(path, "r") as file:
            yield file
    except DagnnError:
        raise
    except (OSError, RuntimeError, KeyError) as error:
        raise _explained(path, error) from error


def _no_file(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder where an HDF5 file is expected. Name a file in it."
    if path.is_symlink():
        return f"{path} is a link to {path.readlink()}, which is not there. Restore that file."
    return f"There is no file {path}. Check the path."


def plain(value: Any) -> Any:
    """Turn an attribute into a plain value; one-element arrays become scalars.

    Example:
        >>> plain(np.array([0.3])), plain(np.bytes_(b"kpc")), plain(np.array([1, 2]))
        (0.3, 'kpc', [1, 2])
    """
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, np.ndarray) and value.size == 1:
        return plain(value.reshape(-1)[0])
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value


MOCK_MARK = "MockGenerator"
"""Attribute of the header that only synthetic catalogues have."""


def read_header(file: h5py.File) -> dict[str, Any]:
    """Return the attributes of ``Header`` as plain values.

    Raises:
        MissingFieldError: the file has no header.
        MismatchError: an attribute that must be a number is none.
    """
    if "Header" not in file:
        raise MissingFieldError(
            f"{file.filename} has no group 'Header'. It holds: {', '.join(file) or 'nothing'}. "
            "Is it a SUBFIND catalogue?"
        )
    header = {name: plain(value) for name, value in file["Header"].attrs.items()}
    return {name: _checked(file, name, value) for name, value in header.items()}


_COUNTS = {"NumFiles"} | {
    f"Nsub{kind}_{scope}"
    for kind in ("groups", "halos", "haloes")
    for scope in ("ThisFile", "Total")
}
_NUMBERS = {"BoxSize", "Redshift", "Time", "Omega0", "OmegaBaryon", "OmegaLambda", "HubbleParam"}


def _checked(file: h5py.File, name: str, value: Any) -> Any:
    """Return an attribute, as a number where it is one that is calculated with.

    A box length that is given once per axis is read as one if all axes are equal.
    """
    if name not in _COUNTS | _NUMBERS:
        return value
    one = value[0] if isinstance(value, list) and value and set(value) == {value[0]} else value
    try:
        return int(one) if name in _COUNTS else float(one)
    except (TypeError, ValueError, OverflowError) as error:
        raise MismatchError(
            f"Header/{name} of {file.filename} is {value!r}; one number was expected. "
            "Correct it, or fetch the file again."
        ) from error


def datasets_in(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return the datasets of a file that lie in no group, by name.

    Raises:
        UnwrittenDataError: a name is a link that leads nowhere.
    """
    found = {name: follow(file, name) for name in file}
    return {name: item for name, item in found.items() if isinstance(item, h5py.Dataset)}


def follow(file: h5py.File, path: str) -> h5py.Dataset | h5py.Group | None:
    """Return what stands at a path; None where there is no such name.

    Raises:
        UnwrittenDataError: a part of the path is a link that leads nowhere.
    """
    item = file.get(path)
    parts = path.split("/")
    for end in range(1, len(parts) + 1) if item is None else ():
        name = "/".join(parts[:end])
        if file.get(name) is not None:
            continue
        link = file.get(name, getlink=True)
        if isinstance(link, h5py.SoftLink | h5py.ExternalLink):
            where = f" of {link.filename}" if isinstance(link, h5py.ExternalLink) else ""
            raise UnwrittenDataError(
                f"{name!r} in {file.filename} is a link to {link.path!r}{where}, which is not "
                "there or cannot be opened. Put it there, or fetch the complete file."
            )
        return None
    return item


def read_values(stored: h5py.Dataset) -> NDArray[Any]:
    """Read a dataset as a whole.

    Raises:
        UnwrittenDataError: not all of its values are stored.
        UnreadableFileError: it was packed by a filter that is not installed.
    """
    _require_written(stored)
    try:
        return np.asarray(stored[()])
    except OSError:
        if not _absent_filters(stored):
            raise
    _require_filters(stored)
    return np.asarray(stored[()])


def _absent_filters(stored: h5py.Dataset) -> dict[int, str]:
    """Return number and name of the filters that reading needs and that are not there."""
    plan = stored.id.get_create_plist()
    filters = [plan.get_filter(k) for k in range(plan.get_nfilters())]
    return {
        number: _PLUGINS.get(number) or name.decode(errors="replace") or "unknown"
        for number, _, _, name in filters
        if not h5py.h5z.filter_avail(number)
    }


def _require_filters(stored: h5py.Dataset) -> None:
    """Load the plug-ins that reading needs, from the package hdf5plugin if it is there."""
    if _absent_filters(stored):
        with suppress(ImportError):
            import_module("hdf5plugin")  # registers its filters when imported
    absent = _absent_filters(stored)
    if absent:
        named = ", ".join(f"{name} (number {number})" for number, name in absent.items())
        raise UnreadableFileError(
            f"{_named(stored)} is compressed by a filter that is not installed: {named}. "
            "Install it: pip install hdf5plugin"
            + (
                ""
                if absent.keys() <= _PLUGINS.keys()
                else ", or set HDF5_PLUGIN_PATH to its folder"
            )
        )


def _named(stored: h5py.Dataset) -> str:
    return f"{stored.name!r} in {stored.file.filename}"


def _require_written(stored: h5py.Dataset) -> None:
    """Require that every value of a dataset is stored somewhere.

    Raises:
        UnwrittenDataError: reading would give fill values, or zeros.
    """
    if not stored.size:  # nothing to store, as in a box without galaxies
        return
    if stored.is_virtual:
        _require_sources(stored)
        return
    status = stored.id.get_space_status()
    if status != h5py.h5d.SPACE_STATUS_ALLOCATED:
        never = status == h5py.h5d.SPACE_STATUS_NOT_ALLOCATED
        raise UnwrittenDataError(
            f"{_named(stored)} was created with shape {stored.shape} and "
            f"{'never' if never else 'only partly'} written; the rest would be read as "
            f"{stored.fillvalue}. Write or fetch the file again."
        )
    if stored.external:
        _require_external(stored)


def _require_external(stored: h5py.Dataset) -> None:
    """Require that the raw files with the values of a dataset are as long as they should be."""
    folder = Path(stored.file.filename).absolute().parent
    prefix = os.environ.get("HDF5_EXTFILE_PREFIX", "").replace("${ORIGIN}", str(folder))
    left = stored.nbytes
    for name, offset, size in stored.external:
        path, own = Path(prefix, name), min(size, left)
        left -= own
        there = path.stat().st_size if path.is_file() else 0
        if there < offset + own:
            raise UnwrittenDataError(
                f"The values of {_named(stored)} lie in {path}, which "
                + (f"ends early ({there:,} bytes)." if path.is_file() else "is not there.")
                + " Put the whole file there; a relative path begins where the program is started."
            )


def _require_sources(stored: h5py.Dataset) -> None:
    """Require that the sources of a virtual dataset are there and fill it."""
    filled = np.zeros(stored.shape, dtype=bool)
    for source in stored.virtual_sources():
        if source.vspace.get_select_type() == h5py.h5s.SEL_ALL:
            filled[...] = True
        else:
            for first, last in source.vspace.get_select_hyper_blocklist():
                box = zip(first, last, strict=True)
                filled[tuple(slice(low, high + 1) for low, high in box)] = True
        _require_source(stored, source)
    if not filled.all():
        raise UnwrittenDataError(
            f"{_named(stored)} is virtual, and its sources give {int(filled.sum()):,} of its "
            f"{stored.size:,} values; the rest would be read as {stored.fillvalue}. Make it again "
            "from all of its sources."
        )


def _require_source(stored: h5py.Dataset, source: Any) -> None:
    """Require that a source of a virtual dataset can be read and is large enough."""
    if source.file_name == ".":
        _require_part(stored, stored.file, source)
        return
    path = _source_file(stored, source.file_name)
    try:
        with open_hdf5(path) as file:
            _require_part(stored, file, source)
    except DataError as error:
        raise UnwrittenDataError(
            f"{_named(stored)} is virtual and its values lie in {source.file_name}: {error} "
            f"Without it they would be read as {stored.fillvalue}."
        ) from error


def _source_file(stored: h5py.Dataset, name: str) -> Path:
    """Return the file of a source where HDF5 looks for it."""
    own = Path(stored.file.filename).absolute()
    folders = [own.parent, own.resolve().parent, Path.cwd()]
    prefixes = os.environ.get("HDF5_VDS_PREFIX", "").split(os.pathsep)
    folders = [Path(p.replace("${ORIGIN}", str(own.parent))) for p in prefixes if p] + folders
    # Where an absolute path is not there, HDF5 looks for its last part.
    tried = [folder / name for folder in folders] + [folder / Path(name).name for folder in folders]
    return next((path for path in tried if path.is_file()), tried[0])


def _require_part(stored: h5py.Dataset, file: h5py.File, source: Any) -> None:
    """Require that a source's dataset is written, can be unpacked and is large enough."""
    own = follow(file, source.dset_name)
    if not isinstance(own, h5py.Dataset):
        raise UnwrittenDataError(f"{file.filename} has no dataset {source.dset_name!r}.")
    space = source.src_space
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        enough = own.size >= source.vspace.get_select_npoints()
    else:
        last = space.get_select_bounds()[1]
        enough = all(high < length for high, length in zip(last, own.shape, strict=True))
    if not enough:
        raise UnwrittenDataError(
            f"{_named(own)} has shape {own.shape}, which is less than {_named(stored)} reads of it."
        )
    _require_written(own)
    _require_filters(own)


def list_fields(file: h5py.File) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and dtype of every dataset, by path."""
    found: dict[str, tuple[tuple[int, ...], str]] = {}

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = (item.shape, str(item.dtype))

    file.visititems(note)
    return found
