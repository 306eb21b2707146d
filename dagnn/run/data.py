"""Find the data of an experiment, or make mocks and say so; read every suite."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from torch import Tensor

from dagnn.catalogs.cache import default_cache
from dagnn.catalogs.suite import Suite
from dagnn.catalogs.suites import find_suite
from dagnn.config import Experiment, build
from dagnn.data.modalities import MODALITIES, Loaded, Modality, Request
from dagnn.data.splits import PARTS, Split, split_groups
from dagnn.errors import MissingDataError, UsageError
from dagnn.evaluation.label_shift import PriorInterval
from dagnn.mocks.suites import SUITES, relations
from dagnn.mocks.universe import make_universe, recipe
from dagnn.parameters import Scaling
from dagnn.records import Dataset
from dagnn.run.progress import progress_bar

# Domain terms compare pairs of items, and a bootstrap resamples them.
FEWEST_PER_PART = 2


@dataclass(frozen=True)
class SuiteData:
    """One suite of an experiment, read and split.

    Attributes:
        suite: the suite.
        role: ``source``, ``target`` or ``other``.
        domain: number that the network knows it by.
        loaded: dataset and facts about it.
        split: train, validation and test items; None where every item is held out.
    """

    suite: Suite
    role: str
    domain: int
    loaded: Loaded
    split: Split | None

    @property
    def name(self) -> str:
        """Short name of the suite."""
        return self.suite.short_name

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
        intervals: how much of the prior each target seems to span, where that was asked.
    """

    suites: tuple[SuiteData, ...]
    scaling: Scaling
    folder: Path
    intervals: tuple[PriorInterval, ...] = ()

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
    if experiment.data.path is not None and not mock:
        if not experiment.data.path.is_dir():
            raise MissingDataError(
                f"The data folder {experiment.data.path} does not exist. Check --data; "
                "without it, and without data in the default place, mocks are made."
            )
        if _is_mock_cache(experiment.data.path):
            # A suite that the run had no need of may be wanted now.
            _make_wanted_mocks(experiment, experiment.data.path, console)
        return experiment.data.path
    if os.environ.get("DAGNN_DATA") and not mock and not default_data().is_dir():
        raise MissingDataError(
            f"$DAGNN_DATA names {default_data()}, which does not exist. Correct or unset it."
        )
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
    # Another recipe or number of boxes makes other universes, hence another folder.
    out = default_cache() / f"mock-{recipe(*SUITES.values())}-{experiment.data.mock_boxes}"
    return _make_wanted_mocks(experiment, out, console)


def _is_mock_cache(path: Path) -> bool:
    return path.parent == default_cache().absolute() and path.name.startswith("mock-")


def _make_wanted_mocks(experiment: Experiment, out: Path, console: Console) -> Path:
    suites = [*experiment.source, *experiment.target, *experiment.evaluation.suites]
    boxes, workers = experiment.data.mock_boxes, experiment.data.workers
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
    for kind in [relations(find_suite(suite).short_name).name for suite in suites]:
        with progress_bar(console, f"MOCK {kind}: boxes") as advance:
            make_universe(
                kind,
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
    splits: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    scaling: Scaling | None = None,
) -> Prepared:
    """Read and split every suite of an experiment.

    Args:
        experiment: what to read.
        folder: data folder.
        console: where progress is shown.
        others: further suites, evaluated as a whole.
        splits: of an earlier run, suite → part → ids; suites that it lacks are split anew.
        scaling: of an earlier run; None spans the priors of all trained suites.
    """
    modality = build(MODALITIES, experiment.data, "data")
    trained = {find_suite(name).short_name: find_suite(name) for name in experiment.source}
    roles = dict.fromkeys(trained, "source")
    for role, names in (("target", experiment.target), ("other", others)):
        for suite in map(find_suite, names):
            roles.setdefault(suite.short_name, role)
            trained.setdefault(suite.short_name, suite)
    learned = [suite for name, suite in trained.items() if roles[name] != "other"]
    scaling = scaling or widest_scaling(experiment.data.parameters, learned)
    suites = []
    for domain, (name, suite) in enumerate(trained.items()):
        role = roles[name]
        request = _request(experiment, suite, folder, scaling, labelled=role == "source")
        loaded = _load(modality, request, name, console)
        split, number = None, 0
        if role != "other":
            ranges = experiment.data.target_prior if role == "target" else {}
            rows = within(loaded.dataset, scaling, ranges, name)
            ids = (splits or {}).get(name)
            split, number = _split(experiment, name, loaded, rows, ids), domain
        suites.append(SuiteData(suite, role, number, loaded, split))
    return Prepared(tuple(suites), scaling, folder)


