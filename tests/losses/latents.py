"""Gaussian latents of two domains, for the tests of this room."""

import torch
from torch import Tensor

from dagnn.losses import TERMS, DomainTerm
from dagnn.records import Moments, Output, Pair


def make_pair(source: Tensor, target: Tensor, progress: float = 0.5) -> Pair:
    """Pair two latents whose first feature is the truth, which the network predicts."""

    def output(latent: Tensor) -> Output:
        return Output(latent, Moments(latent[:, :1], latent[:, :1].abs() + 1))

    return Pair(
        source=output(source),
        target=output(target),
        labels=source[:, :1].detach(),
        progress=progress,
        target_index=torch.arange(len(target)),
        source_domain=torch.zeros(len(source), dtype=torch.long),
        target_domain=torch.ones(len(target), dtype=torch.long),
    )


# What the value of a term measures decides which laws it can obey. These
# lists are explicit; every other term of the table obeys them all.
ADVERSARIAL = ["dann"]  # the loss of a discriminator: large where the domains agree
SILENT = ["none", "statistics"]  # zero whatever the latents
MEAN_BLIND = ["coral"]  # unchanged by a shift, so tested with a stretch


def make_term(name: str, **options) -> DomainTerm:
    """Make a term for latents of width four; one with a discriminator from a fixed seed."""
    if name not in ADVERSARIAL:
        return TERMS[name](**options)
    torch.manual_seed(0)
    return TERMS[name](width=4, **options)


def displaced(name: str, target: Tensor, amount: float | Tensor) -> Tensor:
    """Move a target away from the source in the way that a term can see."""
    if name not in MEAN_BLIND:
        return target + amount
    factor = torch.ones(4, dtype=target.dtype)
    return target * torch.cat([1 + torch.as_tensor(amount).reshape(-1)[:1], factor[1:]])


def samples(shift: float, sources: int = 200, targets: int = 200) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    source = torch.randn(sources, 4, generator=generator)
    return source, torch.randn(targets, 4, generator=generator) + shift
