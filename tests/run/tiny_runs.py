"""An experiment small enough for seconds, large enough for every part of a run."""

from pathlib import Path

import torch

from dagnn import run

TINY = [
    "training.epochs=2",
    "training.batch_size=4",
    "data.workers=1",
    "model.encoder.hidden=8",
    "evaluation.bootstrap=100",
    "evaluation.latent_map=pca",
]


def load(universe: Path, *overrides: str, **values: object) -> run.Experiment:
    """Load the tiny experiment, tng to simba unless told otherwise."""
    values = {"source": ["tng"], "target": ["simba"], **values}
    return run.load("base", [*TINY, *overrides], data=universe, **values)


def weights(folder: Path, name: str = "last.pt") -> dict[str, torch.Tensor]:
    """Return the network's state in a checkpoint of a run."""
    stored = torch.load(folder / "checkpoints" / name, weights_only=True)
    return stored["network"]
