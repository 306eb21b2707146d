"""Optimisers by name, and which parameters weight decay acts on."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from dagnn.training.gradients import stacked_parameters

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
