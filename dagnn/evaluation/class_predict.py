"""From a network and a dataset of classes to class probabilities."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from dagnn.evaluation.predict import join, outputs
from dagnn.records import ClassPredictions, Dataset, Logits


def predict_classes(
    network: nn.Module,
    dataset: Dataset,
    index: Tensor,
    classes: Sequence[str],
    *,
    suite: str,
    role: str,
    split: str,
    batch_size: int = 64,
    model: str = "model",
) -> ClassPredictions:
    """Predict class probabilities for some items of a dataset.

    Args:
        network: maps a batch to :class:`~dagnn.records.Output` with class scores; an
            ensemble predicts as the mixture of its members.
        dataset: where the items are, of the domain whose statistics the network shall use; it
            is moved to the network's device.
        index: which items, ``[n]`` integers.
        classes: names of the ``K`` classes that the network knows.
        suite: short suite name.
        role: ``source``, ``target`` or ``other``.
        split: ``train``, ``valid``, ``test`` or ``all``.
        batch_size: items per forward pass; it does not change the numbers.
        model: which network this is.

    Raises:
        ValueError: ``index`` is empty, or the network has another number of classes.
        TypeError: the network predicts moments, not classes.
    """
    if not len(index):
        raise ValueError(f"Nothing to predict: the {split} split of {suite} is empty.")
    probabilities, latents = [], []
    for output in outputs(network, dataset, index, batch_size):
        if not isinstance(output.prediction, Logits):
            raise TypeError(f"Expected class scores, got {type(output.prediction).__name__}.")
        probabilities.append(output.prediction.logits.double().softmax(-1))
        latents.append(output.latent)
    if probabilities[0].shape[1] != len(classes):
        raise ValueError(
            f"The network has {probabilities[0].shape[1]} classes, the data have {len(classes)} "
            f"({', '.join(classes)})."
        )
    positions, ids, groups = index.tolist(), dataset.ids, dataset.groups
    return ClassPredictions(
        suite=suite,
        role=role,
        split=split,
        ids=tuple(str(ids[position]) for position in positions),
        classes=tuple(classes),
        truth=np.asarray(dataset.y[index.to(dataset.y.device)].cpu().numpy(), dtype=np.int64),
        probability=join(probabilities),
        latent=join(latents),
        model=model,
        groups=tuple(str(groups[position]) for position in positions),
    )
