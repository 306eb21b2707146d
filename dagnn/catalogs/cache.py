"""Selected galaxies of a whole suite in one file, so that a second start opens no HDF5."""

import glob
import hashlib
import json
import os
import re
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.catalog import Catalog
from dagnn.catalogs.reader import READER_VERSION, Files, Reading, Request, peek_redshift
from dagnn.errors import DataError, UsageError
from dagnn.files import atomic_path, is_writable, write_text
from dagnn.stored import read_arrays, reading


def default_cache() -> Path:
    """Return ``$DAGNN_CACHE``, or ``~/.cache/dagnn`` where it is not set.

    Without a home directory that can be written, it is a folder of the user's own among the
    temporary files, with a warning.
    """
    chosen = os.environ.get("DAGNN_CACHE")
    if chosen:
        return Path(chosen)
    home = Path("~").expanduser()
    if home.is_absolute() and home != home.parent and is_writable(home / ".cache" / "dagnn"):
        return home / ".cache" / "dagnn"
    own = Path(tempfile.gettempdir()) / f"dagnn-{getattr(os, 'getuid', int)()}"
    warnings.warn(
        f"No home directory can be written, so the cache is {own}, which may not last. Let "
        "$DAGNN_CACHE name a folder to keep it in.",
        stacklevel=2,
    )
    return own


def cache_key(request: Request, files: Files) -> str:
    """Return what identifies a reading: files as they are now, and how they are read."""
    identity = {
        "reader": READER_VERSION,
        "fields": request.suite.model_dump(mode="json")["fields"],
        "box_size": request.suite.box_size(request.volume),
        "redshift": request.redshift,
        "selection": asdict(request.selection),
        "columns": request.columns,
        "files": [[sim, [_state(path) for path in paths]] for sim, paths in files.items()],
    }
    digest = hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=12)
    return f"{request.suite.short_name}-{request.set}-{digest.hexdigest()}"


def _state(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path.absolute()), status.st_size, status.st_mtime_ns


def load_cached(folder: Path, key: str) -> Reading | None:
    """Return a cached reading, or None where there is none or it is damaged (with a warning)."""
    path = folder / f"{key}.npz"
    if not path.is_file():
        return None
    try:
        with reading(path, "The catalogues are read again."):
            return _unpacked(read_arrays(path, "The catalogues are read again."))
    except DataError as error:
        warnings.warn(f"The cache file {error}", stacklevel=2)
        return None


def save_cached(folder: Path, key: str, read: Reading) -> None:
    """Write a reading, whole or not at all; a folder that cannot be written is only a warning."""
    try:
        with atomic_path(folder / f"{key}.npz") as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **_packed(read))
    except OSError as error:
        warnings.warn(f"The cache {folder} cannot be written: {error}.", stacklevel=2)


def header_redshift(files: Sequence[Path], folder: Path | None = None) -> float | None:
    """Return the redshift in the header of a catalogue; one that was read before opens no HDF5.

    Args:
        files: of the catalogue.
        folder: of the cache; None opens the file.
    """
    if folder is None:
        return peek_redshift(files)
    state = json.dumps([READER_VERSION, _state(files[0])]).encode()
    path = folder / f"redshift-{hashlib.blake2b(state, digest_size=12).hexdigest()}.json"
    try:
        stored = json.loads(path.read_bytes())
        return None if stored is None else float(stored)
    except (OSError, ValueError, TypeError):
        redshift = peek_redshift(files)
    try:
        write_text(path, json.dumps(redshift))
    except OSError as error:
        warnings.warn(f"The cache {folder} cannot be written: {error}.", stacklevel=2)
    return redshift


_DESCRIBED = tuple(field.name for field in fields(Catalog) if field.name != "columns")


def _packed(read: Reading) -> dict[str, NDArray[Any]]:
    """Return columns end to end, and everything else as JSON."""
    described = [{name: getattr(c, name) for name in _DESCRIBED} for c in read.catalogs]
    told = {"skipped": read.skipped, "implausible": read.implausible}
    text = json.dumps({"catalogs": described, **told}, default=str)
    packed: dict[str, NDArray[Any]] = {
        "description": np.frombuffer(text.encode(), dtype=np.uint8),
        "lengths": np.array([len(catalog) for catalog in read.catalogs], dtype=np.int64),
    }
    for name in read.catalogs[0].columns if read.catalogs else ():
        parts = [catalog.columns[name] for catalog in read.catalogs]
        packed[f"column_{name}"] = np.concatenate(parts)
    return packed


