"""Apply a published weight file to catalogues."""

from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from dagnn.data.modalities import Galaxies
from dagnn.errors import ConfigError, MismatchError, UsageError
from dagnn.evaluation.predict import predict
from dagnn.models import (
    GraphEncoder,
    SignedMomentsHead,
    load_published,
    published_linking_radius,
)
from dagnn.parameters import Scaling
from dagnn.records import Predictions
from dagnn.run.reuse import deliver


def predict_published(
    weights: Path,
    files: Sequence[Path],
    *,
    convention: str = "published",
    linking_radius: float | None = None,
    parameters: Sequence[str] = ("Omega_m",),
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
        out: CSV file; a table on the screen if None.
        console: where progress goes; standard error if None.

    Raises:
        UsageError: the linking radius is neither given nor in the file's name.
        MismatchError: the file predicts another number of parameters.
    """
    network = load_published(weights)
    radius = linking_radius or published_linking_radius(weights)
    if radius is None:
        raise UsageError(
            f"The name of {weights} does not tell the linking radius. Give it in box units with "
            "--linking-radius (the published networks: 0.015 for TNG, 0.0148 for SIMBA)."
        )
    scaling = Scaling.of(parameters)
    encoder, head = network.encoder, network.head
    assert isinstance(encoder, GraphEncoder) and isinstance(head, SignedMomentsHead)
    if head.count != len(scaling.names):
        raise MismatchError(
            f"{weights} predicts {head.count} parameters and {len(scaling.names)} were named "
            f"({', '.join(scaling.names)}). Name them in order with --parameters."
        )
    features = "all" if encoder.node_input.mean.shape[1] else "positions"
    try:
        galaxies = Galaxies(radius, features, convention)
    except ValueError as error:
        raise ConfigError(f"--linking-radius: {error}") from error
    dataset = galaxies.read(files, scaling).dataset
    predictions = predict(
        network,
        dataset,
        torch.arange(len(dataset)),
        scaling,
        suite="unknown",
        role="other",
        split="all",
        model=weights.name,
    )
    deliver(predictions, out, console or Console(stderr=True))
    return predictions
