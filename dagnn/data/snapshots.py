"""Catalogues of the same boxes at one or several redshifts."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from dagnn.catalogs.cache import BoxRequest, Shard
from dagnn.catalogs.catalog import Selection
from dagnn.catalogs.collection import SuiteCatalogs, load_boxes, prepare_boxes
from dagnn.catalogs.layouts import natural_order
from dagnn.catalogs.reader import guess_simulation
from dagnn.catalogs.suites import find_suite, same_redshift
from dagnn.data.requests import Progress, Request
from dagnn.errors import ConfigError, MismatchError, MissingDataError, UsageError
from dagnn.records import Coverage


def load_snapshots(request: Request, selection: Selection, template: str | None) -> SuiteCatalogs:
    """Read the boxes of a suite that have galaxies at every redshift.

    Args:
        request: the suite and what to read of it.
        selection: which subhaloes are galaxies.
        template: explicit file pattern, see :func:`dagnn.catalogs.layouts.find_layouts`.

    Raises:
        MissingDataError: no box is there at every redshift.
        DataError: see :func:`dagnn.catalogs.collection.load_boxes`.
    """
    names, labelled = request.scaling.names, request.labelled
    suites = [
        load_boxes(each, names, labelled=labelled)
        for each in _box_requests(request, selection, template)
    ]
    return suites[0] if len(suites) == 1 else _common(suites, request.redshifts)


def prepare_snapshots(
    request: Request, selection: Selection, template: str | None, shard: Shard
) -> int:
    """Read a share of a suite's boxes, at every redshift, into the cache of the request.

    Returns:
        The number of catalogues that were read; zero where all were cached.
    """
    requests = _box_requests(request, selection, template)
    return sum(prepare_boxes(each, shard) for each in requests)


def _box_requests(request: Request, selection: Selection, template: str | None) -> list[BoxRequest]:
    """Return the request for the boxes at each redshift."""
    return [
        BoxRequest(
            suite=find_suite(request.suite),
            data=request.data,
            set=request.set,
            redshift=redshift,
            volume=request.volume,
            selection=selection,
            limit=request.limit,
            template=template,
            workers=request.workers,
            cache=request.cache,
            on_progress=_share(request.on_progress, number, len(request.redshifts)),
        )
        for number, redshift in enumerate(request.redshifts)
    ]


def _share(on_progress: Progress | None, number: int, together: int) -> Progress | None:
    """Return what reports one of several equal shares of a job."""
    if on_progress is None:
        return None
    return lambda done, total: on_progress(number * total + done, together * total)


def _common(suites: Sequence[SuiteCatalogs], redshifts: Sequence[float]) -> SuiteCatalogs:
    """Keep the boxes that every snapshot has, in the order of the first."""
    first = suites[0]
    boxes = [dict(zip(suite.ids, suite.catalogs, strict=True)) for suite in suites]
    rows = [row for row, name in enumerate(first.ids) if all(name in box for box in boxes)]
    skipped = {name: reason for suite in suites for name, reason in suite.skipped.items()}
    every = dict.fromkeys(name for suite in suites for name in suite.ids)
    for suite, redshift in zip(suites, redshifts, strict=True):
        for name in every:
            if name not in suite.ids and name not in skipped:
                skipped[name] = f"there is no catalogue at z={redshift:g}"
    if not rows:
        asked = ", ".join(f"{redshift:g}" for redshift in redshifts)
        name, reason = next(iter(skipped.items()))
        raise MissingDataError(
            f"No {first.set} box of {first.suite.name} is there at every redshift ({asked}). "
            f"Left out {name}: {reason}. Check data.redshifts and data.limit."
        )
    ids = tuple(first.ids[row] for row in rows)
    together = "".join(suite.fingerprint for suite in suites)
    return replace(
        first,
        ids=ids,
        catalogs=tuple(box[name] for name in ids for box in boxes),
        truth=first.truth[rows],
        skipped=skipped,
        coverage=_coverage(suites, redshifts, ids),
        mock=any(suite.mock for suite in suites),
        fingerprint=hashlib.blake2b(together.encode(), digest_size=12).hexdigest(),
    )


def _coverage(
    suites: Sequence[SuiteCatalogs], redshifts: Sequence[float], ids: Sequence[str]
) -> Coverage:
    """Count boxes over all redshifts: each is left out once, for the first reason there is."""
    names: dict[str, str] = {}
    for suite in suites:
        for reason, without in suite.coverage.left_out.items():
            names |= {name: reason for name in without if name not in names}
    absent = {name for suite in suites for name in suite.ids} - {*ids, *names}
    left_out = {reason: tuple(n for n in names if names[n] == reason) for reason in names.values()}
    left_out["not at every redshift"] = tuple(sorted(absent, key=natural_order))
    remarks = dict.fromkeys(
        f"z={redshift:g}: {remark}"
        for suite, redshift in zip(suites, redshifts, strict=True)
        for remark in suite.coverage.remarks
    )
    return Coverage(len(ids) + len(names) + len(absent), left_out, tuple(remarks))


def check_redshifts(redshifts: Sequence[float], convention: str) -> None:
    """Refuse redshifts that cannot form one graph.

    Raises:
        ConfigError: two of them mean one snapshot, or the convention knows only one.
    """
    for one, other in combinations(redshifts, 2):
        if same_redshift(one, other):
            raise ConfigError(
                f"data.redshifts: {one:g} and {other:g} mean the same snapshot. Name it once."
            )
    if len(redshifts) > 1 and convention != "periodic":
        raise ConfigError(
            f"data.convention: {convention} graphs have one snapshot, as the published networks "
            f"expect; data.redshifts names {len(redshifts)}. Choose the convention periodic, or "
            "one redshift."
        )


def check_files(files: Sequence[Path], together: int) -> None:
    """Refuse files that do not come in inputs of as many as there are redshifts.

    Raises:
        UsageError: their number is not a multiple.
        MismatchError: the paths of one input name different simulations.
    """
    if len(files) % together:
        raise UsageError(
            f"One input is made of {together} files, one per redshift; got {len(files)} files."
        )
    for first in range(0, len(files), together):
        own = files[first : first + together]
        # A path that names no simulation gives the stem, which says nothing.
        named = {name for file in own if (name := guess_simulation(file)) != file.stem}
        if len(named) > 1:
            raise MismatchError(
                f"{own[0]} begins an input of {together} snapshots of one box, but its files are "
                f"of {' and '.join(sorted(named))}. Name all snapshots of a box, then the next box."
            )
