"""All boxes of a suite, with their truth, or read into the cache ahead of that."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dagnn.catalogs.cache import (
    Boxes,
    BoxRequest,
    Files,
    Shard,
    by_outcome,
    cache_key,
    header_redshift,
    load_cached,
    read_boxes,
    recall,
    require_plausible,
    save_cached,
)
from dagnn.catalogs.catalog import Catalog
from dagnn.catalogs.layouts import find_layouts, find_table, natural_order
from dagnn.catalogs.suites import Suite, find_suite, same_redshift
from dagnn.catalogs.tables import (
    ParameterTable,
    check_header,
    header_problems,
    read_labels,
    read_table,
)
from dagnn.errors import EmptyCatalogError, MismatchError, MissingDataError, UsageError
from dagnn.records import Coverage, FloatArray, few_names

_ELSEWHERE = "only at another redshift"


@dataclass(frozen=True)
class SuiteCatalogs:
    """Boxes of one suite and set, with their truth.

    Attributes:
        suite: the suite.
        set: such as ``LH``.
        ids: simulations, ``n`` of them, in natural order.
        catalogs: one per simulation; where several snapshots were joined, all those of a
            simulation one after the other.
        parameters: names of the ``P`` parameters.
        truth: ``[n, P]`` in the table's units; NaN where nothing is known.
        skipped: every box that is left out → the reason.
        coverage: how many boxes there are, and why some are not used.
        mock: whether any file is marked as synthetic.
        fingerprint: hash of ids, columns and truth.
        notes: what is odd about the truth.
    """

    suite: Suite
    set: str
    ids: tuple[str, ...]
    catalogs: tuple[Catalog, ...]
    parameters: tuple[str, ...]
    truth: FloatArray
    skipped: dict[str, str]
    coverage: Coverage
    mock: bool
    fingerprint: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of boxes."""
        return len(self.ids)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the truth or in any of the boxes without being fatal."""
        return (*self.notes, *(text for box in self.catalogs for text in box.warnings))

    def __repr__(self) -> str:
        stamp = " MOCK" if self.mock else ""
        galaxies = sum(map(len, self.catalogs)) / len(self.catalogs)
        return (
            f"SuiteCatalogs({self.suite.short_name} {self.set} z={self.catalogs[0].redshift:.2f}"
            f"{stamp}: {len(self)} boxes, {galaxies:.0f} galaxies each, {len(self.skipped)} "
            "skipped)"
        )


def load_suite(
    suite: str | Suite,
    data: str | Path,
    parameters: Sequence[str] = ("Omega_m",),
    table: str | Path | None = None,
    labelled: bool = True,
    **options: Any,
) -> SuiteCatalogs:
    """Read every box of a suite, set and redshift, with its truth.

    Args:
        suite: name, path of a suite's YAML, or the suite itself.
        data: data root.
        parameters: names of the truth's columns.
        table: the parameter table, where it is not in its usual place.
        labelled: whether a missing table is an error; otherwise the truth is NaN.
        options: set, redshift, volume, selection and what else :class:`BoxRequest` takes.

    Raises:
        DataError: see :func:`load_boxes`.
    """
    request = BoxRequest(find_suite(suite), Path(data), **options)
    return load_boxes(request, parameters, table, labelled)


def load_boxes(
    request: BoxRequest,
    parameters: Sequence[str],
    table: str | Path | None = None,
    labelled: bool = True,
) -> SuiteCatalogs:
    """Read the boxes of a request, with their truth; see :func:`load_suite`.

    Raises:
        MissingDataError: no catalogue or no table is there.
        UnknownSimulationError: the table lacks a simulation.
        EmptyCatalogError: no box has galaxies.
        TableError: labels lie far outside the suite's prior.
        MismatchError: the headers of most boxes state another cosmology than the table.
        DataError: a file is broken; boxes without galaxies are only skipped.
    """
    every, there = find_boxes(request)
    files = dict(islice(every.items(), request.limit))
    truths: ParameterTable | None = None
    try:
        place = (request.suite, request.data, request.set, request.volume)
        truths = read_table(find_table(*place) if table is None else table)
        truths.truth(list(files), ())  # fails early where a simulation is unknown
    except MissingDataError:
        if labelled or table is not None:
            raise
    key = cache_key(request, files) if request.cache is not None else ""
    boxes = recall(request.cache, key, files) if request.cache is not None else None
    if boxes is None:
        boxes = read_boxes(request, files)
        if request.cache is not None:
            save_cached(request.cache, key, boxes)
    require_plausible(request, boxes)
    return _collected(request, boxes, truths, tuple(parameters), every, there)


def prepare_boxes(request: BoxRequest, shard: Shard) -> int:
    """Read a share of the boxes of a request into its cache.

    With all shares there, :func:`load_boxes` opens no catalogue for the same request. Jobs on
    several machines must see data and cache under the same paths.

    Returns:
        The number of boxes that were read; zero where all were cached.

    Raises:
        UsageError: the cache cannot be written.
        ImplausibleError: all shares are there, and most boxes hold impossible values.
        DataError: a catalogue is missing or broken.
    """
    cache = request.cache
    assert cache is not None
    files = dict(islice(find_boxes(request)[0].items(), request.limit))
    key = cache_key(request, files)
    whole, own = recall(cache, key, files), shard.own(files)
    if whole is not None:
        own = {}
    elif load_cached(cache, shard.key(key)) is not None:
        return 0
    else:
        save_cached(cache, shard.key(key), read_boxes(request, own))
        # The last share to arrive makes the whole, which takes the shares' place.
        whole = recall(cache, key, files)
    if whole is not None:
        require_plausible(request, whole)
    elif not (cache / f"{shard.key(key)}.npz").is_file():
        raise UsageError(
            f"The cache {cache} cannot be written. Let $DAGNN_CACHE name a folder that can."
        )
    return len(own)


def find_boxes(request: BoxRequest) -> tuple[dict[str, tuple[Path, ...]], Coverage]:
    """Find the files of every box of a set, in whatever layouts.

    Returns:
        Simulation → its file or its chunks, in natural order, from the first layout that has it
        at the redshift; and what else is there.

    Raises:
        MissingDataError: nothing is there.
        MismatchError: files are at other redshifts only.
    """
    z = request.redshift
    layouts = find_layouts(
        request.suite, request.data, request.set, z, request.volume, request.template
    )
    # The reader checks the redshift of a single layout anyway.
    stored: list[float | None] = [None]
    if len(layouts) > 1:
        one_of_each = [next(iter(layout.files.values())) for layout in layouts]
        stored = [header_redshift(one, request.cache) for one in one_of_each]
    at = list(zip(layouts, stored, strict=True))
    right = [layout for layout, own in at if own is None or same_redshift(own, z)]
    if not right:
        found = "; ".join(
            f"{layout.pattern} with snapshot {layout.snapshot:03d} is z = {own:.2f}"
            for layout, own in at
        )
        raise MismatchError(
            f"No file is at redshift {z:g}: {found}. Ask for one of these redshifts."
        )
    files: dict[str, tuple[Path, ...]] = {}
    copies: set[str] = set()
    for layout in right:
        for sim, paths in layout.files.items():
            first = files.setdefault(sim, paths)
            if first is not paths and _resolved(first) != _resolved(paths):
                copies.add(sim)
    elsewhere = _ordered({sim for layout in layouts for sim in layout.files} - set(files))
    twice, strange = _ordered(copies), sorted({name for each in layouts for name in each.strange})
    remarks = []
    if twice:
        remarks.append(f"under two names, used once: {len(twice)} ({few_names(twice)})")
    if strange:
        remarks.append(f"names of no box: {len(strange)} ({few_names(strange)})")
    left_out = {_ELSEWHERE: elsewhere}
    there = Coverage(len(files) + len(elsewhere), left_out, tuple(remarks))
    return {sim: files[sim] for sim in _ordered(files)}, there


def _resolved(paths: Sequence[Path]) -> list[Path]:
    return [path.resolve() for path in paths]


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=natural_order))


def _collected(
    request: BoxRequest,
    boxes: Boxes,
    table: ParameterTable | None,
    parameters: tuple[str, ...],
    files: Files,
    there: Coverage,
) -> SuiteCatalogs:
    """Join boxes with their truth by name."""
    catalogs, empty, wrong = by_outcome(boxes)
    if not catalogs:
        simulation, reason = next(iter(empty.items()))
        raise EmptyCatalogError(
            f"None of the {len(empty)} {request} has galaxies. {simulation}: {reason}"
        )
    ids = tuple(catalog.simulation for catalog in catalogs)
    left_out = {
        "no galaxies": tuple(empty),
        "implausible values": tuple(wrong),
        "beyond the limit": tuple(files)[len(boxes) :],
        **there.left_out,
    }
    truth = np.full((len(ids), len(parameters)), np.nan)
    notes: tuple[str, ...] = ()
    remarks = there.remarks
    if table is not None:
        truth, notes = read_labels(table, ids, parameters, request.suite)
        headers = {catalog.simulation: catalog.header for catalog in catalogs}
        problems, _ = header_problems(headers, table, request.suite)
        if problems:
            raise MismatchError(problems[0])
        catalogs = tuple(check_header(one, table) for one in catalogs)
        listed = {name for name in table.names if name.startswith(f"{request.set}_")}
        absent = len(listed - {*files, *there.left_out[_ELSEWHERE]})
        remarks += (f"{absent} rows of {table.path.name} have no box",) if absent else ()
    return SuiteCatalogs(
        suite=request.suite,
        set=request.set,
        ids=ids,
        catalogs=catalogs,
        parameters=parameters,
        truth=truth,
        skipped=empty | wrong,
        coverage=Coverage(there.found, left_out, remarks),
        mock=any(catalog.mock for catalog in catalogs),
        fingerprint=_fingerprint(catalogs, truth),
        notes=notes,
    )


def _fingerprint(catalogs: Sequence[Catalog], truth: FloatArray) -> str:
    digest = hashlib.blake2b(truth.tobytes(), digest_size=12)
    for catalog in catalogs:
        digest.update(catalog.simulation.encode())
        for name in sorted(catalog.columns):
            digest.update(name.encode() + np.ascontiguousarray(catalog.columns[name]).tobytes())
    return digest.hexdigest()
