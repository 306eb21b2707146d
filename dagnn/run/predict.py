"""Predict new files with a finished run, or with a published weight file."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from rich.console import Console

from dagnn.catalogs.suites import guess_suite
from dagnn.console import log, print_line, print_notes
from dagnn.data.catalogues import Galaxies
from dagnn.data.images import require_trained_scale
from dagnn.data.kinds import kind_of
from dagnn.data.requests import Inputs, Loaded, Modality, Request
from dagnn.errors import ConfigError, DataError, MismatchError, UsageError, nearest
from dagnn.evaluation.predict import predict as predict_items
from dagnn.graphs.features import NODE_FEATURES
from dagnn.models import (
    GraphEncoder,
    Network,
    SignedMomentsHead,
    load_published,
    published_linking_radius,
)
from dagnn.parameters import Scaling
from dagnn.records import Predictions
from dagnn.run.prepared import modality_of, stored_truth
from dagnn.run.ranges import (
    alarm_text,
    outside_range,
    unlike_as_a_set,
    warn_outside,
)
from dagnn.run.show import OUTSIDE, STATISTICS, deliver, require_replaceable
from dagnn.run.trained import (
    Trained,
    adapt,
    apply_novelty,
    apply_scale,
    read_novelty,
    read_scale,
    uncalibrated,
)
from dagnn.tasks import CLASSIFICATION, AnyPredictions, of_parameters, task_of
from dagnn.trust.error_bars import VarianceScale

UNKNOWN_SUITE = "unknown"
"""How a file of predictions calls the suite of inputs whose paths name none."""
SHARED = "shared"
"""What stands in the column of statistics where all suites share them."""
NOT_COMPARED = "unknown"
"""What stands in the column of what lies outside the training range where nobody stored that."""
ADAPTED = (
    "The statistics of these files are their own, which assumes that their parameters, or classes, "
    "are spread like those of training. Nothing here can tell whether they are: where they span "
    "less, means are spread too far and error bars are too small. Beside the data of training it "
    "is checked by: dagnn evaluate RUN --suite NAME --adapt-statistics"
)


def predict(
    path: Path,
    files: Sequence[Path],
    *,
    suite: str | None = None,
    adapt_statistics: bool = False,
    out: Path | None = None,
    console: Console | None = None,
) -> AnyPredictions:
    """Predict the parameters, or the classes, of new files with a finished run.

    Args:
        path: run directory.
        files: catalogues, or files of spectra.
        suite: the trained suite whose statistics to use; the first source if None.
        adapt_statistics: estimate statistics from these files instead.
        out: CSV file; a table on the screen if None. Its last columns hold what of an input
            lies outside the range of training (empty where nothing does), which predictions
            or error bars reach beyond the prior, through the statistics of which suite inputs
            are seen (``shared`` by all), and whether network or inputs come of mock data.
        console: where warnings go; standard error if None.
    """
    console = console or log()
    if suite is not None and adapt_statistics:
        raise UsageError(
            "--suite names the statistics to use and --adapt-statistics estimates others. Give "
            "one of them."
        )
    require_replaceable(out)
    trained = Trained.open(path)
    meta, folder, record = trained.checkpoint.meta, trained.folder, trained.folder.read_record()
    modality, truth, domains = modality_of(trained.experiment), stored_truth(meta), meta["domains"]
    if suite is None and not adapt_statistics:
        _require_one(files, meta)
    named = None if suite is None else modality.name(suite)
    loaded = _read(trained, modality, files, named)
    print_notes(console, loaded.notes)
    if named is None and not adapt_statistics:
        named = _choose_suite(loaded.suite or named_by(files, domains), meta, console)
    notes = uncalibrated(folder, trained.experiment)
    if truth.classes and not folder.novelty.is_file():
        again = f"dagnn evaluate {quote(str(folder.path))}"
        notes.append(f"No novelty: {folder.novelty} is absent. Learn it again with: {again}")
    notes += [ADAPTED] if adapt_statistics else []
    scale = read_scale(folder, task_of(truth.answer))
    if isinstance(scale, VarianceScale) and not scale.fitted:
        notes += scale.sentences()
    notes += [alarm_text(each) for each in record.intervals if each.alarm and each.suite == named]
    print_notes(console, notes)
    dataset, spread = loaded.dataset, meta.get("training_spread", {})
    outside = outside_range(dataset, meta["training_range"], spread)
    warn_outside(outside, unlike_as_a_set(dataset, outside, spread), console)
    # A checkpoint knows the data of its own training, the run also those of what it started from.
    learned = bool(meta["mock"] or record.mock)
    for mock, what in ((loaded.mock, "These inputs are"), (learned, "This network was trained on")):
        if mock:
            console.print(f"[bold yellow]{what} MOCK data.[/]")
    if named is not None and named not in domains:
        raise UsageError(f"The run was not trained on {named}. {nearest(named, domains)}")
    items = torch.arange(len(dataset))
    raw: AnyPredictions = predict_items(
        adapt(trained.network, dataset, items) if adapt_statistics else trained.network,
        dataset.in_domain(0 if named is None else list(domains).index(named)),
        items,
        truth.answer,
        suite=named or UNKNOWN_SUITE,
        role="other",
        split="all",
    )
    judged = apply_novelty(read_novelty(folder), [raw])
    labelled = [modality.name(name) for name in trained.experiment.source]
    calibrated: AnyPredictions
    (calibrated,) = apply_scale(scale, judged, labelled)
    through = SHARED if meta["statistics"] == 1 else named or domains[0]
    through = "these files" if adapt_statistics else through
    remarks = {OUTSIDE: outside, STATISTICS: dict.fromkeys(calibrated.ids, through)}
    parts = _by_named_suite(calibrated, named or loaded.suite)
    deliver(parts, out, console, remarks, scaling=truth.scaling, mock=learned or loaded.mock)
    return parts[0] if len(parts) == 1 else calibrated


def _by_named_suite(predictions: AnyPredictions, suite: str | None) -> list[AnyPredictions]:
    """Name the suite of predicted files where their paths do, one record for each suite.

    Args:
        predictions: of files; an item is called like its (first) file.
        suite: of all of them, where that is known.
    """
    if suite is not None:
        return [replace(predictions, suite=suite)]
    if task_of(predictions) is CLASSIFICATION:
        return [predictions]
    rows: dict[str, list[int]] = {}
    for row, item in enumerate(predictions.ids):
        guessed = guess_suite(item)
        rows.setdefault(guessed.short_name if guessed else UNKNOWN_SUITE, []).append(row)
    return [replace(predictions.take(each), suite=name) for name, each in rows.items()]


def _read(trained: Trained, modality: Modality, files: Sequence[Path], suite: str | None) -> Loaded:
    """Read files as the run read its own, and refuse what its network cannot take."""
    meta, data = trained.checkpoint.meta, trained.experiment.data
    truth = stored_truth(meta)
    with _reading_as(files, modality.reads, f"the run {trained.folder.path}"):
        request = Request(
            suite or "",
            scaling=truth.scaling,
            classes=truth.classes,
            volume=data.volume,
            redshifts=tuple(data.redshifts),
        )
        loaded = modality.read(files, request)
    whose = f"the run {trained.folder.path}"
    notes = loaded.inputs.require_same(Inputs.stored(meta), "these files", whose)
    if dict(loaded.dataset.sizes) != meta["sizes"]:
        raise MismatchError(
            f"These files give inputs of size {dict(loaded.dataset.sizes)}, the run was trained on "
            f"{meta['sizes']}. Give files like those of the run."
        )
    require_trained_scale(loaded.dataset, meta["training_range"])
    return replace(loaded, notes=(*loaded.notes, *notes))


def _require_one(files: Sequence[Path], meta: Mapping[str, Any]) -> None:
    """Refuse files of several trained suites where each has statistics of its own.

    Raises:
        UsageError: the paths name more than one.
    """
    found = {_named_by(Path(file), meta["domains"]) for file in files} - {None}
    if len(found) > 1 and meta["statistics"] > 1:
        raise UsageError(
            f"The paths name {' and '.join(sorted(map(str, found)))}, and every suite of the run "
            "has statistics of its own. Predict one suite at a time, or name one with --suite."
        )


def _choose_suite(guessed: str | None, meta: Mapping[str, Any], console: Console) -> str | None:
    """Return the suite whose statistics to see files through, and print which that is.

    Args:
        guessed: what the paths of the files name.
        meta: of the checkpoint.
        console: where to print it.
    """
    domains = meta["domains"]
    chosen = guessed if guessed in domains else None
    if meta["statistics"] == 1:
        return chosen
    why, label = f"Seen through the statistics of {chosen}, which the paths name.", ""
    if chosen is None:
        label = "[yellow]Note:[/]"
        why = (
            f"Seen through the statistics of {domains[0]}, as the paths name no suite of the run. "
            "Files of another suite are then predicted as if nothing were aligned."
        )
    others = f"--suite {' or '.join(domains)}, or --adapt-statistics"
    print_line(console, f"{why} Others: {others}.", label)
    return chosen


def named_by(files: Sequence[Path], domains: Sequence[str]) -> str | None:
    """Return the trained suite that the paths of all files name as a word, if they agree.

    Names of files count before those of their folders.

    Example:
        >>> named_by([Path("sdss/gz_illustris.npz")], ["sdss", "illustris"])
        'illustris'
    """
    found = {_named_by(Path(file), domains) for file in files}
    return found.pop() if len(found) == 1 else None


def _named_by(file: Path, domains: Sequence[str]) -> str | None:
    for part in reversed(file.absolute().parts):
        words = re.split(r"[^a-z0-9]+", part.casefold())
        named = [domain for domain in domains if domain.casefold() in words]
        if named:
            return named[0] if len(named) == 1 else None
    return None


@contextmanager
def _reading_as(files: Sequence[Path], reads: str, who: str) -> Iterator[None]:
    """Name what files hold that cannot be read because they hold something else.

    Args:
        files: what is read.
        reads: what they should be, as :mod:`dagnn.data.kinds` calls it.
        who: reads them.

    Raises:
        MismatchError: a file holds something else.
    """
    try:
        yield
    except DataError as error:
        for file in files:
            kind = kind_of(file)
            if kind not in (None, reads):
                raise MismatchError(f"{file} holds {kind}; {who} reads {reads}.") from error
        raise


def predict_published(
    weights: Path,
    files: Sequence[Path],
    *,
    convention: str = "published",
    linking_radius: float | None = None,
    parameters: Sequence[str] = ("Omega_m",),
    features: str | None = None,
    out: Path | None = None,
    console: Console | None = None,
) -> Predictions:
    """Predict parameters of catalogues with a public GNN_DomainAdapt or CosmoGraphNet network.

    Args:
        weights: the weight file.
        files: catalogues.
        convention: how graphs are built; these weights expect ``published``.
        linking_radius: in box units; read from the name of the weight file if None.
        parameters: what the file predicts, in its order.
        features: node features that it was trained on; None takes the first set of their number.
        out: CSV file with the columns that :func:`predict` writes; a table on
            the screen if None.
        console: where progress goes; standard error if None.

    Raises:
        CheckpointError: the weight file is damaged or holds values that are not finite.
        UsageError: the linking radius is neither given nor in the file's name.
        UsageError: the file predicts another number of parameters, or was trained on other
            node features than those named.
    """
    require_replaceable(out)
    network = load_published(weights)
    radius = published_linking_radius(weights) if linking_radius is None else linking_radius
    if radius is None:
        raise UsageError(
            f"The name of {weights} does not tell the linking radius. Give it in box units with "
            "--linking-radius (the published networks: 0.015 for TNG, 0.0148 for SIMBA)."
        )
    scaling = Scaling.of(parameters)
    galaxies = _reader(weights, network, scaling, radius, features, convention)
    with _reading_as(files, galaxies.reads, weights.name):
        loaded = galaxies.read(files, Request(scaling=scaling, volume=""))
    dataset = loaded.dataset
    predictions = predict_items(
        network,
        dataset,
        torch.arange(len(dataset)),
        scaling,
        suite=UNKNOWN_SUITE,
        role="other",
        split="all",
        model=weights.name,
    )
    console = console or log()
    named = _by_named_suite(predictions, loaded.suite)
    print_notes(console, [*loaded.notes, *_caveats(weights, [each.suite for each in named])])
    if loaded.mock:
        console.print("[bold yellow]These inputs are MOCK data.[/]")
    remarks = {
        OUTSIDE: dict.fromkeys(predictions.ids, NOT_COMPARED),
        STATISTICS: dict.fromkeys(predictions.ids, SHARED),
    }
    deliver(named, out, console, remarks, scaling=scaling, mock=loaded.mock)
    (first, *others) = of_parameters(named)
    return predictions if others else first


def _caveats(weights: Path, suites: Sequence[str]) -> list[str]:
    """Return what nobody knows of predictions by a weight file alone."""
    trained = guess_suite(weights.name)
    name = trained.short_name if trained else None
    other = [suite for suite in suites if suite != name]
    unseen = f"{' and '.join(suites)}: nothing in the file says which suite it was trained on"
    if name is not None:
        unseen = f"{' and '.join(other)}: the network was trained on {name}, by the file's name"
    return [
        f"Not calibrated: {weights.name} holds weights alone. The error bars are those of the "
        "network, uncorrected, for every suite.",
        f"Not compared with the training range, which {weights.name} does not hold: the column "
        f"{OUTSIDE} says {NOT_COMPARED}.",
        *([f"{unseen}. Neither means nor error bars are adjusted to it."] if other else []),
    ]


def _reader(
    weights: Path,
    network: Network,
    scaling: Scaling,
    radius: float,
    features: str | None,
    convention: str,
) -> Galaxies:
    """Return what reads catalogues as a network expects them.

    Raises:
        ConfigError: there is no such convention, or set of features.
        UsageError: the network was trained on other features, or for other parameters.
    """
    encoder, head = network.encoder, network.head
    assert isinstance(encoder, GraphEncoder) and isinstance(head, SignedMomentsHead)
    if head.count != len(scaling.names):
        raise UsageError(
            f"{weights} predicts {head.count} parameters and {len(scaling.names)} were named "
            f"({', '.join(scaling.names)}). Name them in order with --parameters."
        )
    width = encoder.node_input.mean.shape[1]
    fitting = [name for name, columns in NODE_FEATURES.items() if len(columns) == width]
    features = features or next(iter(fitting), "all")
    try:
        galaxies = Galaxies(radius, features, convention)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if features not in fitting:
        raise UsageError(
            f"{weights} expects {width} node features and --features {features} gives "
            f"{len(NODE_FEATURES[features])}. Fitting: {', '.join(fitting) or 'none'}."
        )
    return galaxies
