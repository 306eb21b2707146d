"""Find the data of an experiment, or make mocks and say so; read every suite."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from dagnn.catalogs.cache import default_cache
from dagnn.catalogs.suites import find_suite
from dagnn.config import Experiment, build
from dagnn.data.modalities import MODALITIES, Loaded, Modality, Request
from dagnn.data.splits import PARTS, Split, split_groups
from dagnn.errors import MissingDataError, UsageError
from dagnn.mocks.universe import RECIPE, make_universe
from dagnn.parameters import Scaling
from dagnn.run.progress import progress_bar


@dataclass(frozen=True)
class SuiteData:
    """One suite of an experiment, read and split.

    Attributes:
        name: short suite name.
        role: ``source``, ``target`` or ``other``.
        domain: number that the network knows it by.
        loaded: dataset and facts about it.
        split: train, validation and test items; None where every item is held out.
    """

    name: str
    role: str
    domain: int
    loaded: Loaded
    split: Split | None

    def parts(self) -> dict[str, Tensor]:
        """Return the items of each part; ``all`` for a suite that is not split."""
        if self.split is None:
            return {"all": torch.arange(len(self.loaded.dataset))}
        return {part: torch.as_tensor(getattr(self.split, part)) for part in PARTS}


@dataclass(frozen=True)
class Prepared:
    """Every suite of an experiment.

    Attributes:
        suites: sources first, then targets, then others.
        scaling: between physical and prior units.
        folder: where the data were read.
    """

    suites: tuple[SuiteData, ...]
    scaling: Scaling
    folder: Path

    @property
    def mock(self) -> bool:
        """Whether any of the data are synthetic."""
        return any(suite.loaded.mock for suite in self.suites)

    def of_role(self, role: str) -> list[SuiteData]:
        """Return the suites of a role."""
        return [suite for suite in self.suites if suite.role == role]


def default_data() -> Path:
    """Return the default place of data: ``$DAGNN_DATA``, or ``catalogs/data`` here."""
    return Path(os.environ.get("DAGNN_DATA") or "catalogs/data")


def locate_data(experiment: Experiment, mock: bool, console: Console) -> Path:
    """Return the data folder, making mock universes where there are no data.

    Raises:
        MissingDataError: a folder was named and does not exist.
        UsageError: mocks are needed and cannot be made for this modality.
    """
    if experiment.data.path is not None:
        if not experiment.data.path.is_dir():
            raise MissingDataError(
                f"The data folder {experiment.data.path} does not exist. Check --data; "
                "without it, and without data in the default place, mocks are made."
            )
        return experiment.data.path
    place = default_data()
    if not mock and place.is_dir() and any(place.iterdir()):
        return place
    if experiment.data.name != "galaxies":
        raise UsageError(
            f"There are no data in {place}, and mocks exist for galaxies only, not for "
            f"{experiment.data.name}. Name the folder of the real files with --data."
        )
    if not mock:
        console.print(
            f"[bold yellow]No data in {place}: using MOCK universes.[/] They are not CAMELS; every "
            "table and figure will say MOCK. Name real data with --data."
        )
    suites = [*experiment.source, *experiment.target, *experiment.evaluation.suites]
    boxes, workers = experiment.data.mock_boxes, experiment.data.workers
    # Another number of boxes is another Latin hypercube, hence another folder.
    out = default_cache() / f"mock-recipe{RECIPE}-{boxes}"
    return make_mocks(suites, out, boxes, workers=workers, console=console)


def make_mocks(
    suites: Iterable[str],
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
    console = console or Console(stderr=True)
    for suite in suites:
        with progress_bar(console, f"MOCK {suite}: boxes") as advance:
            make_universe(
                find_suite(suite).short_name,
                out,
                count,
                table=table,
                seed=seed,
                workers=workers,
                on_progress=advance,
            )
    return out


def prepare(
    experiment: Experiment,
    folder: Path,
    console: Console,
    *,
    others: Sequence[str] = (),
    split_ids: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
) -> Prepared:
    """Read and split every suite of an experiment.

    Args:
        experiment: what to read.
        folder: data folder.
        console: where progress is shown.
        others: further suites, evaluated as a whole.
        split_ids: splits of a finished run, suite → part → ids; None makes new ones.
    """
    modality = build(MODALITIES, experiment.data, "data")
    roles = [(name, "source") for name in experiment.source]
    roles += [(name, "target") for name in experiment.target]
    named = [(find_suite(name).short_name, role) for name, role in roles]
    known = dict(named)
    named += [(s, "other") for s in (find_suite(n).short_name for n in others) if s not in known]
    suites = []
    for domain, (name, role) in enumerate(dict(named).items()):
        loaded = _load(modality, experiment, name, folder, role == "source", console)
        split = None
        if role != "other":
            split = _split(experiment, loaded, (split_ids or {}).get(name))
        suites.append(SuiteData(name, role, domain if split else 0, loaded, split))
    return Prepared(tuple(suites), Scaling.of(experiment.data.parameters), folder)


def _split(
    experiment: Experiment, loaded: Loaded, ids: Mapping[str, Sequence[str]] | None
) -> Split:
    dataset = loaded.dataset
    if ids is not None:
        return Split.from_ids(ids, dataset.ids)
    return split_groups(dataset.groups, experiment.data.split, seed=experiment.seed)


def _load(
    modality: Modality,
    experiment: Experiment,
    suite: str,
    folder: Path,
    labelled: bool,
    console: Console,
) -> Loaded:
    data = experiment.data
    with progress_bar(console, f"Reading {suite}") as advance:
        loaded = modality.load(
            Request(
                suite=suite,
                data=folder,
                set=data.set,
                volume=data.volume,
                redshifts=tuple(data.redshifts),
                parameters=tuple(data.parameters),
                limit=data.limit,
                labelled=labelled,
                workers=data.workers,
                cache=default_cache(),
                on_progress=advance,
            )
        )
    for note in loaded.notes:
        console.print(f"[yellow]{suite}:[/] {note}", highlight=False)
    return loaded
