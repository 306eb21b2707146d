"""Many boxes read the same way, in this process or in several."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dagnn.catalogs.catalog import Catalog, Selection
from dagnn.catalogs.plausible import pooled_trouble
from dagnn.catalogs.reader import read_catalog
from dagnn.catalogs.suite import Suite
from dagnn.errors import EmptyCatalogError, ImplausibleError
from dagnn.workers import without_main

Files = Mapping[str, Sequence[Path]]
Progress = Callable[[int, int], None]
_Box = tuple[str, Sequence[Path]]


@dataclass(frozen=True)
class Request:
    """What is wanted of every box.

    Attributes:
        suite: the suite.
        set: such as ``LH``.
        redshift: headers must agree.
        volume: such as ``L25n256``; headers must agree.
        selection: which subhaloes are galaxies.
        columns: canonical columns.
    """

    suite: Suite
    set: str
    redshift: float
    volume: str
    selection: Selection
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """What reading many boxes gave.

    Attributes:
        catalogs: boxes with galaxies.
        skipped: simulation and reason of every box without.
        implausible: the same of every box whose values cannot be.
    """

    catalogs: tuple[Catalog, ...]
    skipped: tuple[tuple[str, str], ...]
    implausible: tuple[tuple[str, str], ...] = ()


def read_boxes(
    request: Request, files: Files, workers: int = 1, on_progress: Progress | None = None
) -> Reading:
    """Read boxes in order; other trouble than no galaxies and implausible values raises.

    Args:
        request: what is wanted of every box.
        files: simulation → its file or its chunks.
        workers: processes that read.
        on_progress: called with boxes done and boxes in all.
    """
    catalogs: list[Catalog] = []
    skipped: list[tuple[str, str]] = []
    implausible: list[tuple[str, str]] = []
    results = _results(request, list(files.items()), workers)
    for done, (simulation, result) in enumerate(zip(files, results, strict=True), start=1):
        if isinstance(result, Catalog):
            catalogs.append(result)
        else:
            unusable = implausible if isinstance(result, ImplausibleError) else skipped
            unusable.append((simulation, str(result)))
        if on_progress is not None:
            on_progress(done, len(files))
    return Reading(tuple(catalogs), tuple(skipped), tuple(implausible))


def require_plausible(request: Request, reading: Reading) -> None:
    """Refuse a suite of which most boxes, or all boxes together, cannot be.

    Raises:
        ImplausibleError: the message tells what the first of them holds, and the likely unit.
    """
    wrong, right = reading.implausible, reading.catalogs
    boxes = f"{request.set} boxes of {request.suite.name}"
    if len(wrong) > len(right):
        raise ImplausibleError(
            f"{len(wrong)} of {len(wrong) + len(right)} {boxes} hold values that no such "
            f"catalogue can. The first, {wrong[0][0]}: {wrong[0][1]}"
        )
    trouble = pooled_trouble([catalog.positions for catalog in right]) if right else ""
    if trouble:
        raise ImplausibleError(
            f"Positions of the {boxes} do not fill their box: {trouble}, such as in "
            f"{right[0].path}. Are they in other units, or is the edge missing? Convert them, or "
            "set the column's `factor` in the suite's YAML."
        )


def _read(request: Request, box: _Box) -> Catalog | EmptyCatalogError | ImplausibleError:
    """Return a box, or the reason why it is left out."""
    simulation, files = box
    try:
        return read_catalog(
            files,
            suite=request.suite,
            selection=request.selection,
            redshift=request.redshift,
            box_size=request.suite.box_size(request.volume),
            simulation=simulation,
            columns=request.columns,
        )
    except (EmptyCatalogError, ImplausibleError) as error:
        return error


def _results(
    request: Request, boxes: list[_Box], workers: int
) -> Iterator[Catalog | EmptyCatalogError | ImplausibleError]:
    if workers <= 1 or len(boxes) < 2:
        yield from map(partial(_read, request), boxes)
        return
    executor = ProcessPoolExecutor(workers)
    try:
        with without_main():
            results = executor.map(partial(_read, request), boxes, chunksize=4)
        yield from results
    finally:
        executor.shutdown(cancel_futures=True)
