"""Optimisers, learning-rate schedules, and the norm of gradients.

A schedule is a pure function from training progress in [0, 1) to the fraction of the peak rate,
so a resumed run needs no scheduler state: the step number determines it.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

WARM_UP = 0.3
START = 1 / 25
END = 1e-4
CYCLES = 2.75


def constant(progress: float) -> float:
    """Return one at any time."""
    return 1.0


def cosine(progress: float) -> float:
    """Return half a cosine from one down to zero.

    References:
        Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5 without restarts.
    """
    return 0.5 * (1 + math.cos(math.pi * progress))


def one_cycle(progress: float) -> float:
    """Return a cosine rise from 1/25 to one over 30% of training, then a cosine fall to 1e-4.

    References:
        Smith & Topin 2018, arXiv:1708.07120.
    """
    if progress < WARM_UP:
        return 1 + (START - 1) * cosine(progress / WARM_UP)
    return END + (1 - END) * cosine((progress - WARM_UP) / (1 - WARM_UP))


def cyclic(progress: float) -> float:
    """Return triangles between 1e-4 and one: 2.75 cycles, as the public DA-GNN code trains.

    References:
        Smith 2017, arXiv:1506.01186 (policy "triangular").
    """
    phase = (CYCLES * progress) % 1
    return END + (1 - END) * (1 - abs(2 * phase - 1))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "one_cycle": one_cycle,
    "cosine": cosine,
    "cyclic": cyclic,
    "constant": constant,
}


SMALLEST_NORM = 1e-6


def stacked_parameters(modules: Iterable[nn.Module]) -> dict[int, nn.Parameter]:
    """Return, by ``id``, the parameters with a leading member axis.

    They are those of modules with a ``member_count`` (an ensemble), also where
    such a module is wrapped in another.
    """
    ensembles = (
        part
        for module in modules
        for part in module.modules()
        if getattr(part, "member_count", None)
    )
    return {id(p): p for ensemble in ensembles for p in ensemble.parameters()}


class Gradients:
    """The gradient of every member, clipped as if the member were trained alone.

    A norm over all members would clip each by what the others do, and the more
    the larger the ensemble. One network counts as one member.

    Args:
        network: its parameters have a member axis if it has a ``member_count``.
        objective: for an ensemble, one with ``members``: an objective for each.

    Raises:
        ValueError: parameters of the objective belong to no member.
    """

    def __init__(self, network: nn.Module, objective: nn.Module) -> None:
        self.stacked = list(stacked_parameters([network]).values())
        if not self.stacked:
            both = [*network.parameters(), *objective.parameters()]
            self.own = [list({id(p): p for p in both}.values())]
            return
        members: Sequence[nn.Module] = list(getattr(objective, "members", ()))
        self.own = [list(member.parameters()) for member in members]
        if len(members) != len(self.stacked[0]):
            raise ValueError(
                f"An ensemble of {len(self.stacked[0])} needs an objective for each member "
                f"(losses.PerMember), got {len(members)}."
            )

    def norms(self) -> Tensor:
        """Return the norm of each member's gradient, ``[M]``."""
        own = [torch.nn.utils.get_total_norm(_gradients(share)) for share in self.own]
        stacked = _gradients(self.stacked)
        if not stacked:
            return torch.stack(own)
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in stacked])
        return (norms.square().sum(0) + torch.stack(own).to(norms).square()).sqrt()

    def clip(self, norms: Tensor, largest: float) -> None:
        """Scale down the gradient of each member whose norm is too large.

        Args:
            norms: of the members, ``[M]``.
            largest: norm that a gradient may have.
        """
        for share, norm in zip(self.own, norms, strict=True):
            torch.nn.utils.clip_grads_with_norm_(share, largest, norm)
        factors = (largest / (norms + SMALLEST_NORM)).clamp(max=1.0)
        for gradient in _gradients(self.stacked):
            gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))


def _gradients(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    return [p.grad for p in parameters if p.grad is not None]


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
}


def parameter_groups(modules: Iterable[nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """Return the trainable parameters of modules in two groups: with and without decay.

    Weight decay acts on parameters of two or more dimensions (weight matrices,
    convolution kernels). Biases, the scale and shift of normalisation layers
    and learned scalars have fewer and are left alone: shrinking them does not
    regularise, it only biases. The member axis of an ensemble does not count.

    Args:
        modules: network and objective; a parameter that both hold counts once.
        weight_decay: for the first group.
    """
    modules = list(modules)
    unique = {id(p): p for module in modules for p in module.parameters() if p.requires_grad}
    stacked = stacked_parameters(modules)
    matrices = {key for key, p in unique.items() if p.ndim - (key in stacked) >= 2}
    decayed = [p for key, p in unique.items() if key in matrices]
    plain = [p for key, p in unique.items() if key not in matrices]
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
