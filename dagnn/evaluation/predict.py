"""From a network and a dataset to predictions in physical units."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from dagnn.nn import mixture
from dagnn.parameters import Scaling
from dagnn.records import Dataset, Output
from dagnn.tasks import task_of


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
    answer: Scaling | Sequence[str],
    *,
    suite: str,
    role: str,
    split: str,
    batch_size: int = 64,
    model: str = "model",
) -> Any:
    """Predict parameters with error bars, or class probabilities, for some items of a dataset.

    Args:
        network: maps a batch to :class:`~dagnn.records.Output` with moments in prior units, or
            with class scores; an ensemble predicts as the mixture of its members.
        dataset: where the items are, of the domain whose statistics the network shall use; it
            is moved to the network's device.
        index: which items, ``[n]`` integers.
        answer: scaling between prior units and physical units of the parameters, or names of
            the ``K`` classes that the network knows.
        suite: short suite name.
        role: ``source``, ``target`` or ``other``.
        split: ``train``, ``valid``, ``test`` or ``all``.
        batch_size: items per forward pass; it does not change the numbers.
        model: which network this is.

    Returns:
        :class:`~dagnn.records.Predictions` for a scaling, with means and standard deviations
        (the modulus where a published network gives a negative one) ``[n, P]``, else
        :class:`~dagnn.records.ClassPredictions`; with latents ``[n, W]`` and the truth.

    Raises:
        ValueError: ``index`` is empty, or the network has another number of classes.
        TypeError: the network is one of the other task.
    """
    if not len(index):
        raise ValueError(f"Nothing to predict: the {split} split of {suite} is empty.")
    task = task_of(answer)
    batches: list[dict[str, Tensor]] = [
        {"latent": output.latent, **task.decode(output.prediction, answer)}
        for output in outputs(network, dataset, index, batch_size)
    ]
    decoded = {
        name: torch.cat([batch[name] for batch in batches]).double().cpu().numpy()
        for name in batches[0]
    }
    positions, ids, groups = index.tolist(), dataset.ids, dataset.groups
    return task.record(
        decoded,
        dataset.y[index.to(dataset.y.device)],
        answer,
        suite=suite,
        role=role,
        split=split,
        ids=tuple(str(ids[position]) for position in positions),
        latent=decoded.pop("latent"),
        model=model,
        groups=tuple(str(groups[position]) for position in positions),
    )
