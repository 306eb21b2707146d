"""Read the data of an experiment into the cache, all of it or one share for a batch job."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from dagnn.catalogs.cache import Shard
from dagnn.config import Experiment
from dagnn.console import log, print_line, progress_bar
from dagnn.data.requests import Modality, Request
from dagnn.errors import MissingDataError
from dagnn.run.assemble import check
from dagnn.run.calibrate import other_redshifts
from dagnn.run.data import default_data, request_for
from dagnn.run.prepared import modality_of


def prepare(
    experiment: Experiment, *, shard: Shard | None = None, console: Console | None = None
) -> dict[str, int | None]:
    """Read every suite of an experiment into the cache; training then opens no catalogue.

    Args:
        experiment: what will be trained.
        shard: which share of each suite's simulations; all of them if None.
        console: where progress goes; standard error if None.

    Returns:
        Suite → number of files that were read, zero where all were cached; None for a
        modality that needs no cache, whose files were only looked for.

    Raises:
        DagnnError: the experiment or the data cannot be used; mocks are not made here.
    """
    console, shard = console or log(), shard or Shard()
    check(experiment)
    place = experiment.data.path or default_data()
    if not place.is_dir():
        raise MissingDataError(
            f"There is no data folder {place} to read from. Name it with --data."
        )
    modality = modality_of(experiment)
    found: dict[str, int | None] = {}
    for name, redshifts in _wanted(experiment, modality, place):
        labelled = name in [modality.name(source) for source in experiment.source]
        request = request_for(experiment, name, place, labelled=labelled)
        title = f"Reading {name}" + (f", share {shard.number} of {shard.count}" * (shard.count > 1))
        with progress_bar(console, title) as advance:
            read = modality.prepare(
                replace(request, redshifts=tuple(redshifts), on_progress=advance), shard
            )
        found[name] = None if read is None else (found.get(name) or 0) + read
    for name, read in found.items():
        print_line(console, _said(name, read))
    return found


def _said(name: str, read: int | None) -> str:
    if read is None:
        return f"{name} is read at once when training starts; nothing to prepare"
    if read == 0:
        return f"{name}: nothing left to read"
    return f"{name}: {read} {'catalogue' if read == 1 else 'catalogues'} read"


def _wanted(
    experiment: Experiment, modality: Modality, place: Path
) -> Iterator[tuple[str, Sequence[float]]]:
    """Yield suites and the redshifts to read them at, those of a surrogate last."""
    names = [*experiment.source, *experiment.target, *experiment.evaluation.suites]
    data = experiment.data
    for name in dict.fromkeys(map(modality.name, names)):
        yield name, data.redshifts
    if experiment.calibration.surrogate not in ("auto", "redshift") or not experiment.target:
        return
    sources = [modality.name(name) for name in experiment.source]
    there = [
        set(modality.redshifts(Request(name, place, set=data.set, volume=data.volume)))
        for name in sources
    ]
    moved = other_redshifts(data.redshifts, sorted(set.intersection(*there)))
    for name in sources if moved else ():
        yield name, moved or ()
