"""Find the data folder of an experiment, or make mocks and say so."""

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from dagnn.catalogs.cache import default_cache
from dagnn.config import Experiment
from dagnn.console import log, progress_bar
from dagnn.data.mocking import CACHES, universes
from dagnn.data.requests import Mocks
from dagnn.errors import MissingDataError, UsageError
from dagnn.files import entries
from dagnn.run.prepared import modality_of


def default_data() -> Path:
    """Return the default place of data: ``$DAGNN_DATA``, or ``catalogs/data`` here."""
    return Path(os.environ.get("DAGNN_DATA") or "catalogs/data")


def locate_data(experiment: Experiment, mock: bool, console: Console) -> Path:
    """Return the data folder, making mocks where there are no data.

    Raises:
        MissingDataError: a folder was named and does not exist.
        UsageError: mocks are needed and there are none of these suites.
    """
    modality = modality_of(experiment)
    suites = [*experiment.source, *experiment.target, *experiment.evaluation.suites]
    boxes, workers = experiment.data.mock_boxes, experiment.data.workers
    if experiment.data.path is not None and not mock:
        if not experiment.data.path.is_dir():
            raise MissingDataError(
                f"There is no data folder {experiment.data.path}. Check --data; "
                "without it, and without data in the default place, mocks are made."
            )
        if is_mock_cache(experiment.data.path):
            # A suite that the run had no need of may be wanted now.
            _fill(modality.mocks(suites, boxes), experiment.data.path, workers, console)
        return experiment.data.path
    if os.environ.get("DAGNN_DATA") and not mock and not default_data().is_dir():
        raise MissingDataError(
            f"$DAGNN_DATA names {default_data()}, which does not exist. Correct or unset it."
        )
    place = default_data()
    if not mock and place.is_dir() and entries(place):
        return place
    try:
        mocks = modality.mocks(suites, boxes)
    except UsageError as error:
        raise UsageError(
            f"There are no data in {place}, and {error}. Name the folder of the real files with "
            "--data."
        ) from None
    if not mock:
        console.print(
            f"[bold yellow]No data in {escape(str(place))}: using MOCK {mocks.what}.[/] They are "
            f"not {mocks.unlike}; tables and figures will say MOCK. Name real data with --data."
        )
    return _fill(mocks, mocks.folder, workers, console)


def make_mocks(
    suites: Sequence[str],
    out: Path,
    count: int,
    *,
    table: Path | None = None,
    seed: int = 0,
    workers: int = 2,
    console: Console | None = None,
) -> Path:
    """Make mock boxes of some suites, as far as they are not there yet.

    Args:
        suites: any spellings of suites that there are mocks of.
        out: data folder to fill.
        count: boxes per suite.
        table: real parameter table to draw the boxes at; fresh rows if None.
        seed: of rows and boxes.
        workers: processes.
        console: where progress goes; standard error if None.
    """
    made = universes(suites, count, table=table, seed=seed)
    return _fill(made, out, workers, console or log())


def is_mock_cache(path: Path) -> bool:
    """Whether a folder is one of those that mocks are made in, and filled as they are asked for."""
    return path.parent == default_cache().absolute() and path.name.startswith(CACHES)


def _fill(mocks: Mocks, out: Path, workers: int, console: Console) -> Path:
    for title, job in mocks.jobs:
        with progress_bar(console, f"Making MOCK {mocks.what} of {title}") as advance:
            job(out, workers, advance)
    return out
