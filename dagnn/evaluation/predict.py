"""From a network and a dataset to predictions in physical units."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from dagnn.nn import mixture
from dagnn.parameters import Scaling
from dagnn.records import Dataset, FloatArray, Moments, Output, Predictions


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode without gradients, and restore every mode after.

    Each module's own mode is restored, as a part may have been frozen on purpose.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def join(parts: list[Tensor]) -> FloatArray:
    """Put the parts of several batches into one array in double precision."""
    return torch.cat(parts).double().cpu().numpy()


def outputs(
    network: nn.Module, dataset: Dataset, index: Tensor, batch_size: int
) -> Iterator[Output]:
    """Give what a network says about some items, batch by batch, without gradients.

    Args:
        network: ``batch → Output``; of an ensemble the mixture is given.
        dataset: where the items are, of the domain whose statistics the network shall use; it
            is moved to the network's device.
        index: which items, ``[n]`` integers.
        batch_size: items per forward pass.
    """
    where = next((weight.device for weight in network.parameters()), dataset.y.device)
    dataset = dataset.to(where)
    with evaluating(network):
        for part in torch.split(index.to(where), batch_size):
            yield mixture(network(dataset.batch(part)))


def predict(
    network: nn.Module,
    dataset: Dataset,
    index: Tensor,
    scaling: Scaling,
    *,
    suite: str,
    role: str,
    split: str,
    batch_size: int = 64,
    model: str = "model",
) -> Predictions:
    """Predict parameters with error bars for some items of a dataset.

    Args:
        network: maps a batch to :class:`~dagnn.records.Output` with moments in prior units;
            an ensemble predicts as the mixture of its members.
        dataset: where the items are, of the domain whose statistics the network shall use; it
            is moved to the network's device.
        index: which items, ``[n]`` integers.
        scaling: between prior units and physical units.
        suite: short suite name.
        role: ``source``, ``target`` or ``other``.
        split: ``train``, ``valid``, ``test`` or ``all``.
        batch_size: items per forward pass; it does not change the numbers.
        model: which network this is.

    Returns:
        Means and standard deviations (the modulus where a published network
        gives a negative one) ``[n, P]``, latents ``[n, W]``, and the truth.

    Raises:
        ValueError: ``index`` is empty.
        TypeError: the network predicts classes, not moments.
    """
    if not len(index):
        raise ValueError(f"Nothing to predict: the {split} split of {suite} is empty.")
    means, stds, latents = [], [], []
    for output in outputs(network, dataset, index, batch_size):
        if not isinstance(output.prediction, Moments):
            raise TypeError(f"Expected moments, got {type(output.prediction).__name__}.")
        means.append(output.prediction.mean)
        stds.append(output.prediction.std.abs())
        latents.append(output.latent)
    positions, ids, groups = index.tolist(), dataset.ids, dataset.groups
    return Predictions(
        suite=suite,
        role=role,
        split=split,
        ids=tuple(str(ids[position]) for position in positions),
        parameters=scaling.names,
        truth=np.asarray(dataset.y[index.to(dataset.y.device)].double().cpu().numpy()),
        mean=scaling.mean_to_physical(join(means)),
        std=scaling.std_to_physical(join(stds)),
        latent=join(latents),
        model=model,
        groups=tuple(str(groups[position]) for position in positions),
    )
