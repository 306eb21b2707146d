"""Apply a published weight file to catalogues."""

from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from dagnn.catalogs.suites import guess_suite
from dagnn.console import log
from dagnn.data.catalogues import Galaxies
from dagnn.data.requests import Request
from dagnn.errors import ConfigError, UsageError
from dagnn.evaluation.predict import predict
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
from dagnn.run.predict import (
    OUTSIDE,
    SHARED,
    STATISTICS,
    UNKNOWN_SUITE,
    by_named_suite,
    deliver,
    require_replaceable,
    say_notes,
    wanted,
)
from dagnn.tasks import of_parameters

NOT_COMPARED = "unknown"
"""What stands in the column of what lies outside the training range, which no one stored."""


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
        out: CSV file with the columns that :func:`dagnn.run.predict.predict` writes; a table on
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
    with wanted(files, galaxies.reads, weights.name):
        loaded = galaxies.read(files, Request(scaling=scaling, volume=""))
    dataset = loaded.dataset
    predictions = predict(
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
    named = by_named_suite(predictions, loaded.suite)
    say_notes(console, [*loaded.notes, *_caveats(weights, [each.suite for each in named])])
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
    """Say what nobody knows of predictions by a weight file alone."""
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
