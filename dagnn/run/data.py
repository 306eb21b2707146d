"""Find, read and split the data of an experiment."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from torch import Tensor

from dagnn.catalogs.cache import default_cache
from dagnn.config import Experiment
from dagnn.console import log, print_line, print_notes, progress_bar
from dagnn.data.images import together
from dagnn.data.kinds import other_kind
from dagnn.data.mocking import CACHES, universes
from dagnn.data.requests import (
    CATALOGUES,
    IMAGES,
    SPECTRA,
    Inputs,
    Loaded,
    Mocks,
    Modality,
    Request,
    Truth,
)
from dagnn.data.splits import PARTS, Split, split_items
from dagnn.errors import MismatchError, MissingDataError, UsageError, meant
from dagnn.files import entries
from dagnn.run.prepared import Prepared, SuiteData, modality_of
from dagnn.run.ranges import within


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
            # A suite that the run did not use may be evaluated now.
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
    """Whether a folder is a cache of mocks, which is filled when suites are used."""
    return path.parent == default_cache().absolute() and path.name.startswith(CACHES)


def _fill(mocks: Mocks, out: Path, workers: int, console: Console) -> Path:
    for title, job in mocks.jobs:
        with progress_bar(console, f"Making MOCK {mocks.what} of {title}") as advance:
            job(out, workers=workers, on_progress=advance)
    return out


# Domain terms compare pairs of items, and a bootstrap resamples them.
FEWEST_PER_PART = 2
UNKNOWN = Truth()


def prepare(
    experiment: Experiment,
    folder: Path,
    console: Console,
    *,
    others: Sequence[str] = (),
    splits: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    truth: Truth | None = None,
) -> Prepared:
    """Read and split every suite of an experiment.

    Args:
        experiment: what to read.
        folder: data folder.
        console: where progress is shown.
        others: further suites, evaluated as a whole.
        splits: of an earlier run, suite → part → ids; suites that it lacks are split anew.
        truth: of an earlier run; None asks the modality.
    """
    modality = modality_of(experiment)
    spelling = {modality.name(name): name for name in experiment.source}
    roles = dict.fromkeys(spelling, "source")
    for role, names in (("target", experiment.target), ("other", others)):
        for spelt in names:
            name = modality.name(spelt)
            roles.setdefault(name, role)
            spelling.setdefault(name, spelt)
    data = experiment.data
    truth = truth or modality.truth(experiment.source, experiment.target, data.parameters, folder)
    suites: list[SuiteData] = []
    assigned: dict[str, str] = {}
    read = {
        name: read_suite(
            experiment, spelt, folder, truth, console, labelled=roles[name] == "source"
        )
        for name, spelt in spelling.items()
    }
    if modality.shared_objects:
        common = together(read)
        for name, before in read.items():
            new = common[name].notes[len(before.notes) :]
            print_notes(console, new, f"[yellow]{escape(name)}:[/]")
        read = dict(common)
    for domain, (name, loaded) in enumerate(read.items()):
        role, spelt = roles[name], spelling[name]
        split, number = None, 0
        if role != "other":
            ranges = data.target_prior if role == "target" else {}
            rows = within(loaded.dataset, truth.scaling, ranges, name)
            bound = assigned if modality.shared_objects else {}
            split = _split(experiment, name, loaded, rows, bound, (splits or {}).get(name))
            groups = loaded.dataset.groups
            assigned |= {groups[k]: part for part in PARTS for k in getattr(split, part).tolist()}
            number = domain
        suites.append(SuiteData(name, role, loaded, split, spelt).numbered(role, number))
    first = suites[0]
    for number, suite in enumerate(suites[1:], start=1):
        notes = require_inputs(suite, first.loaded.inputs, first.name, console)
        loaded = replace(suite.loaded, notes=(*suite.loaded.notes, *notes))
        suites[number] = replace(suite, loaded=loaded)
    require_alike(suites)
    return Prepared(tuple(suites), truth, folder, shared_objects=modality.shared_objects)


def read_data(
    experiment: Experiment,
    place: Path,
    console: Console,
    meta: Mapping[str, Any] | None = None,
    whose: str = "",
    *,
    others: Sequence[str] = (),
    adjustable: Collection[str] = (),
    truth: Truth | None = None,
) -> tuple[Experiment, Prepared]:
    """Read the data of an experiment, as a trained network met its own where there is one.

    Args:
        experiment: what to read.
        place: data folder.
        console: where progress and notes go.
        meta: of the network's checkpoint; None for a network that is yet to be trained.
        whose: how messages call that network.
        others: further suites, evaluated as a whole.
        adjustable: settings of inputs that may differ from the network's.
        truth: what the network predicts; None asks the modality.

    Returns:
        The experiment, with what the files decide where it leaves that open, and its data.

    Raises:
        DagnnError: data are absent, or stand for something else than the network's.
    """
    trained = Inputs.stored(meta or {})
    experiment = with_shared_options(experiment, place, others, trained)
    splits = meta["splits"] if meta else None
    prepared = prepare(experiment, place, console, others=others, splits=splits, truth=truth)
    if meta is not None:
        require_inputs(prepared.suites[0], trained, whose, console, adjustable)
    return experiment, prepared


def read_suite(
    experiment: Experiment,
    suite: str,
    folder: Path,
    truth: Truth,
    console: Console,
    *,
    labelled: bool,
) -> Loaded:
    """Read one suite, and print what a person should know about it.

    Args:
        experiment: what to read it as.
        suite: any spelling of its name.
        folder: data folder.
        truth: the parameters or classes to read.
        console: where progress and notes go.
        labelled: whether missing truth is an error.
    """
    modality = modality_of(experiment)
    request = request_for(experiment, suite, folder, truth, labelled=labelled)
    name = modality.name(suite)
    with progress_bar(console, f"Reading {name}") as advance:
        try:
            loaded = modality.load(replace(request, on_progress=advance))
        except MissingDataError as error:
            raise _explained(error, modality, request) from None
    if loaded.coverage is not None:
        print_line(console, f"{name}: {loaded.coverage}")
    print_notes(console, loaded.notes, f"[yellow]{escape(name)}:[/]")
    return loaded


def require_alike(suites: Sequence[SuiteData]) -> None:
    """Refuse suites whose inputs no one network can read.

    Raises:
        MismatchError: sizes differ; the message names them.
    """
    first = suites[0]
    for suite in suites[1:]:
        ours, theirs = dict(first.loaded.dataset.sizes), dict(suite.loaded.dataset.sizes)
        if ours != theirs:
            other = {name: (size, theirs.get(name)) for name, size in ours.items()}
            sizes = ", ".join(f"{n} {a} and {b}" for n, (a, b) in other.items() if a != b)
            raise MismatchError(
                f"The inputs of {first.name} and {suite.name} differ ({sizes}); one network cannot "
                "read both. The sizes of images are made equal by data.size or data.crop; "
                "channels and features must be equal in the files."
            )


def require_inputs(
    suite: SuiteData,
    inputs: Inputs,
    other: str,
    console: Console,
    adjustable: Collection[str] = (),
) -> list[str]:
    """Refuse inputs that stand for something else; print, and return, what cannot be known.

    Args:
        suite: whose inputs they are.
        inputs: that they should be like.
        other: whose those are.
        console: where notes go.
        adjustable: settings that may differ.

    Raises:
        MismatchError: they differ.
    """
    notes = suite.loaded.inputs.require_same(inputs, suite.name, other, adjustable)
    print_notes(console, notes)
    return notes


def with_shared_options(
    experiment: Experiment,
    folder: Path,
    others: Sequence[str] = (),
    trained: Inputs | None = None,
) -> Experiment:
    """Settle what the files of all suites decide together, where the experiment leaves it open.

    Args:
        experiment: what to read.
        folder: data folder.
        others: further suites.
        trained: inputs of the network that they are for, if there is one.
    """
    modality = modality_of(experiment)
    requests = [
        request_for(experiment, suite, folder)
        for suite in (*experiment.source, *experiment.target, *others)
    ]
    options = modality.shared_options(requests, trained or Inputs())
    return experiment.model_copy(update={"data": experiment.data.model_copy(update=options)})


def require_present(experiment: Experiment) -> None:
    """See that the suites of an experiment are there; silent where no folder is named.

    Raises:
        MissingDataError: files of a suite are not found.
    """
    folder = experiment.data.path
    if folder is None or is_mock_cache(folder):
        return
    modality = modality_of(experiment)
    for suite in (*experiment.source, *experiment.target):
        request = request_for(experiment, suite, folder)
        try:
            modality.find(request)
        except MissingDataError as error:
            raise _explained(error, modality, request) from None


def request_for(
    experiment: Experiment,
    suite: str,
    folder: Path,
    truth: Truth = UNKNOWN,
    *,
    labelled: bool = False,
) -> Request:
    """Return how to find and read one suite of an experiment.

    Args:
        experiment: what to read it as.
        suite: any spelling of its name.
        folder: data folder.
        truth: the parameters or classes to read; neither for looking alone.
        labelled: whether missing truth is an error.
    """
    data = experiment.data
    return Request(
        suite=suite,
        data=folder,
        scaling=truth.scaling,
        classes=truth.classes,
        set=data.set,
        volume=data.volume,
        redshifts=tuple(data.redshifts),
        limit=data.limit,
        labelled=labelled,
        workers=data.workers,
        cache=default_cache(),
    )


def _explained(error: MissingDataError, modality: Modality, request: Request) -> MissingDataError:
    """Add to the error of files that are not found what is there in their place."""
    folder, name = request.data, modality.name(str(request.suite))
    there = modality.suites(request) if folder.is_dir() else ()
    held = None if there or not folder.is_dir() else other_kind(folder, modality.reads)
    found = ""
    if held:
        config = {IMAGES: "survey", SPECTRA: "spectra", CATALOGUES: "gnn_mmd"}[held]
        found = (
            f"Files in {folder} look like {held}; this configuration reads {modality.reads}. For "
            f"those: --config {config}. "
        )
    if name not in there:
        present = f"there are {', '.join(there)}" if there else "nor is any other of its kind"
        look = f"see: dagnn inspect {quote(str(folder))}"
        found += f"{name} is not in {folder}; {present} ({look}). "
    # Where another name fits nearly, it does not help to hear what else was tried.
    why = meant(name, there) if name not in there else ""
    return MissingDataError(found + (why.strip() or str(error)))


def _split(
    experiment: Experiment,
    name: str,
    loaded: Loaded,
    rows: Tensor,
    bound: Mapping[str, str],
    ids: Mapping[str, Sequence[str]] | None,
) -> Split:
    """Split some items of a suite: as before, or as its files or other suites bind their groups.

    Args:
        experiment: shares and seed.
        name: of the suite, for messages.
        loaded: the suite.
        rows: its items to split.
        bound: group → split in which another suite has it.
        ids: of an earlier split; None splits anew.
    """
    dataset, kept = loaded.dataset, rows.numpy()
    if ids is not None:
        before = Split.from_ids(ids, dataset.ids)
        parts = (getattr(before, part) for part in PARTS)
        split = Split(*(items[np.isin(items, kept)] for items in parts))
    else:
        groups = [dataset.groups[row] for row in kept]
        own = [loaded.parts[row] for row in kept] if loaded.parts else [""] * len(kept)
        fixed = [part or bound.get(group, "") for part, group in zip(own, groups, strict=True)]
        split = split_items(groups, fixed, experiment.data.split, seed=experiment.seed)
        split = Split(*(kept[getattr(split, part)] for part in PARTS))
    if min(len(split.train), len(split.valid), len(split.test)) < FEWEST_PER_PART:
        raise UsageError(
            f"The {len(rows)} items of {name} leave fewer than {FEWEST_PER_PART} for "
            f"training, validation or test ({len(split.train)}, {len(split.valid)}, "
            f"{len(split.test)}). Use more of them, or other shares in data.split."
        )
    return split
