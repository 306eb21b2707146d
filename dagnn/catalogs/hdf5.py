"""HDF5 files opened so that every kind of trouble has its own clear error."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.suite import Field
from dagnn.errors import (
    DagnnError,
    DataError,
    MissingDataError,
    MissingFieldError,
    NotHDF5Error,
    TruncatedFileError,
)


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


def _truncated(path: Path, reason: object) -> TruncatedFileError:
    size = path.stat().st_size
    return TruncatedFileError(
        f"{path} ({size:,} bytes) is truncated or damaged: {reason}. "
        "Download it again and compare its size with the server's."
    )


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading; failures inside the block are translated as well.

    Raises:
        MissingDataError: there is no such file, or it may not be read.
        NotHDF5Error: the file holds something else.
        TruncatedFileError: the file ends early or its structure is damaged.
    """
    if not path.is_file():
        raise MissingDataError(f"There is no catalogue file {path}. Check the path.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except DagnnError:
        raise
    except PermissionError as error:
        raise MissingDataError(f"{path} may not be read: {error.strerror}.") from error
    except (OSError, RuntimeError, KeyError) as error:
        if "signature not found" in str(error):
            raise _not_hdf5(path) from error
        raise _truncated(path, str(error).strip("'\"")) from error


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
    """
    if "Header" not in file:
        raise MissingFieldError(
            f"{file.filename} has no group 'Header'. It holds: {', '.join(file) or 'nothing'}. "
            "Is it a SUBFIND catalogue?"
        )
    return {name: plain(value) for name, value in file["Header"].attrs.items()}


def list_fields(file: h5py.File) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and dtype of every dataset, by path."""
    found: dict[str, tuple[tuple[int, ...], str]] = {}

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = (item.shape, str(item.dtype))

    file.visititems(note)
    return found


def read_field(file: h5py.File, field: Field) -> NDArray[Any]:
    """Return one column in canonical units, ``[n]`` or ``[n, 3]``.

    The whole dataset is read and sliced in memory: a strided read from the file
    becomes tens of thousands of tiny ones.

    Raises:
        MissingFieldError: the dataset is absent or too narrow; the message lists what exists.
    """
    stored = file.get(field.dataset)
    if stored is None:
        parent = field.dataset.rsplit("/", 1)[0]
        existing = file.get(parent, file)
        raise MissingFieldError(
            f"{file.filename} has no field {field.dataset!r}. "
            f"{parent if parent in file else 'The file'} holds: "
            f"{', '.join(existing) or 'nothing'}. "
            "Correct the field's name in the suite's YAML, or fetch the complete file."
        )
    if not isinstance(stored, h5py.Dataset):
        raise MissingFieldError(f"{field.dataset!r} in {file.filename} is a group, not a dataset.")
    if field.column is not None and (stored.ndim != 2 or stored.shape[1] <= field.column):
        raise MissingFieldError(
            f"{field.dataset!r} in {file.filename} has shape {stored.shape}; column "
            f"{field.column} was expected (particle type 4 is stars)."
        )
    values = stored[()]
    if not np.issubdtype(values.dtype, np.number):
        raise DataError(f"{field.dataset!r} in {file.filename} holds {values.dtype}, not numbers.")
    chosen = values if field.column is None else values[:, field.column]
    return np.asarray(chosen * field.factor if field.factor != 1.0 else chosen)
