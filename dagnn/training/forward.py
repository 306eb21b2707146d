"""From batches to what an objective may see, in full or mixed precision.

With mixed precision, autocast chooses per operation: products of matrices are in bfloat16. Latents
and predictions come back in single precision, so that the objective, its gradients, all statistics,
the weights and the optimiser never see bfloat16. Its range is that of single precision, so losses
need no scaling.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from dagnn.collective import gather_rows, world_size
from dagnn.errors import UsageError
from dagnn.nn import at_least_float32, domain_of
from dagnn.records import Batch, Moments, Output, Pair

Network = Callable[[Any], Output]

# Which axis counts the items: [B, F] of one network, [M, B, F] of an ensemble.
ITEMS = -2


class Domains(Protocol):
    """Where the trainer gets its batches from.

    Attributes:
        steps: optimiser steps per epoch.
    """

    steps: int

    def draw(self, targets: bool) -> tuple[Sequence[Batch], Sequence[Batch], Tensor]:
        """Return source batches, target batches (if ``targets``), and target item numbers."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what decides the next draws."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue exactly where a stored state stood."""
        ...


def join(outputs: Sequence[Output]) -> Output:
    """Concatenate the items of several batches; a member axis before them is kept.

    Args:
        outputs: at least one; all with the same kind of prediction.
    """
    if len(outputs) == 1:
        return outputs[0]
    latent = torch.cat([output.latent for output in outputs], dim=ITEMS)
    kind = type(outputs[0].prediction)
    columns = zip(*(output.prediction for output in outputs), strict=True)
    return Output(latent, kind(*(torch.cat(column, dim=ITEMS) for column in columns)))


def whole(output: Output) -> Output:
    """Return the output on a whole batch, where several processes share it.

    Args:
        output: on this process's items.
    """
    if world_size() == 1:
        return output
    columns = (output.latent, *output.prediction)
    gathered = gather_rows(torch.cat(columns, dim=-1), dim=ITEMS)
    latent, *prediction = torch.split(gathered, [c.shape[-1] for c in columns], dim=-1)
    return Output(latent, type(output.prediction)(*prediction))


def nothing_like(output: Output) -> Output:
    """Return an output of the same kind with no items, in the place of a target not drawn."""
    prediction = output.prediction
    empty = type(prediction)(*(column.detach()[..., :0, :] for column in prediction))
    return Output(output.latent.detach()[..., :0, :], empty)


def make_pair(
    network: Network,
    sources: Sequence[Batch],
    targets: Sequence[Batch],
    target_index: Tensor,
    progress: float,
) -> Pair:
    """Run every batch through the network and put sources and targets side by side.

    Each domain goes through on its own, so batch statistics never mix domains.
    The truth of a target batch is not read. Domain terms compare domains pair by pair, so of
    several batches each must carry its domain. Where several processes share batches,
    all of them get the pair of the whole batch.

    Args:
        network: ``batch → Output``.
        sources: one batch per labelled domain.
        targets: one batch per unlabelled domain; may be empty.
        target_index: number of each target item among all target training items.
        progress: training progress in [0, 1].

    Raises:
        UsageError: there are targets, and of several batches of a side one carries no domain.
    """
    if targets:
        _require_domains(sources, "source")
        _require_domains(targets, "target")
    of_sources = [whole(network(batch)) for batch in sources]
    of_targets = [whole(network(batch)) for batch in targets]
    source = join(of_sources)
    where = source.latent.device
    return Pair(
        source=source,
        target=join(of_targets) if of_targets else nothing_like(source),
        labels=_labels(sources, source),
        progress=progress,
        target_index=target_index.to(where),
        source_domain=_domain_numbers(sources, of_sources),
        target_domain=_domain_numbers(targets, of_targets),
    )


def _labels(sources: Sequence[Batch], output: Output) -> Tensor:
    labels = torch.cat([gather_rows(batch.y) for batch in sources])
    prediction = output.prediction
    if isinstance(prediction, Moments) and labels.shape != prediction.mean.shape[ITEMS:]:
        raise ValueError(
            f"The truth has shape {list(labels.shape)}, the predicted mean "
            f"{list(prediction.mean.shape[ITEMS:])}; they must be equal."
        )
    return labels


def _require_domains(batches: Sequence[Batch], side: str) -> None:
    """Refuse several batches of which some carry no domain: they would be pooled."""
    missing = [domain_of(batch) for batch in batches].count(None)
    if missing and len(batches) > 1:
        raise UsageError(
            f"Of {len(batches)} {side} batches, {missing} do not carry the number of their domain, "
            "and domain terms would take their items for those of one domain. Set it once on each "
            "dataset: dataset.in_domain(number)."
        )


def _domain_numbers(batches: Sequence[Batch], outputs: Sequence[Output]) -> Tensor:
    """Return the number of each item's domain; batches that carry none are of domain 0."""
    numbers = [
        torch.full((output.latent.shape[ITEMS],), domain_of(batch) or 0)
        for batch, output in zip(batches, outputs, strict=True)
    ]
    return torch.cat(numbers) if numbers else torch.zeros(0, dtype=torch.int64)


# Name → type that autocast multiplies in; None leaves every operation as it is.
PRECISIONS: dict[str, torch.dtype | None] = {"float32": None, "bf16": torch.bfloat16}


class MixedPrecision:
    """A network whose matrices are multiplied in a lower precision.

    Args:
        network: ``batch → Output``.
        kind: type that autocast multiplies in.
        device: type of the device where it is, such as ``cuda``.
    """

    def __init__(self, network: Network, kind: torch.dtype, device: str) -> None:
        self.network = network
        self.kind = kind
        self.device = device

    def __call__(self, batch: Batch) -> Output:
        """Return latent and prediction, both in single precision or better."""
        with torch.autocast(self.device, self.kind):
            latent, prediction = self.network(batch)
        columns = (at_least_float32(column) for column in prediction)
        return Output(at_least_float32(latent), type(prediction)(*columns))


def in_precision(network: Network, precision: str, device: torch.device) -> Network:
    """Return what runs a network in some precision.

    Args:
        network: ``batch → Output``.
        precision: name in :data:`PRECISIONS`; with ``float32`` the network itself is returned.
        device: where it is.
    """
    kind = PRECISIONS[precision]
    return network if kind is None else MixedPrecision(network, kind, device.type)