def _unpacked(packed: dict[str, NDArray[Any]]) -> Reading:
    content = json.loads(packed["description"].tobytes())
    ends = np.cumsum(packed["lengths"])[:-1]
    total = int(packed["lengths"].sum())
    if any(len(values) != total for name, values in packed.items() if "column_" in name):
        raise ValueError(f"its boxes have {total} galaxies, its columns have not")
    if len(content["catalogs"]) != len(packed["lengths"]):
        raise ValueError("it has another number of boxes than it says")
    split = {
        name.removeprefix("column_"): np.split(values, ends)
        for name, values in packed.items()
        if name.startswith("column_")
    }
    catalogs = tuple(
        _catalog(described, {name: parts[k] for name, parts in split.items()})
        for k, described in enumerate(content["catalogs"])
    )
    skipped, implausible = (
        tuple((sim, reason) for sim, reason in content[told]) for told in ("skipped", "implausible")
    )
    return Reading(catalogs, skipped, implausible)


def _catalog(described: dict[str, Any], columns: dict[str, NDArray[Any]]) -> Catalog:
    typed = {
        **described,
        "path": Path(described["path"]),
        "warnings": tuple(described["warnings"]),
    }
    return Catalog(**typed, columns=columns)


@dataclass(frozen=True)
class Shard:
    """Every so-manieth simulation of a suite.

    Attributes:
        number: which share, from 1.
        count: how many shares there are.

    Raises:
        UsageError: there is no such share.

    Example:
        >>> Shard(2, 3).own({f"LH_{i}": () for i in range(7)})
        {'LH_1': (), 'LH_4': ()}
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise UsageError(
                f"There is no shard {self.number} of {self.count}; they are counted from 1, "
                f"1/{max(self.count, 1)} to {max(self.count, 1)}/{max(self.count, 1)}."
            )

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``i/n``.

        Raises:
            UsageError: it is written otherwise, or there is no such share.

        Example:
            >>> Shard.parse("2/8")
            Shard(number=2, count=8)
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if found is None:
            raise UsageError(f"A shard is written i/n, such as 1/8 to 8/8; got {text!r}.")
        return cls(int(found[1]), int(found[2]))

    def own(self, files: Files) -> dict[str, Sequence[Path]]:
        """Return the files of this share, in their order."""
        return dict(islice(files.items(), self.number - 1, None, self.count))

    def key(self, whole: str) -> str:
        """Return what identifies the reading of this share, given that of the whole suite."""
        return f"{whole}.{self.number}-of-{self.count}"


def recall(folder: Path, key: str, files: Files) -> Reading | None:
    """Return a cached reading of a whole suite, or what shards make of it.

    Where all shards are there they become one reading, which takes their place.

    Args:
        folder: of the cache.
        key: of the whole suite.
        files: simulation → its files, in order.
    """
    whole = load_cached(folder, key)
    if whole is not None:
        return whole
    counts = sorted({int(path.stem.rpartition("-")[2]) for path in _stored(folder, key)})
    for count in counts:
        parts = [load_cached(folder, Shard(i + 1, count).key(key)) for i in range(count)]
        present = [part for part in parts if part is not None]
        if len(present) == count:
            return _joined(folder, key, files, present)
    # Another job may have joined and removed them meanwhile.
    return load_cached(folder, key) if counts else None


def _stored(folder: Path, key: str) -> list[Path]:
    return list(folder.glob(f"{glob.escape(key)}.*-of-*.npz"))


def _joined(folder: Path, key: str, files: Files, parts: Sequence[Reading]) -> Reading:
    catalogs = {catalog.simulation: catalog for part in parts for catalog in part.catalogs}
    skipped = {simulation: reason for part in parts for simulation, reason in part.skipped}
    implausible = {name: reason for part in parts for name, reason in part.implausible}
    whole = Reading(
        tuple(catalogs[name] for name in files if name in catalogs),
        tuple((name, skipped[name]) for name in files if name in skipped),
        tuple((name, implausible[name]) for name in files if name in implausible),
    )
    save_cached(folder, key, whole)
    if (folder / f"{key}.npz").is_file():
        for path in _stored(folder, key):
            path.unlink(missing_ok=True)
    return whole
