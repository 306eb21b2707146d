"""The boxes of a suite: read in one process or in several, and kept in one file for later."""

import glob
import hashlib
import json
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.catalog import GALAXY_COLUMNS, Catalog, Selection
from dagnn.catalogs.checks import pooled_trouble
from dagnn.catalogs.reader import READER_VERSION, peek_redshift, read_catalog
from dagnn.catalogs.suites import Suite
from dagnn.errors import DataError, EmptyCatalogError, ImplausibleError, UsageError
from dagnn.files import atomic_path, is_writable, write_text
from dagnn.stored import read_arrays, reading
from dagnn.workers import without_main

Files = Mapping[str, Sequence[Path]]
"""Simulation → its file or its chunks."""
Box = Catalog | EmptyCatalogError | ImplausibleError
"""Galaxies, or why a box is left out."""
Boxes = dict[str, Box]
"""Simulation → its box."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class BoxRequest:
    """Which boxes to read, and how.

    Attributes:
        suite: the suite.
        data: data root.
        set: such as ``LH``.
        redshift: headers must agree.
        volume: such as ``L25n256``; headers must agree.
        selection: which subhaloes are galaxies.
        limit: read only the first so many simulations.
        template: an explicit path pattern, see
            :func:`~dagnn.catalogs.layouts.find_layouts`.
        workers: processes that read; from a local disk one reads over 100 boxes a second.
        cache: folder for the selected columns (see :func:`default_cache`); None keeps none.
        on_progress: called with boxes done and boxes in all.
    """

    suite: Suite
    data: Path
    set: str = "LH"
    redshift: float = 0.0
    volume: str = "L25n256"
    selection: Selection = field(default_factory=Selection)
    limit: int | None = None
    template: str | None = None
    workers: int = 1
    cache: Path | None = None
    on_progress: Progress | None = None

    def __str__(self) -> str:
        return f"{self.set} boxes of {self.suite.name}"


def read_boxes(request: BoxRequest, files: Files) -> Boxes:
    """Read boxes in order; other errors than no galaxies and implausible values are raised."""
    box_size = request.suite.box_size(request.volume)
    read = partial(_read, request.suite, request.selection, request.redshift, box_size)
    boxes: Boxes = {}
    results = _results(read, list(files.items()), request.workers)
    for done, (simulation, result) in enumerate(zip(files, results, strict=True), start=1):
        boxes[simulation] = result
        if request.on_progress is not None:
            request.on_progress(done, len(files))
    return boxes


def by_outcome(
    boxes: Boxes,
) -> tuple[tuple[Catalog, ...], dict[str, str], dict[str, str]]:
    """Return the catalogues, and the reasons of boxes without galaxies and of implausible ones."""
    catalogs = tuple(box for box in boxes.values() if isinstance(box, Catalog))
    empty, wrong = (
        {name: str(box) for name, box in boxes.items() if isinstance(box, kind)}
        for kind in (EmptyCatalogError, ImplausibleError)
    )
    return catalogs, empty, wrong


def require_plausible(request: BoxRequest, boxes: Boxes) -> None:
    """Refuse a suite of which most boxes, or all boxes together, hold impossible values.

    Raises:
        ImplausibleError: the message names what the first of them holds, and the likely unit.
    """
    right, _, wrong = by_outcome(boxes)
    if len(wrong) > len(right):
        simulation, reason = next(iter(wrong.items()))
        raise ImplausibleError(
            f"{len(wrong)} of {len(wrong) + len(right)} {request} hold values that no such "
            f"catalogue can. The first, {simulation}: {reason}"
        )
    trouble = pooled_trouble([catalog.positions for catalog in right]) if right else ""
    if trouble:
        raise ImplausibleError(
            f"Positions of the {request} do not fill their box: {trouble}, such as in "
            f"{right[0].path}. Are they in other units, or is the edge missing? Convert them, or "
            "set the column's `factor` in the suite's YAML."
        )


def _read(
    suite: Suite,
    selection: Selection,
    redshift: float,
    box_size: float,
    box: tuple[str, Sequence[Path]],
) -> Box:
    """Return a box, or the reason why it is left out."""
    simulation, files = box
    try:
        return read_catalog(files, suite, selection, redshift, box_size, simulation)
    except (EmptyCatalogError, ImplausibleError) as error:
        return error


def _results(
    read: Callable[[tuple[str, Sequence[Path]]], Box],
    boxes: list[tuple[str, Sequence[Path]]],
    workers: int,
) -> Iterator[Box]:
    if workers <= 1 or len(boxes) < 2:
        yield from map(read, boxes)
        return
    executor = ProcessPoolExecutor(workers)
    try:
        with without_main():
            results = executor.map(read, boxes, chunksize=4)
        yield from results
    finally:
        executor.shutdown(cancel_futures=True)


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


def cache_key(request: BoxRequest, files: Files) -> str:
    """Return what identifies a reading: files as they are now, and how they are read."""
    identity = {
        "reader": READER_VERSION,
        "fields": request.suite.model_dump(mode="json")["fields"],
        "box_size": request.suite.box_size(request.volume),
        "redshift": request.redshift,
        "selection": asdict(request.selection),
        "columns": GALAXY_COLUMNS,
        "files": [[sim, [_state(path) for path in paths]] for sim, paths in files.items()],
    }
    digest = hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=12)
    return f"{request.suite.short_name}-{request.set}-{digest.hexdigest()}"


def _state(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path.absolute()), status.st_size, status.st_mtime_ns


def load_cached(folder: Path, key: str) -> Boxes | None:
    """Return cached boxes, or None where there are none or the file is damaged (with a warning)."""
    path = folder / f"{key}.npz"
    if not path.is_file():
        return None
    try:
        with reading(path, "The catalogues are read again."):
            return _unpacked(read_arrays(path, "The catalogues are read again."))
    except DataError as error:
        warnings.warn(f"The cache file {error}", stacklevel=2)
        return None


def save_cached(folder: Path, key: str, boxes: Boxes) -> None:
    """Write boxes, all or none; a folder that cannot be written is only a warning."""
    try:
        with atomic_path(folder / f"{key}.npz") as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **_packed(boxes))
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


_DESCRIBED = tuple(each.name for each in fields(Catalog) if each.name != "columns")


def _packed(boxes: Boxes) -> dict[str, NDArray[Any]]:
    """Return columns end to end, and everything else as JSON."""
    catalogs, empty, implausible = by_outcome(boxes)
    names = catalogs[0].columns if catalogs else ()
    columns = {name: np.concatenate([each.columns[name] for each in catalogs]) for name in names}
    content = {
        "catalogs": [{name: getattr(each, name) for name in _DESCRIBED} for each in catalogs],
        "skipped": list(empty.items()),
        "implausible": list(implausible.items()),
        "digest": _digest(columns),
    }
    text = json.dumps(content, default=str)
    return {
        "description": np.frombuffer(text.encode(), dtype=np.uint8),
        "lengths": np.array([len(catalog) for catalog in catalogs], dtype=np.int64),
        **{f"column_{name}": values for name, values in columns.items()},
    }


def _digest(columns: Mapping[str, NDArray[Any]]) -> str:
    """Return a checksum of names, types, shapes and values."""
    found = hashlib.blake2b(digest_size=16)
    for name, values in sorted(columns.items()):
        found.update(f"{name} {values.dtype.str} {values.shape} ".encode())
        found.update(np.ascontiguousarray(values).data)
    return found.hexdigest()


def _unpacked(packed: dict[str, NDArray[Any]]) -> Boxes:
    content, lengths = json.loads(packed["description"].tobytes()), packed["lengths"]
    columns = {
        name.removeprefix("column_"): values
        for name, values in packed.items()
        if name.startswith("column_")
    }
    # Earlier versions did not store a checksum.
    if "digest" in content and content["digest"] != _digest(columns):
        raise ValueError("its columns are not those that were stored")
    numbers = all(values.dtype.kind in "fiu" for values in columns.values())
    if not numbers or (len(lengths) and "position" not in columns):
        raise ValueError("it does not hold columns of galaxies")
    total = int(lengths.sum())
    if any(len(values) != total for values in columns.values()):
        raise ValueError(f"its boxes have {total} galaxies, its columns have not")
    if len(content["catalogs"]) != len(lengths):
        raise ValueError("it has another number of boxes than it says")
    boxes: Boxes = {}
    for described, end, length in zip(
        content["catalogs"], np.cumsum(lengths).tolist(), lengths.tolist(), strict=True
    ):
        own = {name: values[end - length : end] for name, values in columns.items()}
        path, warned = Path(described.pop("path")), tuple(described.pop("warnings"))
        catalog = Catalog(**described, path=path, warnings=warned, columns=own)
        boxes[catalog.simulation] = catalog
    boxes |= {name: EmptyCatalogError(reason) for name, reason in content["skipped"]}
    return boxes | {name: ImplausibleError(reason) for name, reason in content["implausible"]}


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


def recall(folder: Path, key: str, files: Files) -> Boxes | None:
    """Return the cached boxes of a whole suite, or what shards make of it.

    Where all shards are there they become one file, which takes their place.

    Args:
        folder: of the cache.
        key: of the whole suite.
        files: simulation → its files, in order.
    """
    whole = load_cached(folder, key)
    if whole is not None:
        return whole
    stored = f"{glob.escape(key)}.*-of-*.npz"
    counts = sorted({int(path.stem.rpartition("-")[2]) for path in folder.glob(stored)})
    for count in counts:
        shards = [load_cached(folder, Shard(i + 1, count).key(key)) for i in range(count)]
        if all(shard is not None for shard in shards):
            every = {name: box for shard in shards for name, box in (shard or {}).items()}
            whole = {name: every[name] for name in files if name in every}
            save_cached(folder, key, whole)
            if (folder / f"{key}.npz").is_file():
                for path in folder.glob(stored):
                    path.unlink(missing_ok=True)
            return whole
    # Another job may have joined and removed them meanwhile.
    return load_cached(folder, key) if counts else None