def stored_scaling(stored: Mapping[str, Any]) -> Scaling:
    """Return the scaling that a checkpoint was trained with."""
    return Scaling(**{key: tuple(value) for key, value in stored["scaling"].items()})


def widest_scaling(names: Sequence[str], suites: Sequence[Suite]) -> Scaling:
    """Return the scaling over priors wide enough for every suite."""
    ranges = [[suite.prior(name) for suite in suites] for name in names]
    low = tuple(min(low for low, _ in of_one) for of_one in ranges)
    high = tuple(max(high for _, high in of_one) for of_one in ranges)
    return Scaling(tuple(names), low, high)


def within(
    dataset: Dataset, scaling: Scaling, ranges: Mapping[str, tuple[float, float]], name: str
) -> Tensor:
    """Return the items whose truth lies in every range; all of them where there is none.

    Args:
        dataset: of one suite.
        scaling: names the parameters of its truth.
        ranges: parameter → lower and upper end, in physical units.
        name: of the suite, for messages.

    Raises:
        UsageError: a parameter is not inferred, or its truth is unknown.
    """
    inside = torch.ones(len(dataset), dtype=torch.bool)
    for parameter_name, (low, high) in ranges.items():
        if parameter_name not in scaling.names:
            raise UsageError(
                f"data.target_prior: {parameter_name} is not among the inferred parameters "
                f"({', '.join(scaling.names)})."
            )
        truth = dataset.y[:, scaling.names.index(parameter_name)].cpu()
        if truth.isnan().any():
            raise UsageError(
                f"data.target_prior needs the {parameter_name} of every simulation of {name}, and "
                "some are unknown. It is for stress tests with known truth."
            )
        inside &= (truth >= low) & (truth <= high)
    return torch.nonzero(inside).flatten()


def _split(
    experiment: Experiment,
    name: str,
    loaded: Loaded,
    rows: Tensor,
    ids: Mapping[str, Sequence[str]] | None,
) -> Split:
    dataset = loaded.dataset
    if ids is not None:
        return Split.from_ids(ids, dataset.ids)
    groups = [dataset.groups[row] for row in rows.tolist()]
    split = split_groups(groups, experiment.data.split, seed=experiment.seed)
    split = Split(*(rows.numpy()[getattr(split, part)] for part in PARTS))
    if min(len(split.train), len(split.valid), len(split.test)) < FEWEST_PER_PART:
        raise UsageError(
            f"The {len(rows)} simulations of {name} leave fewer than {FEWEST_PER_PART} for "
            f"training, validation or test ({len(split.train)}, {len(split.valid)}, "
            f"{len(split.test)}). Use more simulations, or other shares in data.split."
        )
    return split


def _request(
    experiment: Experiment, suite: Suite, folder: Path, scaling: Scaling, *, labelled: bool
) -> Request:
    data = experiment.data
    return Request(
        suite=suite,
        data=folder,
        scaling=scaling,
        set=data.set,
        volume=data.volume,
        redshifts=tuple(data.redshifts),
        limit=data.limit,
        labelled=labelled,
        workers=data.workers,
        cache=default_cache(),
    )


def _load(modality: Modality, request: Request, name: str, console: Console) -> Loaded:
    with progress_bar(console, f"Reading {name}") as advance:
        loaded = modality.load(replace(request, on_progress=advance))
    for note in loaded.notes:
        console.print(f"[yellow]{name}:[/] {escape(note)}", highlight=False, soft_wrap=True)
    return loaded
